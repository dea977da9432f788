"""What a workflow may ask of a service: activity names, their inputs and their answers.

Each service serves its activities on the task queue of its own name. Inputs carry opaque ids and codes only. Every
activity is idempotent: its effect is keyed by `command_id`, which the workflow derives from incident, cycle and step.
"""

from datetime import UTC, date, datetime
from uuid import UUID

from pydantic import BaseModel, Field

from services.contracts.taxonomy import (
    Band,
    Category,
    EscalationReason,
    Kind,
    PhysicalHarm,
    PsychologicalHarm,
    RecordKind,
    ReviewMethod,
    Role,
    Stage,
    ThemeStage,
)

DIRECTORY_QUEUE = "directory"
INTAKE_QUEUE = "intake"
REVIEW_QUEUE = "review"
ACTIONS_QUEUE = "actions"
REPORTING_QUEUE = "reporting"


class Command(BaseModel):
    """What every activity input carries."""

    command_id: str
    provider_id: UUID
    incident_id: UUID


ENTER_STAGE = "intake.enter_stage"


class EnterStage(Command):
    """Record that the incident entered a stage. Ignored when the incident has already left it or ended."""

    cycle: int
    stage: Stage
    next_move: Role | None = None
    due_at: datetime | None = None


DEFAULT_TRIAGE = "intake.default_triage"


class DefaultTriage(Command):
    """Triage by rule because nobody did in time. Ignored when a person has."""

    cycle: int


REMIND = "intake.remind"


class Remind(Command):
    """Remind whoever has the next move; the answer says when to act again."""

    cycle: int
    stage: Stage
    count: int
    next_move: Role


class Reminded(BaseModel):
    """When the next reminder is due, and whether it is time to go up the line."""

    next_at: datetime
    escalate: bool


class Climb(BaseModel):
    """The rung that a run of the ladder wants called now. `step` counts the calls of a run."""

    run_id: UUID
    step: int
    role: Role


REQUEST_ESCALATION = "intake.request_escalation"


class RequestEscalation(Command):
    """Something went wrong that the process sees first; the policy says whether it starts the ladder, and where.

    `about` names the thing within the incident, `count` how often it went wrong so far.
    """

    reason: EscalationReason
    about: str
    count: int


class Requested(BaseModel):
    """The rung to call now; None when the policy wants nobody, or a rung is being called already."""

    climb: Climb | None


ESCALATE = "intake.escalate"


class Escalate(Command):
    """Record the call of one rung: of `to_person`, or of the first of `others` where that person may not be called.

    `to_role` is who was looked for; without `to_person` nobody was found.
    """

    run_id: UUID
    step: int
    to_role: Role
    to_person: UUID | None
    others: list["OnRung"] = Field(default_factory=list)


class RunningClock(BaseModel):
    """The clock in which a rung must answer, told directly so that the ladder climbs while the broker is away."""

    clock_id: UUID
    revision: int
    due_at: datetime


class Escalated(BaseModel):
    """What came of a call: the notice to send and to whom, whether it interrupts them, the clock that runs now, the rung to
    call at once if nobody was found.
    """

    notify: UUID | None = None
    urgent: bool = True
    to_person: UUID | None = None
    clock: RunningClock | None = None
    climb: Climb | None = None


RING_CLOCK = "intake.ring_clock"


class RingClock(Command):
    """A clock beside the stages ran out; intake does what is to be done. Ignored for a revision that was replaced."""

    clock_id: UUID
    revision: int


class Rung(BaseModel):
    """The clock as it is afterwards: when it rings next, or None when it has stopped.

    `climb` is the rung of the ladder that is to be called because of it.
    """

    revision: int
    due_at: datetime | None
    climb: Climb | None = None


RESOLVE_ON_CALL = "directory.resolve_on_call"


class ResolveOnCall(Command):
    """Who holds a rung of the ladder for a location at this moment."""

    location_id: UUID
    role: Role


class OnRung(BaseModel):
    """Somebody who may be called for a rung; `role` is that of whoever stands in."""

    role: Role
    person_id: UUID


class OnCall(BaseModel):
    """The answer: who is called first, and in order who else is there if that person may not be called.

    `person_id` is None when there is nobody: the ladder climbs.
    """

    role: Role
    person_id: UUID | None
    others: list[OnRung] = Field(default_factory=list)


DELIVER_NOTICE = "directory.deliver_notice"


class DeliverNotice(Command):
    """Send somebody a word that something needs an answer. `path` is an opaque link; nothing of the incident goes along."""

    notice_id: UUID
    person_id: UUID
    path: str
    urgent: bool


class Delivered(BaseModel):
    """Over how many channels it went. None is no failure: the inbox has it, and the delivery shows why."""

    sent: int


LIST_WAITING = "intake.list_waiting"


class Waiting(BaseModel):
    """Something at a location waits for whoever holds a role there."""

    provider_id: UUID
    role: Role
    location_id: UUID


class ListWaiting(BaseModel):
    """One page of where something waits for whom, of all providers, after `after`. Restricted incidents are left out."""

    after: Waiting | None = None
    limit: int = 1000


class WaitingPage(BaseModel):
    """A page; fewer than `limit` items means the last."""

    waiting: list[Waiting]


SEND_DIGEST = "directory.send_digest"


class SendDigest(BaseModel):
    """Send the routine word of a day to whoever has something waiting: one for each person, however much it is."""

    provider_id: UUID
    day: date
    waiting: list[Waiting]


WATCH_CONCERN = "intake.watch_concern"


class WatchConcern(BaseModel):
    """Look whether a concern still waits for an answer. `looks` is how often that was asked before."""

    provider_id: UUID
    concern_id: UUID
    looks: int


class ConcernWatch(BaseModel):
    """How a concern, or a broken glass, stands. While it waits: when to look again, and who answers; never `away`."""

    waits: bool
    next_at: datetime
    late: bool = False
    roles: list[Role] = Field(default_factory=list)
    people: list[UUID] = Field(default_factory=list)
    away: list[UUID] = Field(default_factory=list)
    location_id: UUID | None = None


WATCH_GLASS = "intake.watch_glass"


class WatchGlass(BaseModel):
    """Look whether anybody has answered that the glass of an incident that had ended was broken."""

    provider_id: UUID
    incident_id: UUID
    break_glass_id: UUID
    looks: int


OPEN_REVIEW = "review.open_review"


class OpenReview(Command):
    """Open the review whose depth the policy finds proportionate."""

    cycle: int
    location_id: UUID
    region_id: UUID | None
    kind: Kind
    category: Category
    actual_harm: PhysicalHarm
    band: Band
    triage_revision: int = 1
    psychological_harm: PsychologicalHarm = PsychologicalHarm.NONE


class ReviewPlan(BaseModel):
    """How the incident will be reviewed, by whom, until when, as of which revision of the review."""

    review_id: UUID
    method: ReviewMethod
    lead_role: Role
    due_at: datetime
    revision: int = 0


END_REVIEW = "review.end_review"


class EndReview(Command):
    """The incident was withdrawn or is a duplicate: what is open of its reviews and briefings ends too."""


OPEN_THEME_REVIEW = "review.open_theme_review"


class OpenThemeReview(Command):
    """Open the thematic review of a theme, whose id stands in `incident_id`. Once for a cycle."""

    cycle: int


class ThemeReviewPlan(BaseModel):
    """Until when it is due and who has the next move."""

    review_id: UUID
    lead_role: Role
    due_at: datetime


ENTER_THEME_STAGE = "review.enter_theme_stage"


class EnterThemeStage(Command):
    """Record that a theme entered a stage. Ignored when it has already left it or ended."""

    cycle: int
    stage: ThemeStage
    next_move: Role | None = None
    due_at: datetime | None = None


REMIND_THEME = "review.remind_theme"


class RemindTheme(Command):
    """A clock of a theme ran out: say who is to be told. `count` is how often it did in this stage.

    With `action_id`, that action was returned for the `count`-th time.
    """

    cycle: int
    stage: ThemeStage
    count: int
    action_id: UUID | None = None


class ThemeReminder(BaseModel):
    """Whom to tell, by name or, up the line, by role; and when the clock rings again."""

    next_at: datetime
    notice_id: UUID
    person_id: UUID | None
    role: Role | None


LIST_OPEN_THEMES = "review.list_open_themes"
"""Takes and answers what `LIST_OPEN_INCIDENTS` does; the ids are of themes."""

SEND_BRIEFING = "review.send_briefing"


class SendBriefing(Command):
    """Send the approved learning to the locations that need it."""

    cycle: int


class BriefingPlan(BaseModel):
    """To how many locations it went and until when they have.

    `reminds_by_location`: each location that has not understood it by then is reminded by what follows the briefing.
    """

    briefing_id: UUID
    audience: int
    due_at: datetime
    reminds_by_location: bool = False


FOLLOW_UP_BRIEFING = "review.follow_up_briefing"


class FollowUpBriefing(BaseModel):
    """Look what a briefing still waits for after it was sent: returns of locations, and whether people still know."""

    provider_id: UUID
    briefing_id: UUID


class ToTell(BaseModel):
    """Somebody to tell: a person, or whoever holds a role for a location. The same `about` is told once."""

    about: str
    person_id: UUID | None = None
    role: Role | None = None
    location_id: UUID | None = None
    urgent: bool = False


class BriefingFollowUp(BaseModel):
    """When to look again, None when nothing is waited for any more; and who is to be told now."""

    next_at: datetime | None
    tell: list[ToTell] = Field(default_factory=list)


END_ACTIONS = "actions.end_actions"


class EndActions(Command):
    """The incident was withdrawn or is a duplicate: what is open of its actions and checkpoints ends too."""


OPEN_ACTIONS = "actions.open_actions"


class OpenActions(Command):
    """Start the clocks of the actions agreed for this cycle."""

    cycle: int
    location_id: UUID
    region_id: UUID | None
    category: Category
    band: Band


class OpenedAction(BaseModel):
    """One action whose clock runs."""

    action_id: UUID
    owner_role: Role
    due_at: datetime
    remind_at: datetime | None = None


class ActionsPlan(BaseModel):
    """The actions of the cycle and the next clock. `agree_due_at` is when agreement is due if there are none yet."""

    actions: list[OpenedAction] = Field(default_factory=list)
    agree_due_at: datetime


REMIND_OWNER = "actions.remind_owner"


class RemindOwner(Command):
    """An action is due soon: its owner, or their cover, is to be told. Ignored once it is done."""

    action_id: UUID


REMIND_VERIFIER = "actions.remind_verifier"


class RemindVerifier(Command):
    """A verification is due soon: the first of these people who may verify is to be told. Ignored once it is verified."""

    action_id: UUID
    people: list[UUID]


class OwnerReminder(BaseModel):
    """The notice to send and to whom; None when there is nothing to remind of any more."""

    notify: UUID | None = None
    person_id: UUID | None = None


ASK_RECHECK = "actions.ask_recheck"


class AskRecheck(Command):
    """A verified action is to be looked at again now."""

    recheck_id: UUID


class RecheckAsked(BaseModel):
    """Until when somebody is to have looked."""

    answer_due_at: datetime


MEASURE_CHECKPOINT = "actions.measure_checkpoint"


class MeasureCheckpoint(Command):
    """Compute the measure of a checkpoint and propose a verdict."""

    checkpoint_id: UUID


class Measured(BaseModel):
    """Until when a person should decide."""

    decide_due_at: datetime


LIST_OPEN_INCIDENTS = "intake.list_open_incidents"


class ListOpenIncidents(BaseModel):
    """One page of the incidents whose record is open, for the reconciler. Ordered by id, after `after`."""

    after: UUID | None = None
    limit: int = 1000


class OpenIncident(BaseModel):
    """An incident whose record is open."""

    provider_id: UUID
    incident_id: UUID


class OpenIncidents(BaseModel):
    """A page; fewer than `limit` items means the last."""

    incidents: list[OpenIncident]


REPUBLISH = "republish"


class Republish(Command):
    """Send all events of one incident again from the outbox, so that a process that was lost can be rebuilt."""


LIST_PROVIDERS = "reporting.list_providers"


class Providers(BaseModel):
    """The providers that reporting knows a location of."""

    providers: list[UUID]


SEND_WEBHOOKS = "reporting.send_webhooks"


class WebhooksSent(BaseModel):
    """How many events were taken by the systems that asked for them, and how many systems did not answer."""

    events: int
    unanswered: int


SEARCH_PATTERNS = "reporting.search_patterns"


class SearchPatterns(BaseModel):
    """Look for patterns in all that is known of a provider by now. The same look again changes nothing."""

    provider_id: UUID


class Searched(BaseModel):
    """What a look went by, and how many signals were raised or came back."""

    incidents: int
    found: int
    raised: int
    returned: int


COMPILE_MEETINGS = "reporting.compile_meetings"


class CompileMeetings(BaseModel):
    """Compile the agendas of a provider's meetings that are due by its cadence. The same look again changes nothing."""

    provider_id: UUID


class CompiledMeetings(BaseModel):
    """How many were compiled, whether more are due now, and when the next will be; None without any location."""

    compiled: int
    more: bool
    next_at: datetime | None


WATCH_GOVERNANCE_ITEM = "reporting.watch_governance_item"


class WatchGovernanceItem(BaseModel):
    """Look whether a decision or challenge still waits for its owner. One whose time ran out goes up a level."""

    provider_id: UUID
    item_id: UUID


class GovernanceWatch(ConcernWatch):
    """How it stands. `call` grows with each round and each level: who is named is told once for each."""

    call: int


KEPT_SINCE = "intake.kept_since"


class KeptSince(BaseModel):
    """From when a kind of records is listed again; None: from the first. What is known already is told again, by a week."""

    since: datetime | None


LIST_KEPT = "list_kept"
"""Of each service that owns records which are not of one incident: `review.list_kept`."""


class ListKept(BaseModel):
    """One page of records that changed at `since` or later, in the order of when they changed and of their ids, after these."""

    since: datetime | None = None
    after_at: datetime = datetime(1, 1, 1, tzinfo=UTC)
    after_id: UUID = UUID(int=0)
    limit: int = 500


class KeptRecord(BaseModel):
    """A record as its owner knows it. `in_use` until it has ended; `needs` are incidents that it rests on until then."""

    provider_id: UUID
    record_id: UUID
    kind: RecordKind
    changed_at: datetime
    in_use: bool
    needs: list[UUID] = []


class KeptRecords(BaseModel):
    """A page; fewer than asked for means the last."""

    records: list[KeptRecord]


KEEP_RECORDS = "intake.keep_records"
"""Know these records, so that they become due in their time. Again changes nothing."""

LIST_DISPOSALS = "intake.list_disposals"


class Disposal(OpenIncident):
    """A record that two people have decided to destroy. `incident_id` is its id, whatever its kind."""

    kind: RecordKind = RecordKind.INCIDENT


class Disposals(BaseModel):
    """A page of records that two people have decided to destroy; fewer than asked for means the last."""

    records: list[Disposal]


BEGIN_DISPOSAL = "intake.begin_disposal"


class BeginDisposal(Command):
    """Hide a record from everybody, unless it is held or was used since the decision. From here on nothing stops it.

    Nothing but its owner, for a record of another service: it may have been used since it was listed.
    """

    kind: RecordKind = RecordKind.INCIDENT


class DisposalBegun(BaseModel):
    """Whether it may go on, and when the record that was decided about had last changed."""

    begun: bool
    last_used_at: datetime | None = None


ERASE = "erase"
"""Of each service that holds texts of records: `review.erase`. The same for the two below."""


class Erase(Command):
    """Erase what people wrote about a record, for good. The same again answers the same.

    `last_used_at` is there for a record that is not of an incident: its owner erases it as it was then, or not at all.
    """

    kind: RecordKind = RecordKind.INCIDENT
    last_used_at: datetime | None = None


class ErasedTexts(BaseModel):
    """How much a service erased, the digest of all of it, and the checksums of files that it needs no longer.

    `in_use`: nothing was erased, for the record was used since, as only its owner knows; `last_used_at` says when it ended
    again, if it has.
    """

    cells: int
    files: list[str]
    digest: str
    in_use: bool = False
    last_used_at: datetime | None = None


def erasure_stopped(*, in_use: bool, changed_at: datetime, last_used_at: datetime | None) -> ErasedTexts | None:
    """The answer of a record's owner where it is in use, or has changed since it was decided about; else None."""
    if not in_use and changed_at == last_used_at:
        return None
    return ErasedTexts(cells=0, files=[], digest="", in_use=True, last_used_at=None if in_use else changed_at)


STOP_DISPOSAL = "intake.stop_disposal"


class StopDisposal(Command):
    """Take back that an erasure has begun, where the owner of the record says that it is in use, or was since."""

    last_used_at: datetime | None


FILES_IN_USE = "files_in_use"


class FilesInUse(BaseModel):
    """Which of these files other records of the provider still have."""

    provider_id: UUID
    files: list[str]


CLEAR_REPLIES = "clear_replies"
"""Forget replies that nobody will ask for again, of all providers. Answers how many."""

FINISH_DISPOSAL = "intake.finish_disposal"


class FinishDisposal(Command):
    """Remove files that no record has any more, and keep what each service proved."""

    removable: list[str]
    elsewhere: dict[str, ErasedTexts]
