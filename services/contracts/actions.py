"""Events that actions publishes."""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.contracts.event import IncidentData
from services.contracts.taxonomy import Role, Strength, Verdict


class PlannedCheckpoint(BaseModel):
    """When the effect of the actions will be measured."""

    model_config = ConfigDict(frozen=True)

    checkpoint_id: UUID
    due_at: datetime


class ActionAgreed(IncidentData):
    """An action that answers a learning was agreed, with an owner."""

    TYPE: ClassVar[str] = "plumbline.action.agreed.v1"

    action_id: UUID
    cycle: int
    strength: Strength
    owner_role: Role


class ActionOpened(IncidentData):
    """Work may start; the clock runs.

    `late` is set when it was agreed after the process had opened the actions of the cycle, so does not know of it yet.
    """

    TYPE: ClassVar[str] = "plumbline.action.opened.v1"

    action_id: UUID
    cycle: int
    owner_role: Role
    due_at: datetime
    late: bool


class ActionDone(IncidentData):
    """The owner says so. Nobody has checked yet."""

    TYPE: ClassVar[str] = "plumbline.action.done.v1"

    action_id: UUID
    cycle: int
    attempt: int
    evidence_count: int
    verify_due_at: datetime


class ActionVerified(IncidentData):
    """Somebody other than the owner saw it in practice.

    `cycle_complete` is set when no action of the cycle is left to do or verify; `checkpoints` is then the plan for
    measuring impact.
    """

    TYPE: ClassVar[str] = "plumbline.action.verified.v1"

    action_id: UUID
    cycle: int
    attempt: int
    cycle_complete: bool
    checkpoints: list[PlannedCheckpoint]


class ActionReturned(IncidentData):
    """Verification found it wanting; back to the owner."""

    TYPE: ClassVar[str] = "plumbline.action.returned.v1"

    action_id: UUID
    cycle: int
    attempt: int
    due_at: datetime


class ActionCancelled(IncidentData):
    """An approver agreed that it will not be done. `cycle_complete` and `checkpoints` as for ActionVerified."""

    TYPE: ClassVar[str] = "plumbline.action.cancelled.v1"

    action_id: UUID
    cycle: int
    cycle_complete: bool
    checkpoints: list[PlannedCheckpoint]


class CheckpointMeasured(IncidentData):
    """The measure was computed against its frozen baseline and a verdict proposed; a person decides."""

    TYPE: ClassVar[str] = "plumbline.checkpoint.measured.v1"

    checkpoint_id: UUID
    cycle: int
    events: int
    exposure: Decimal
    baseline_events: int
    baseline_exposure: Decimal
    proposed: Verdict
    rule: str
    decide_due_at: datetime


class ImpactJudged(IncidentData):
    """A person decided. `next_checkpoint` is set when the answer is not final."""

    TYPE: ClassVar[str] = "plumbline.impact.judged.v1"

    checkpoint_id: UUID
    cycle: int
    verdict: Verdict
    agreed_with_proposal: bool
    next_checkpoint: PlannedCheckpoint | None


EVENTS = (
    ActionAgreed,
    ActionOpened,
    ActionDone,
    ActionVerified,
    ActionReturned,
    ActionCancelled,
    CheckpointMeasured,
    ImpactJudged,
)
