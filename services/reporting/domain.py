"""The rules of reporting: pure, no I/O. Times carry a time zone; the caller says what time it is.

A case is what the events of one incident add up to. Events may come early, late or twice, because urgent ones travel in
a lane of their own and publishers do not wait for one another. So each group of fields keeps what its newest event
said, by the publisher's version, and every order of arrival ends in the same case.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from services.contracts.taxonomy import Stage, ThemeStage, Verdict


class ReviewStatus(StrEnum):
    """Where a review is."""

    OPEN = "open"
    SUBMITTED = "submitted"
    RETURNED = "returned"
    APPROVED = "approved"


class ActionStatus(StrEnum):
    """Where an action is. Done is what its owner says; verified is what somebody else saw."""

    AGREED = "agreed"
    OPEN = "open"
    DONE = "done"
    VERIFIED = "verified"
    CANCELLED = "cancelled"


class ClockKind(StrEnum):
    """What somebody has until a certain time for."""

    TRIAGE = "triage"
    REVIEW = "review"
    ACTION = "action"
    VERIFICATION = "verification"
    BRIEFING = "briefing"
    IMPACT = "impact"


OPEN_STAGES = [stage for stage in Stage if not stage.ended]

_STAGE_CLOCK = {
    Stage.REPORTED: ClockKind.TRIAGE,
    Stage.TRIAGED: ClockKind.REVIEW,
    Stage.REVIEWING: ClockKind.REVIEW,
    Stage.ACTING: ClockKind.ACTION,
    Stage.VERIFYING: ClockKind.VERIFICATION,
    Stage.SHARING: ClockKind.BRIEFING,
    Stage.CHECKING: ClockKind.IMPACT,
}
"""What the deadline of a stage is for, until the part that the stage waits for has a clock of its own."""


_UNSETTLED = (None, Verdict.IMPROVING, Verdict.CANNOT_JUDGE)
"""Answers after which the impact is looked at again."""


@dataclass
class Incident:
    """One incident as far as it was told. `None` and version 0 mean: not heard of yet.

    The last block follows from the rest and from the parts of the case; `Case.settle` brings it up to date.
    """

    provider_id: UUID
    incident_id: UUID
    origin: str | None = None
    location_id: UUID | None = None
    region_id: UUID | None = None
    kind: str | None = None
    category: str | None = None
    occurred_at: datetime | None = None
    reported_at: datetime | None = None
    stage: str | None = None
    stage_version: int = 0
    cycle: int = 1
    stage_entered_at: datetime | None = None
    next_move: str | None = None
    next_due_at: datetime | None = None
    ended_at: datetime | None = None
    band: str | None = None
    actual_harm: str | None = None
    triaged_at: datetime | None = None
    triaged_by_default: bool | None = None
    triage_version: int = 0
    review_cycle: int = 0
    review_id: UUID | None = None
    review_method: str | None = None
    review_due_at: datetime | None = None
    review_status: str | None = None
    review_version: int = 0
    review_status_at: datetime | None = None
    review_returned_at: datetime | None = None
    review_approved_at: datetime | None = None
    factors: list[str] | None = None
    learning_count: int | None = None
    briefing_needed: bool | None = None
    briefing_cycle: int = 0
    briefing_id: UUID | None = None
    briefing_audience: int | None = None
    briefing_target_percent: int | None = None
    briefing_due_at: datetime | None = None
    briefing_sent_at: datetime | None = None
    briefing_reach_percent: int | None = None
    briefing_reached_at: datetime | None = None
    last_event_at: datetime | None = None
    actions_agreed: int = 0
    actions_open: int = 0
    actions_done: int = 0
    actions_verified: int = 0
    escalations_unacknowledged: int = 0
    last_verdict: str | None = None
    clock_triage: datetime | None = None
    clock_review: datetime | None = None
    clock_action: datetime | None = None
    clock_verification: datetime | None = None
    clock_briefing: datetime | None = None
    clock_impact: datetime | None = None
    earliest_due_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Closed, withdrawn or a duplicate."""
        return self.stage is not None and Stage(self.stage).ended

    def heard(self, at: datetime) -> None:
        """Something happened to it, whatever it was."""
        self.last_event_at = at if self.last_event_at is None else max(self.last_event_at, at)

    def reported(
        self,
        *,
        origin: str,
        location_id: UUID,
        region_id: UUID | None,
        kind: str,
        category: str,
        occurred_at: datetime,
        reported_at: datetime,
    ) -> None:
        """What never changes about it."""
        self.origin, self.location_id, self.region_id = origin, location_id, region_id
        self.kind, self.category = kind, category
        self.occurred_at, self.reported_at = occurred_at, reported_at

    def enter(
        self,
        stage: Stage,
        *,
        version: int,
        at: datetime,
        cycle: int = 1,
        next_move: str | None = None,
        due_at: datetime | None = None,
    ) -> None:
        """It moved to a stage. `version` is intake's version of the incident after the move."""
        self.cycle = max(self.cycle, cycle)
        if version <= self.stage_version:
            return
        self.stage, self.stage_version, self.stage_entered_at = stage, version, at
        self.next_move, self.next_due_at = (None, None) if stage.ended else (next_move, due_at)
        self.ended_at = at if stage.ended else None

    def graded(
        self,
        *,
        version: int,
        actual_harm: str,
        band: str | None = None,
        at: datetime | None = None,
        by_default: bool | None = None,
    ) -> None:
        """Harm and risk were scored; an imported incident has harm only."""
        if version > self.triage_version:
            self.triage_version = version
            self.actual_harm, self.band = actual_harm, band
            self.triaged_at, self.triaged_by_default = at, by_default

    def review_opened(self, review_id: UUID, *, cycle: int, method: str, due_at: datetime) -> None:
        """A review has a method and a clock. The review of the latest cycle is the one that counts."""
        if self._review_counts(cycle):
            self.review_id, self.review_method, self.review_due_at = review_id, method, due_at

    def review_moved(self, status: ReviewStatus, *, cycle: int, version: int, at: datetime) -> None:
        """The review reached a status."""
        if self._review_counts(cycle) and _newer(version, at, self.review_version, self.review_status_at):
            self.review_status, self.review_version, self.review_status_at = status, version, at

    def review_returned(self, *, cycle: int, at: datetime) -> None:
        """Somebody who approves sent the review back and asked for more; the last time counts."""
        if self._review_counts(cycle) and (self.review_returned_at is None or at > self.review_returned_at):
            self.review_returned_at = at

    def review_approved(
        self, *, cycle: int, factors: Collection[str], learning: int, briefing_needed: bool, at: datetime
    ) -> None:
        """What contributed, what was learned, and whether others are to hear of it."""
        if self._review_counts(cycle):
            self.factors = sorted(set(factors))
            self.learning_count, self.briefing_needed, self.review_approved_at = learning, briefing_needed, at

    def _review_counts(self, cycle: int) -> bool:
        if cycle > self.review_cycle:
            self.review_cycle = cycle
            self.review_id = self.review_method = self.review_due_at = None
            self.review_status, self.review_version, self.review_status_at = None, 0, None
            self.review_returned_at = self.review_approved_at = None
            self.factors = self.learning_count = self.briefing_needed = None
        return cycle == self.review_cycle

    def briefing_sent(
        self, briefing_id: UUID, *, cycle: int, audience: int, target_percent: int, due_at: datetime, at: datetime
    ) -> None:
        """Learning went out to `audience` locations. The briefing of the latest cycle is the one that counts."""
        if self._briefing_counts(cycle):
            self.briefing_id, self.briefing_audience = briefing_id, audience
            self.briefing_target_percent, self.briefing_due_at, self.briefing_sent_at = target_percent, due_at, at

    def briefing_reached(self, *, cycle: int, reach_percent: int, at: datetime) -> None:
        """Enough of the audience understood it."""
        if self._briefing_counts(cycle):
            self.briefing_reach_percent, self.briefing_reached_at = reach_percent, at

    def _briefing_counts(self, cycle: int) -> bool:
        if cycle > self.briefing_cycle:
            self.briefing_cycle = cycle
            self.briefing_id = self.briefing_due_at = self.briefing_sent_at = self.briefing_reached_at = None
            self.briefing_audience = self.briefing_target_percent = self.briefing_reach_percent = None
        return cycle == self.briefing_cycle


@dataclass
class Action:
    """One action as far as it was told. `done_at` and `verify_due_at` are of the last time its owner said done."""

    provider_id: UUID
    incident_id: UUID
    action_id: UUID
    cycle: int
    strength: str | None = None
    owner_role: str | None = None
    owner_version: int = 0
    status: str | None = None
    version: int = 0
    status_at: datetime | None = None
    due_at: datetime | None = None
    due_version: int = 0
    attempt: int = 0
    done_at: datetime | None = None
    verify_due_at: datetime | None = None
    verified_at: datetime | None = None
    agreed_at: datetime | None = None
    wording: str | None = None
    weak_wording: bool | None = None

    def agreed(
        self, *, strength: str, owner_role: str, at: datetime, wording: str | None = None, weak_wording: bool = False
    ) -> None:
        """Who owns it, how strong it is, and what stands for its words."""
        self.strength, self.agreed_at = strength, at
        self.owner_role = self.owner_role or owner_role
        self.wording, self.weak_wording = wording, weak_wording

    def owned(self, owner_role: str, *, version: int) -> None:
        """Somebody else answers for it now."""
        if version > self.owner_version:
            self.owner_role, self.owner_version = owner_role, version

    def moved(self, status: ActionStatus, *, version: int, at: datetime) -> None:
        """It reached a status."""
        if _newer(version, at, self.version, self.status_at):
            self.status, self.version, self.status_at = status, version, at

    def due(self, due_at: datetime, *, version: int) -> None:
        """Its clock was set, at opening or when it was returned."""
        if version > self.due_version:
            self.due_at, self.due_version = due_at, version

    def done(self, *, attempt: int, at: datetime, verify_due_at: datetime) -> None:
        """Its owner says it is done."""
        if attempt > self.attempt:
            self.attempt, self.done_at, self.verify_due_at = attempt, at, verify_due_at


@dataclass
class Escalation:
    """One rung that was tried, and its answer."""

    provider_id: UUID
    incident_id: UUID
    escalation_id: UUID
    level: int
    reason: str | None = None
    to_role: str | None = None
    sent_at: datetime | None = None
    acknowledged_at: datetime | None = None


@dataclass
class Checkpoint:
    """One look at whether the actions made a difference."""

    provider_id: UUID
    incident_id: UUID
    checkpoint_id: UUID
    cycle: int
    due_at: datetime | None = None
    planned_at: datetime | None = None
    proposed: str | None = None
    decide_due_at: datetime | None = None
    verdict: str | None = None
    judged_at: datetime | None = None

    def planned(self, due_at: datetime, *, at: datetime) -> None:
        """When it will be measured; a later plan replaces an earlier one."""
        if self.planned_at is None or at > self.planned_at:
            self.due_at, self.planned_at = due_at, at


THEME = "theme"
"""The origin of a case that is a theme: it was never reported, so it is in no list and no count of incidents."""

STAGE_OF_THEME: dict[ThemeStage, Stage] = {
    ThemeStage.COMMISSIONED: Stage.TRIAGED,
    ThemeStage.ENDED: Stage.WITHDRAWN,
    **{stage: Stage(stage) for stage in ThemeStage if stage.value in {one.value for one in Stage}},
}
"""The stage of an incident in whose place each stage of a theme stands."""

THEME_STAGE = {stage: theme_stage for theme_stage, stage in STAGE_OF_THEME.items()}


@dataclass
class Theme:
    """What a theme has beside what it shares with an incident. Its id is the case's."""

    provider_id: UUID
    incident_id: UUID
    lead_id: UUID | None = None
    signal_id: UUID | None = None
    locations: int = 0
    commissioned_at: datetime | None = None
    accepted_at: datetime | None = None
    terms_version: int = 0
    linked: int = 0
    excluded: int = 0
    members_version: int = 0
    watch_at: datetime | None = None

    def terms(self, *, version: int, at: datetime, lead_id: UUID, signal_id: UUID | None, locations: int) -> None:
        """Who leads it, where the pattern was seen; said again when the terms change."""
        self.commissioned_at = at if self.commissioned_at is None else min(self.commissioned_at, at)
        if version > self.terms_version:
            self.terms_version = version
            self.lead_id, self.signal_id, self.locations = lead_id, signal_id, locations

    def members(self, *, version: int, linked: int, excluded: int) -> None:
        """How many incidents were considered so far."""
        if version > self.members_version:
            self.members_version, self.linked, self.excluded = version, linked, excluded


@dataclass(frozen=True)
class Running:
    """A clock that runs: what for, until when, and which action it is about, if any."""

    kind: ClockKind
    due_at: datetime
    action: Action | None = None


@dataclass
class Case:
    """An incident with its parts. A part may be heard of for the first time by any of its events."""

    incident: Incident
    actions: dict[UUID, Action] = field(default_factory=dict)
    escalations: dict[UUID, Escalation] = field(default_factory=dict)
    checkpoints: dict[UUID, Checkpoint] = field(default_factory=dict)
    theme: Theme | None = None
    told: set[UUID] = field(default_factory=set)
    """The parts that an event was about, which are those to write back."""

    def as_theme(self) -> Theme:
        """The theme that an event is about."""
        incident = self.incident
        incident.origin = THEME
        if self.theme is None:
            self.theme = Theme(incident.provider_id, incident.incident_id)
        return self.theme

    def action(self, action_id: UUID, cycle: int) -> Action:
        """The action that an event is about."""
        self.told.add(action_id)
        action = self.actions.get(action_id)
        if action is None:
            incident = self.incident
            action = self.actions[action_id] = Action(incident.provider_id, incident.incident_id, action_id, cycle)
        return action

    def escalation(self, escalation_id: UUID, level: int) -> Escalation:
        """The escalation that an event is about."""
        self.told.add(escalation_id)
        incident = self.incident
        return self.escalations.setdefault(
            escalation_id, Escalation(incident.provider_id, incident.incident_id, escalation_id, level)
        )

    def checkpoint(self, checkpoint_id: UUID, cycle: int) -> Checkpoint:
        """The checkpoint that an event is about."""
        self.told.add(checkpoint_id)
        incident = self.incident
        return self.checkpoints.setdefault(
            checkpoint_id, Checkpoint(incident.provider_id, incident.incident_id, checkpoint_id, cycle)
        )

    def running(self) -> list[Running]:
        """Every clock that runs, the earliest first. None runs once the incident has ended."""
        incident = self.incident
        if incident.ended:
            return []
        clocks = list(self._clocks_of_parts())
        if incident.stage is not None and incident.next_due_at is not None:
            kind = _STAGE_CLOCK[Stage(incident.stage)]
            # A stage's deadline is set once, when it is entered; the clocks of its parts move on.
            if all(clock.kind is not kind for clock in clocks):
                clocks.append(Running(kind, incident.next_due_at))
        return sorted(clocks, key=lambda clock: clock.due_at)

    def _clocks_of_parts(self) -> Iterator[Running]:
        incident = self.incident
        reviewing = incident.review_cycle >= incident.cycle and incident.review_status != ReviewStatus.APPROVED
        if reviewing and incident.review_due_at is not None:
            yield Running(ClockKind.REVIEW, incident.review_due_at)
        for action in self.actions.values():
            if action.status == ActionStatus.OPEN and action.due_at is not None:
                yield Running(ClockKind.ACTION, action.due_at, action)
            if action.status == ActionStatus.DONE and action.verify_due_at is not None:
                yield Running(ClockKind.VERIFICATION, action.verify_due_at, action)
        if incident.briefing_due_at is not None and incident.briefing_reached_at is None:
            yield Running(ClockKind.BRIEFING, incident.briefing_due_at)
        checkpoints = [checkpoint for checkpoint in self.checkpoints.values() if checkpoint.cycle >= incident.cycle]
        # A verdict that settles the question leaves the later checkpoints of its cycle without a purpose.
        if all(checkpoint.verdict in _UNSETTLED for checkpoint in checkpoints):
            undecided = [c.decide_due_at or c.due_at for c in checkpoints if c.verdict is None]
            if due := [at for at in undecided if at is not None]:
                yield Running(ClockKind.IMPACT, min(due))

    def settle(self) -> None:
        """Bring what follows from the rest up to date: counts, last verdict, clocks."""
        incident = self.incident
        statuses = [action.status for action in self.actions.values()]
        incident.actions_agreed = statuses.count(ActionStatus.AGREED)
        incident.actions_open = statuses.count(ActionStatus.OPEN)
        incident.actions_done = statuses.count(ActionStatus.DONE)
        incident.actions_verified = statuses.count(ActionStatus.VERIFIED)
        incident.escalations_unacknowledged = sum(
            e.sent_at is not None and e.acknowledged_at is None for e in self.escalations.values()
        )
        judged = [(c.judged_at, c.verdict) for c in self.checkpoints.values() if c.judged_at is not None]
        incident.last_verdict = max(judged, key=lambda pair: pair[0])[1] if judged else None
        running = self.running()
        first = {clock.kind: clock.due_at for clock in reversed(running)}
        incident.clock_triage = first.get(ClockKind.TRIAGE)
        incident.clock_review = first.get(ClockKind.REVIEW)
        incident.clock_action = first.get(ClockKind.ACTION)
        incident.clock_verification = first.get(ClockKind.VERIFICATION)
        incident.clock_briefing = first.get(ClockKind.BRIEFING)
        incident.clock_impact = first.get(ClockKind.IMPACT)
        incident.earliest_due_at = running[0].due_at if running else None


def _newer(version: int, at: datetime, known_version: int, known_at: datetime | None) -> bool:
    """Whether an event is newer than the last. Time decides between two events of one version."""
    return known_at is None or (version, at) > (known_version, known_at)


@dataclass
class Entry:
    """One line of an incident's history: what was published, without the incident's id.

    `version` is the record's after it; absent where the line is older than versions are kept.
    """

    provider_id: UUID
    incident_id: UUID
    event_id: UUID
    at: datetime
    publisher: str
    type: str
    actor: str
    actor_role: str
    summary: dict[str, object]
    version: int | None


@dataclass(frozen=True)
class Location:
    """A location as directory told of it."""

    provider_id: UUID
    location_id: UUID
    region_id: UUID | None
    name: str
    beds: int
    active: bool
    revision: int
    types: list[str] = field(default_factory=list)


class TraitKind(StrEnum):
    """What an incident may have in common with others, besides its type and place."""

    PERSON = "person"
    MEDICINE = "medicine"
    EQUIPMENT = "equipment"
    STAFF_GROUP = "staff_group"


@dataclass(frozen=True)
class Trait:
    """Codes or stand-ins of one kind of one incident, all that are known. The highest revision counts."""

    provider_id: UUID
    incident_id: UUID
    kind: str
    codes: list[str]
    revision: int


@dataclass(frozen=True)
class Exposure:
    """How much care a location gave in a month."""

    provider_id: UUID
    location_id: UUID
    month: date
    unit: str
    quantity: Decimal
    revision: int


@dataclass(frozen=True)
class Progress:
    """How far the projection of a provider is: when the newest event happened, and how long the last one waited."""

    provider_id: UUID
    last_event_at: datetime
    lag_seconds: float


_AGES = (("0-7", 7), ("8-30", 30), ("31-90", 90))
OLDEST_AGE = ">90"


@dataclass(frozen=True)
class AgeWindow:
    """A bracket of whole days since the report: from `after` up to and including `until`; None is without limit."""

    label: str
    after: datetime | None
    until: datetime | None


def age_windows(now: datetime) -> list[AgeWindow]:
    """The brackets in which open incidents are counted, the youngest first. Every instant is in exactly one."""
    windows, until = [], None
    for label, days in _AGES:
        after = now - timedelta(days=days + 1)
        windows.append(AgeWindow(label, after, until))
        until = after
    return [*windows, AgeWindow(OLDEST_AGE, None, until)]


def whole_days(since: datetime, now: datetime) -> int:
    """Full days that have passed; never negative."""
    return max((now - since).days, 0)
