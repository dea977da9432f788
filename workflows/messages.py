"""What comes into an incident's workflow, and the state it carries from run to run."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from services.contracts.taxonomy import Band, Category, Kind, PhysicalHarm, Role, Stage, Verdict

EVENT_SIGNAL = "event"


class RoutedEvent(BaseModel):
    """An event of a service, as the router hands it on. Ids, codes and dates only."""

    event_id: str
    type: str
    data: dict[str, Any]


class ReportFact(BaseModel):
    """What the process needs to know of the report."""

    location_id: UUID
    region_id: UUID | None
    kind: Kind
    category: Category
    immediate_danger: bool
    triage_due_at: datetime


class TriageFact(BaseModel):
    """The triage that counts: the newest."""

    actual_harm: PhysicalHarm
    band: Band
    revision: int = 1


class ClockFact(BaseModel):
    """A clock beside the stages; without `due_at` it has stopped."""

    revision: int
    due_at: datetime | None
    urgent: bool = False


class LadderFact(BaseModel):
    """How far one ladder is: the step that is wanted now, on which rung, and the last that was called."""

    step: int = 0
    role: Role | None = None
    called: int = 0
    answered: bool = False


class NoticeFact(BaseModel):
    """A notice that is to be delivered, however long it takes, unless somebody answers before."""

    run_id: str
    person_id: UUID


class ReviewFact(BaseModel):
    """What an approved review says must follow."""

    actions_needed: bool
    briefing_needed: bool


class ActionFact(BaseModel):
    """How far one action is. `attempt` counts completions, so that a late event cannot move it back."""

    cycle: int
    owner_role: Role | None = None
    due_at: datetime | None = None
    verify_due_at: datetime | None = None
    attempt: int = 0
    status: str = "open"

    @property
    def finished(self) -> bool:
        """Nothing left to do or to verify."""
        return self.status in ("verified", "cancelled")


class CheckpointFact(BaseModel):
    """A planned measurement and its verdict once a person decided."""

    checkpoint_id: UUID
    due_at: datetime | None = None
    verdict: Verdict | None = None


class CycleFacts(BaseModel):
    """What is known of one cycle of the chain, in whatever order it became known."""

    review: ReviewFact | None = None
    actions: dict[str, ActionFact] = Field(default_factory=dict)
    actions_complete: bool = False
    briefing_reached: bool = False
    checkpoints: list[CheckpointFact] = Field(default_factory=list)


class Position(BaseModel):
    """Where the process is: the stage, and whether its opening steps are behind it.

    `due_at` and `next_move` are the clock that runs now, `reminders` how often it ran out.
    """

    cycle: int = 1
    stage: Stage = Stage.REPORTED
    opened: bool = False
    triage_revision: int = 0
    band: Band | None = None
    entry: int = 0
    due_at: datetime | None = None
    next_move: Role | None = None
    reminders: int = 0
    measured: UUID | None = None


class IncidentCase(BaseModel):
    """The whole state of an incident's workflow: its input at the start and at each continue-as-new."""

    incident_id: UUID
    provider_id: UUID
    seen: list[str] = Field(default_factory=list)
    report: ReportFact | None = None
    triage: TriageFact | None = None
    cycles: dict[int, CycleFacts] = Field(default_factory=dict)
    clocks: dict[str, ClockFact] = Field(default_factory=dict)
    blockers: dict[str, bool] = Field(default_factory=dict)
    ladders: dict[str, LadderFact] = Field(default_factory=dict)
    notices: dict[str, NoticeFact] = Field(default_factory=dict)
    failed: dict[str, int] = Field(default_factory=dict)
    ended: Stage | None = None
    escalated: list[str] = Field(default_factory=list)
    position: Position = Field(default_factory=Position)

    @property
    def blocked(self) -> bool:
        """Whether something must be decided before the incident can close."""
        return any(self.blockers.values())

    def facts(self, cycle: int) -> CycleFacts:
        """The facts of a cycle."""
        return self.cycles.setdefault(cycle, CycleFacts())
