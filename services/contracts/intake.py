"""Events that intake publishes."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from services.contracts.event import EventData, IncidentData
from services.contracts.policy import PolicyPublished
from services.contracts.taxonomy import (
    AuthorityDecision,
    Band,
    BlockerKind,
    Category,
    ClockKind,
    Consequence,
    EnquiryOutcome,
    EscalationReason,
    HoldFor,
    Kind,
    Likelihood,
    LinkRelation,
    ObligationOutcome,
    PhysicalHarm,
    ProtectionEnding,
    ProtectionKind,
    PsychologicalHarm,
    RecurrenceAnswer,
    RecurrenceGround,
    Role,
    SafeguardingStep,
    Stage,
)

REVISION_OF_REPORT = 1
"""The revision at which the event of a report sets the clock of the checks."""


class IncidentReported(IncidentData):
    """Somebody reported an incident; triage is due."""

    TYPE: ClassVar[str] = "plumbline.incident.reported.v1"

    location_id: UUID
    region_id: UUID | None
    kind: Kind
    category: Category
    occurred_at: datetime
    reported_at: datetime
    immediate_danger: bool
    triage_due_at: datetime
    restricted: bool = False
    checks_warned_at: datetime | None = Field(
        default=None,
        description="Sets the clock of the checks that the report opens: it bears the incident's id.",
    )


class IncidentImported(IncidentData):
    """A historical incident came in from a file. No process runs for it."""

    TYPE: ClassVar[str] = "plumbline.incident.imported.v1"

    location_id: UUID
    region_id: UUID | None
    kind: Kind
    category: Category
    actual_harm: PhysicalHarm
    occurred_at: datetime
    reported_at: datetime
    closed_at: datetime | None


StandIn = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
"""Stands for something that may not leave intake: equal for equals, and nobody can tell what it was."""

Answered = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{1,39}$")]
"""A code of intake's list of questions, which grows without a new version of the event."""


class IncidentDescribed(IncidentData):
    """What is known of who and what was involved, in codes; the whole is repeated each time, the highest revision counts.

    `people` stand for those it happened to. None: not asked, or not answered.
    """

    TYPE: ClassVar[str] = "plumbline.incident.described.v1"

    people: list[StandIn]
    medicine: Answered | None = None
    equipment: Answered | None = None
    staff_group: Answered | None = None
    revision: int


class IncidentTriaged(IncidentData):
    """Actual and potential harm were scored, by a person or by rule when the clock ran out.

    `revision` counts the triage decisions of an incident: a later one, made when facts change, replaces the earlier.
    """

    TYPE: ClassVar[str] = "plumbline.incident.triaged.v1"

    cycle: int
    actual_harm: PhysicalHarm
    consequence: Consequence
    likelihood: Likelihood
    score: int
    band: Band
    by_default: bool
    rule: str
    policy_version: str
    overridden: bool
    revision: int = 1
    psychological_harm: PsychologicalHarm = PsychologicalHarm.NONE


class StageEntered(IncidentData):
    """The incident moved to a stage; `next_move` names the role whose move it is until `due_at`."""

    TYPE: ClassVar[str] = "plumbline.incident.stage_entered.v1"

    cycle: int
    stage: Stage
    due_at: datetime | None
    next_move: Role | None


class IncidentEscalationRequested(IncidentData):
    """Somebody further up must know now: the ladder is to call this rung. A higher step of a run replaces a lower."""

    TYPE: ClassVar[str] = "plumbline.incident.escalation_requested.v1"

    run_id: UUID
    step: int
    level: int
    role: Role
    reason: EscalationReason
    rule: str
    policy_version: str


class IncidentEscalated(IncidentData):
    """A rung of the ladder was called; `nobody_found` says that the call reached no one and went on up the line."""

    TYPE: ClassVar[str] = "plumbline.incident.escalated.v1"

    escalation_id: UUID
    level: int
    reason: EscalationReason
    to_role: Role
    to_person: UUID | None
    run_id: UUID | None = None
    step: int = 1
    rule: str = ""
    policy_version: str = ""
    nobody_found: bool = False
    answer_due_at: datetime | None = None


class EscalationAcknowledged(IncidentData):
    """A person answered. `answers` are all calls of the run that waited for it, this one among them."""

    TYPE: ClassVar[str] = "plumbline.incident.escalation_acknowledged.v1"

    escalation_id: UUID
    level: int
    run_id: UUID | None = None
    answers: list[UUID] = Field(default_factory=list)


class ReminderSent(IncidentData):
    """A clock ran out and whoever has the next move was reminded."""

    TYPE: ClassVar[str] = "plumbline.incident.reminder_sent.v1"

    cycle: int
    stage: Stage
    count: int
    to_role: Role


class IncidentWithdrawn(IncidentData):
    """Reported in error; ends by a recorded decision."""

    TYPE: ClassVar[str] = "plumbline.incident.withdrawn.v1"


class IncidentMarkedDuplicate(IncidentData):
    """The same event is recorded elsewhere; ends by a recorded decision."""

    TYPE: ClassVar[str] = "plumbline.incident.marked_duplicate.v1"

    duplicate_of: UUID


class IncidentReopened(IncidentData):
    """A closed incident goes back into the chain in a new cycle."""

    TYPE: ClassVar[str] = "plumbline.incident.reopened.v1"

    cycle: int
    stage: Stage


class IncidentClosed(IncidentData):
    """The chain is complete: effective and sustained, or nothing was needed."""

    TYPE: ClassVar[str] = "plumbline.incident.closed.v1"

    cycle: int
    closed_at: datetime


class ClockSet(IncidentData):
    """A clock beside the stages runs until `due_at`. A higher revision replaces what was said before of the clock."""

    TYPE: ClassVar[str] = "plumbline.incident.clock_set.v1"

    clock_id: UUID
    kind: ClockKind
    revision: int
    due_at: datetime


class ClockStopped(IncidentData):
    """Nobody needs the clock any more."""

    TYPE: ClassVar[str] = "plumbline.incident.clock_stopped.v1"

    clock_id: UUID
    kind: ClockKind
    revision: int


class BlockerRaised(IncidentData):
    """Something must be decided before the incident can close."""

    TYPE: ClassVar[str] = "plumbline.incident.blocker_raised.v1"

    blocker_id: UUID
    kind: BlockerKind


class BlockerLifted(IncidentData):
    """It was decided."""

    TYPE: ClassVar[str] = "plumbline.incident.blocker_lifted.v1"

    blocker_id: UUID
    kind: BlockerKind


class IncidentRestricted(IncidentData):
    """Only those who need to know may see the incident and all that follows from it: `people` wherever they work, and
    `roles` within their scope, but nobody who is `excluded`. A higher revision replaces what was said before.
    """

    TYPE: ClassVar[str] = "plumbline.incident.restricted.v1"

    revision: int
    roles: list[Role]
    people: list[UUID]
    excluded: list[UUID]


class BreakGlassUsed(IncidentData):
    """Somebody opened a restricted incident without being named, with a recorded reason, until a time."""

    TYPE: ClassVar[str] = "plumbline.incident.break_glass_used.v1"

    break_glass_id: UUID
    person_id: UUID
    ends_at: datetime
    ended: bool = Field(
        default=False, description="The incident has ended: who needs to know is told by a process of its own."
    )


class RecurrenceAsked(IncidentData):
    """This incident is like a case that was closed: somebody says by `due_at` whether that one is opened again."""

    TYPE: ClassVar[str] = "plumbline.incident.recurrence_asked.v1"

    recurrence_id: UUID
    closed_incident_id: UUID
    closed_cycle: int
    grounds: list[RecurrenceGround]
    score: int
    policy_version: str
    to_role: Role
    due_at: datetime


class RecurrenceAnswered(IncidentData):
    """A person said whether the closed case has come back. `reopened` is false if it was in the chain again already."""

    TYPE: ClassVar[str] = "plumbline.incident.recurrence_answered.v1"

    recurrence_id: UUID
    closed_incident_id: UUID
    answer: RecurrenceAnswer
    reopened: bool


class IncidentLinked(IncidentData):
    """A person said that it belongs with another incident, of which a word of its own is said."""

    TYPE: ClassVar[str] = "plumbline.incident.linked.v1"

    link_id: UUID
    relation: LinkRelation


class HoldPlaced(IncidentData):
    """Internal fact-finding waits until somebody outside agrees; asked again at `look_again_at`. A higher revision replaces."""

    TYPE: ClassVar[str] = "plumbline.incident.hold_placed.v1"

    hold_id: UUID
    revision: int
    waits_for: HoldFor
    placed_at: datetime
    look_again_at: datetime


class HoldLifted(IncidentData):
    """They agreed, or are not needed: this hold stops nothing any more."""

    TYPE: ClassVar[str] = "plumbline.incident.hold_lifted.v1"

    hold_id: UUID
    revision: int
    waits_for: HoldFor
    placed_at: datetime
    lifted_at: datetime


class ProtectionStands(IncidentData):
    """A restriction or a plan protects people after it; somebody looks again at `look_again_at`. A higher revision replaces."""

    TYPE: ClassVar[str] = "plumbline.incident.protection_stands.v1"

    protection_id: UUID
    revision: int
    kind: ProtectionKind
    started_at: datetime
    look_again_at: datetime


class ProtectionEnded(IncidentData):
    """It is not needed any more, or goes on in the care plan."""

    TYPE: ClassVar[str] = "plumbline.incident.protection_ended.v1"

    protection_id: UUID
    revision: int
    kind: ProtectionKind
    started_at: datetime
    ending: ProtectionEnding
    ended_at: datetime


class SafeguardingOpened(IncidentData):
    """An adult may have been abused or neglected: refer, or decide with a reason not to. The time is the provider's."""

    TYPE: ClassVar[str] = "plumbline.safeguarding.opened.v1"

    adult_id: UUID
    refer_due_at: datetime


class SafeguardingDecided(IncidentData):
    """A named person decided to refer an adult to the local authority, or not to."""

    TYPE: ClassVar[str] = "plumbline.safeguarding.decided.v1"

    adult_id: UUID
    refer: bool


class SafeguardingReferred(IncidentData):
    """A concern about an adult was sent to a local authority, which is to decide what it does."""

    TYPE: ClassVar[str] = "plumbline.safeguarding.referred.v1"

    adult_id: UUID
    referral_id: UUID
    referred_at: datetime
    answer_due_at: datetime


class AuthorityDecided(IncidentData):
    """The local authority said what it does about a referral."""

    TYPE: ClassVar[str] = "plumbline.safeguarding.authority_decided.v1"

    referral_id: UUID
    decision: AuthorityDecision


class EnquiryConcluded(IncidentData):
    """The enquiry of a local authority came to an outcome."""

    TYPE: ClassVar[str] = "plumbline.safeguarding.enquiry_concluded.v1"

    referral_id: UUID
    outcome: EnquiryOutcome


class SafeguardingWarned(IncidentData):
    """Most of the time that the provider gives itself to refer an adult has passed."""

    TYPE: ClassVar[str] = "plumbline.safeguarding.warned.v1"

    adult_id: UUID
    refer_due_at: datetime


class SafeguardingLate(IncidentData):
    """A step of safeguarding is not recorded by the time the provider set itself. `subject_id` is adult or referral."""

    TYPE: ClassVar[str] = "plumbline.safeguarding.late.v1"

    subject_id: UUID
    waits_for: SafeguardingStep


class ConcernRaised(EventData):
    """Somebody raised a concern outside the line. Who, and about what, is known to those who review it alone."""

    TYPE: ClassVar[str] = "plumbline.concern.raised.v1"

    concern_id: UUID
    answer_due_at: datetime

    @property
    def key(self) -> str:
        """The concern's id."""
        return str(self.concern_id)


class ConcernContinued(EventData):
    """Whoever raised a concern wrote again after it was answered: it waits for an answer again."""

    TYPE: ClassVar[str] = "plumbline.concern.continued.v1"

    concern_id: UUID
    answer_due_at: datetime

    @property
    def key(self) -> str:
        """The concern's id."""
        return str(self.concern_id)


Code = Annotated[str, Field(pattern="^[a-z0-9_-]{1,60}$")]
"""A code of a policy file: room for no sentence."""


class ObligationAssessed(IncidentData):
    """The rules say that somebody outside must be told, may have to be, or no longer. A target is the provider's own."""

    TYPE: ClassVar[str] = "plumbline.obligation.assessed.v1"

    obligation_id: UUID
    rule: Code
    recipient: Code
    outcome: ObligationOutcome
    must_decide: bool
    round: int
    policy_version: str
    target_at: datetime | None
    statutory_due_at: datetime | None


class ObligationDecided(IncidentData):
    """A named person decided to notify, or not to with a recorded reason."""

    TYPE: ClassVar[str] = "plumbline.obligation.decided.v1"

    obligation_id: UUID
    rule: Code
    recipient: Code
    notify: bool


class ObligationSubmitted(IncidentData):
    """The recipient was told; the reference is kept with the record."""

    TYPE: ClassVar[str] = "plumbline.obligation.submitted.v1"

    obligation_id: UUID
    rule: Code
    recipient: Code
    submitted_at: datetime
    in_time: bool | None


class ObligationAcknowledged(IncidentData):
    """The recipient confirmed that it was told."""

    TYPE: ClassVar[str] = "plumbline.obligation.acknowledged.v1"

    obligation_id: UUID
    rule: Code
    recipient: Code
    received_at: datetime


class ObligationWarned(IncidentData):
    """Most of the time that the provider gives itself has passed and nobody outside has been told."""

    TYPE: ClassVar[str] = "plumbline.obligation.warned.v1"

    obligation_id: UUID
    rule: Code
    recipient: Code
    target_at: datetime


class ObligationLate(IncidentData):
    """The time has passed: the provider's own, or the one the law states."""

    TYPE: ClassVar[str] = "plumbline.obligation.late.v1"

    obligation_id: UUID
    rule: Code
    recipient: Code
    due_at: datetime
    statutory: bool


class CandourAsked(IncidentData):
    """Somebody must decide whether the duty of candour applies. The time is the provider's own."""

    TYPE: ClassVar[str] = "plumbline.candour.asked.v1"

    candour_id: UUID
    round: int
    decide_due_at: datetime


class CandourDecided(IncidentData):
    """Decided by the test of regulation 20(9), or that it is not met, with openness recorded."""

    TYPE: ClassVar[str] = "plumbline.candour.decided.v1"

    candour_id: UUID
    round: int
    met: bool


class CandourStepRecorded(IncidentData):
    """A part of the duty of candour was done, or tried in vain."""

    TYPE: ClassVar[str] = "plumbline.candour.step_recorded.v1"

    candour_id: UUID
    step: Code
    at: datetime


class CandourWarned(IncidentData):
    """Most of the time that the provider gives itself for a part of the duty of candour has passed."""

    TYPE: ClassVar[str] = "plumbline.candour.warned.v1"

    candour_id: UUID
    waits_for: Code
    target_at: datetime


class CandourLate(IncidentData):
    """A part of the duty of candour is not recorded by the time the provider set itself."""

    TYPE: ClassVar[str] = "plumbline.candour.late.v1"

    candour_id: UUID
    waits_for: Code


class CandourCompleted(IncidentData):
    """Every part of the duty of candour is recorded. It settles no complaint, safeguarding enquiry or review."""

    TYPE: ClassVar[str] = "plumbline.candour.completed.v1"

    candour_id: UUID


class CheckRecorded(IncidentData):
    """What must be done inside the service in the first hours was recorded, or set aside with a reason.

    The times are the provider's own. `done_at` is null for what was set aside.
    """

    TYPE: ClassVar[str] = "plumbline.check.recorded.v1"

    rule: Code
    required_at: datetime
    done_at: datetime | None
    set_aside: bool


class CheckWarned(IncidentData):
    """Most of the time for something inside the service has passed, and nobody has recorded it."""

    TYPE: ClassVar[str] = "plumbline.check.warned.v1"

    rule: Code
    required_at: datetime


class CheckLate(IncidentData):
    """The time has passed, and nobody has recorded what must be done; said again until somebody does."""

    TYPE: ClassVar[str] = "plumbline.check.late.v1"

    rule: Code
    required_at: datetime


EVENTS = (
    PolicyPublished,
    IncidentReported,
    IncidentImported,
    IncidentDescribed,
    IncidentTriaged,
    StageEntered,
    IncidentEscalationRequested,
    IncidentEscalated,
    EscalationAcknowledged,
    ReminderSent,
    IncidentWithdrawn,
    IncidentMarkedDuplicate,
    IncidentReopened,
    IncidentClosed,
    ClockSet,
    ClockStopped,
    BlockerRaised,
    BlockerLifted,
    IncidentRestricted,
    BreakGlassUsed,
    HoldPlaced,
    HoldLifted,
    ProtectionStands,
    ProtectionEnded,
    RecurrenceAsked,
    RecurrenceAnswered,
    IncidentLinked,
    SafeguardingOpened,
    SafeguardingDecided,
    SafeguardingReferred,
    AuthorityDecided,
    EnquiryConcluded,
    SafeguardingWarned,
    SafeguardingLate,
    ConcernRaised,
    ConcernContinued,
    ObligationAssessed,
    ObligationDecided,
    ObligationSubmitted,
    ObligationAcknowledged,
    ObligationWarned,
    ObligationLate,
    CandourAsked,
    CandourDecided,
    CandourStepRecorded,
    CandourWarned,
    CandourLate,
    CandourCompleted,
    CheckRecorded,
    CheckWarned,
    CheckLate,
)
