"""Events that actions publishes."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.contracts.event import CaseData
from services.contracts.policy import PolicyPublished
from services.contracts.taxonomy import Role, Stage, Strength, Verdict


class PlannedCheckpoint(BaseModel):
    """When the effect of the actions will be measured."""

    model_config = ConfigDict(frozen=True)

    checkpoint_id: UUID
    due_at: datetime


class PlannedRecheck(BaseModel):
    """When a verified action is looked at again."""

    model_config = ConfigDict(frozen=True)

    recheck_id: UUID
    due_at: datetime


class ActionData(CaseData):
    """Payload of an event of one action.

    An action may answer other cases beside the one that it was agreed for: each hears of it too, with `served` set and
    the cycle that it counts for there.
    """

    action_id: UUID
    cycle: int
    served: bool = False


class ActionAgreed(ActionData):
    """An action that answers a learning was agreed, with an owner.

    `wording` stands for what it says: the same for the same words, and nobody can read it back. `weak_wording` says that
    the words speak of what depends on people remembering, whatever the grade.
    """

    TYPE: ClassVar[str] = "plumbline.action.agreed.v1"

    strength: Strength
    owner_role: Role
    wording: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = None
    weak_wording: bool = False


class ActionOpened(ActionData):
    """Work may start; the clock runs.

    `late` is set when it was agreed after the process had opened the actions of the cycle, so does not know of it yet.
    """

    TYPE: ClassVar[str] = "plumbline.action.opened.v1"

    owner_role: Role
    due_at: datetime
    late: bool
    remind_at: datetime | None = None


class ActionDone(ActionData):
    """The owner says so. Nobody has checked yet: at `remind_at` somebody of `remind_role` is told that it is due soon."""

    TYPE: ClassVar[str] = "plumbline.action.done.v1"

    attempt: int
    evidence_count: int
    verify_due_at: datetime
    remind_at: datetime | None = None
    remind_role: Role | None = None


class ActionVerified(ActionData):
    """Somebody other than the owner saw it in practice.

    `cycle_complete` is set when no action of the cycle is left to do or verify; `checkpoints` is then the plan for
    measuring impact.
    """

    TYPE: ClassVar[str] = "plumbline.action.verified.v1"

    attempt: int
    cycle_complete: bool
    checkpoints: list[PlannedCheckpoint]
    partly: bool = False
    recheck: PlannedRecheck | None = None


class ActionReturned(ActionData):
    """Verification found it wanting; back to the owner."""

    TYPE: ClassVar[str] = "plumbline.action.returned.v1"

    attempt: int
    due_at: datetime
    remind_at: datetime | None = None


class ActionCancelled(ActionData):
    """An approver agreed that it will not be done. `cycle_complete` and `checkpoints` as for ActionVerified."""

    TYPE: ClassVar[str] = "plumbline.action.cancelled.v1"

    cycle_complete: bool
    checkpoints: list[PlannedCheckpoint]


class ActionHandedOver(ActionData):
    """Somebody else answers for it now. `handover` counts how often it changed hands."""

    TYPE: ClassVar[str] = "plumbline.action.handed_over.v1"

    owner_role: Role
    handover: int


class ActionExtended(ActionData):
    """Somebody other than who asked gave more time. `extension` counts those granted in this attempt and before."""

    TYPE: ClassVar[str] = "plumbline.action.extended.v1"

    attempt: int
    extension: int
    due_at: datetime
    remind_at: datetime | None = None


class ActionRecheckAsked(CaseData):
    """A verified action is to be looked at again, because the policy or the verifier wanted it; the clock runs."""

    TYPE: ClassVar[str] = "plumbline.action.recheck_asked.v1"

    action_id: UUID
    cycle: int
    recheck_id: UUID
    answer_due_at: datetime


class ActionRechecked(CaseData):
    """A verified action was looked at again: it holds, or it does not and the incident needs another cycle."""

    TYPE: ClassVar[str] = "plumbline.action.rechecked.v1"

    action_id: UUID
    cycle: int
    recheck_id: UUID
    holds: bool
    following: PlannedRecheck | None


class CheckpointMeasured(CaseData):
    """The measure was computed against its frozen baseline and a verdict proposed; a person decides.

    Of an indicator the counts are those of its numerator and denominator, or 0 where it has plain values.
    """

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
    indicator: bool = False


class ImpactJudged(CaseData):
    """A person decided. `next_checkpoint` is set when the answer is not final, `reopen_at` when another cycle begins."""

    TYPE: ClassVar[str] = "plumbline.impact.judged.v1"

    checkpoint_id: UUID
    cycle: int
    verdict: Verdict
    agreed_with_proposal: bool
    next_checkpoint: PlannedCheckpoint | None
    reopen_at: Stage | None = None


EVENTS = (
    ActionAgreed,
    ActionOpened,
    ActionDone,
    ActionVerified,
    ActionReturned,
    ActionCancelled,
    ActionHandedOver,
    ActionExtended,
    ActionRecheckAsked,
    ActionRechecked,
    CheckpointMeasured,
    ImpactJudged,
    PolicyPublished,
)
