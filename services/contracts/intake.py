"""Events that intake publishes."""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from services.contracts.event import IncidentData
from services.contracts.taxonomy import (
    Band,
    BlockerKind,
    Category,
    ClockKind,
    Consequence,
    Kind,
    Likelihood,
    PhysicalHarm,
    Role,
    Stage,
)


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


class StageEntered(IncidentData):
    """The incident moved to a stage; `next_move` names the role whose move it is until `due_at`."""

    TYPE: ClassVar[str] = "plumbline.incident.stage_entered.v1"

    cycle: int
    stage: Stage
    due_at: datetime | None
    next_move: Role | None


class IncidentEscalated(IncidentData):
    """Somebody further up must know now."""

    TYPE: ClassVar[str] = "plumbline.incident.escalated.v1"

    escalation_id: UUID
    level: int
    reason: Literal["high_risk", "immediate_danger", "overdue"]
    to_role: Role
    to_person: UUID | None


class EscalationAcknowledged(IncidentData):
    """A person answered an escalation."""

    TYPE: ClassVar[str] = "plumbline.incident.escalation_acknowledged.v1"

    escalation_id: UUID
    level: int


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


EVENTS = (
    IncidentReported,
    IncidentImported,
    IncidentTriaged,
    StageEntered,
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
)
