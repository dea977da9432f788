"""What comes into the workflow of an incident or a theme, and the state it carries from run to run."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from services.contracts.taxonomy import (
    Band,
    Category,
    Kind,
    PhysicalHarm,
    PsychologicalHarm,
    Role,
    Stage,
    ThemeStage,
    Verdict,
)

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
    psychological_harm: PsychologicalHarm = PsychologicalHarm.NONE


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
    path: str | None = None
    urgent: bool = True


class ReviewFact(BaseModel):
    """What an approved review says must follow."""

    actions_needed: bool
    briefing_needed: bool


class ReviewClockFact(BaseModel):
    """The clock of a review that was deepened while it was written; the highest revision counts."""

    revision: int
    due_at: datetime
    lead_role: Role


class ActionFact(BaseModel):
    """How far one action is. `attempt` counts completions, so that a late event cannot move it back."""

    cycle: int
    owner_role: Role | None = None
    due_at: datetime | None = None
    verify_due_at: datetime | None = None
    attempt: int = 0
    status: str = "open"
    handover: int = 0
    extension: int = 0
    extended: tuple[int, datetime, datetime | None] | None = None
    remind_at: datetime | None = None
    reminded: datetime | None = None
    verify_remind_at: datetime | None = None
    verify_remind_role: Role | None = None

    @property
    def finished(self) -> bool:
        """Nothing left to do or to verify."""
        return self.status in ("verified", "cancelled")


class CheckpointFact(BaseModel):
    """A planned measurement and its verdict once a person decided."""

    checkpoint_id: UUID
    due_at: datetime | None = None
    verdict: Verdict | None = None
    reopen_at: Stage | None = None


class RecheckFact(BaseModel):
    """When a verified action is looked at again, until when somebody is to have looked, and whether it holds."""

    recheck_id: UUID
    action_id: UUID
    due_at: datetime | None = None
    answer_due_at: datetime | None = None
    holds: bool | None = None
    late: int = 0


class CycleFacts(BaseModel):
    """What is known of one cycle of the chain, in whatever order it became known."""

    review: ReviewFact | None = None
    deepened: ReviewClockFact | None = None
    actions: dict[str, ActionFact] = Field(default_factory=dict)
    actions_complete: bool = False
    briefing_reached: bool = False
    checkpoints: list[CheckpointFact] = Field(default_factory=list)
    rechecks: dict[str, RecheckFact] = Field(default_factory=dict)

    @property
    def undone(self) -> bool:
        """Whether something that was verified was found not to hold any more."""
        return any(recheck.holds is False for recheck in self.rechecks.values())

    @property
    def rechecking(self) -> bool:
        """Whether something verified is still to be looked at again."""
        return any(recheck.holds is None for recheck in self.rechecks.values())


class Standing(BaseModel):
    """Where a process is in its stage, and whether the opening steps of the stage are behind it.

    `due_at` and `next_move` are the clock that runs now, `reminders` how often it ran out, `rings_for` what of the
    actions it was set for. `reminded_elsewhere`: another process acts when this clock runs out.
    """

    cycle: int = 1
    opened: bool = False
    entry: int = 0
    due_at: datetime | None = None
    next_move: Role | None = None
    reminders: int = 0
    rings_for: datetime | None = None
    measured: UUID | None = None
    reminded_elsewhere: bool = False


class Position(Standing):
    """Where an incident's process is."""

    stage: Stage = Stage.REPORTED
    triage_revision: int = 0
    band: Band | None = None
    review_revision: int = 0


class ThemePosition(Standing):
    """Where a theme's process is."""

    stage: ThemeStage = ThemeStage.COMMISSIONED


class Case(BaseModel):
    """What the state of every case holds, of an incident or of a theme."""

    provider_id: UUID
    seen: list[str] = Field(default_factory=list)
    cycles: dict[int, CycleFacts] = Field(default_factory=dict)
    notices: dict[str, NoticeFact] = Field(default_factory=dict)
    failed: dict[str, int] = Field(default_factory=dict)

    @property
    def case_id(self) -> UUID:
        """The id of the incident or theme."""
        raise NotImplementedError

    def facts(self, cycle: int) -> CycleFacts:
        """The facts of a cycle."""
        return self.cycles.setdefault(cycle, CycleFacts())


class CommissionFact(BaseModel):
    """What the process needs to know of how a theme was commissioned."""

    region_id: UUID | None
    category: Category
    band: Band
    accept_due_at: datetime


class ThemeCase(Case):
    """The whole state of a theme's workflow: its input at the start and at each continue-as-new."""

    theme_id: UUID
    commission: CommissionFact | None = None
    accepted: bool = False
    ended: bool = False
    position: ThemePosition = Field(default_factory=ThemePosition)

    @property
    def case_id(self) -> UUID:
        """The theme's id."""
        return self.theme_id


class IncidentCase(Case):
    """The whole state of an incident's workflow: its input at the start and at each continue-as-new."""

    incident_id: UUID
    report: ReportFact | None = None
    triage: TriageFact | None = None
    clocks: dict[str, ClockFact] = Field(default_factory=dict)
    blockers: dict[str, bool] = Field(default_factory=dict)
    ladders: dict[str, LadderFact] = Field(default_factory=dict)
    ended: Stage | None = None
    escalated: list[str] = Field(default_factory=list)
    position: Position = Field(default_factory=Position)

    @property
    def case_id(self) -> UUID:
        """The incident's id."""
        return self.incident_id

    @property
    def blocked(self) -> bool:
        """Whether something must be decided before the incident can close."""
        return any(self.blockers.values())
