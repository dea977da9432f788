"""What review answers, by query. Every query is limited to the caller's scope."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Band, Category, Kind, PhysicalHarm, PsychologicalHarm, ReviewMethod, Role, Seips
from services.review import store
from services.review.causes.domain import FactorWord
from services.review.commands import WriteBarrier, WriteBriefing, WriteKnownCause, WriteWhyChain, findings_of
from services.review.domain import Audience, Need, NotLed, Participant, ReviewStatus, Step
from services.review.findings.domain import named
from services.review.gate import Weakness
from services.review.holds.store import HoldView, standing
from services.review.store import Review
from services.runtime import pagination, restriction
from services.runtime.actor import Actor
from services.runtime.pagination import Page


class ReviewSummary(BaseModel):
    """A review in a list. No narrative."""

    review_id: UUID
    incident_id: UUID
    cycle: int
    location_id: UUID
    kind: Kind
    category: Category
    band: Band
    method: ReviewMethod | Literal["thematic_review"]
    status: ReviewStatus
    lead_role: Role
    approval_role: Role
    opened_at: datetime
    due_at: datetime
    version: int


class FactorView(BaseModel):
    """A contributing factor. `word`: as the team called it."""

    element: Seips
    description: str | None
    word: FactorWord | None


class LearningView(BaseModel):
    """Something that was learned. The id is final once the review is approved."""

    learning_id: UUID
    statement: str
    answers_factor: int | None
    answers_cause: int | None


class RootCauseView(BaseModel):
    """What lies beneath, and the places of the factors that show it."""

    statement: str
    factors: list[int]


class FindingView(BaseModel):
    """Something to look at again before the review is handed on. `quote` is the reviewer's own words.

    `finding` is its name, by which it is answered when the review is submitted or approved.
    """

    finding: str
    weakness: Weakness
    field: str
    quote: str
    message: str
    remedy: str


class StepView(BaseModel):
    """One step in the history of a review."""

    step: Step
    actor_id: UUID
    actor_role: str
    reason: str | None
    at: datetime


class DecisionView(BaseModel):
    """Why the review is as deep as it is: the rule that fired, what it was given, and what it asks for."""

    rule: str
    policy_version: str
    tier: int | None
    may_not_lead: list[NotLed] = Field(description="Beside those whom it is about. Checked when it is submitted.")
    take_part: list[Participant]
    inputs: dict[str, str | int | bool]


class ReviewView(ReviewSummary):
    """One review with its content, the policy's decision and its history."""

    region_id: UUID | None
    actual_harm: PhysicalHarm
    rule: str
    policy_version: str
    psychological_harm: PsychologicalHarm
    decision: DecisionView | None = Field(
        description="Null for a theme, and for what was decided before this was kept."
    )
    template: str | None
    actions_need: Need
    briefing_need: Need
    briefing_audience: Audience
    what_happened: str | None
    why: str | None
    factors: list[FactorView]
    root_causes: list[RootCauseView]
    known_cause: WriteKnownCause | None = Field(description="Links that stand for actions of its own.")
    five_whys: list[WriteWhyChain]
    barriers: list[WriteBarrier]
    learning: list[LearningView]
    only_person_reason: str | None
    no_actions_reason: str | None
    no_briefing_reason: str | None
    briefing: WriteBriefing | None
    actions_needed: bool | None
    briefing_needed: bool | None
    steps: list[StepView]
    holds: list[HoldView] = Field(description="What its fact-finding waits for; `due_at` runs on meanwhile.")


def _columns(view: type[BaseModel], row: object) -> dict[str, Any]:
    return {name: getattr(row, name) for name in view.model_fields if hasattr(row, name)}


def summary(review: Review) -> ReviewSummary:
    """The list form of a review."""
    return ReviewSummary.model_validate(_columns(ReviewSummary, review))


def view(session: Session, review: Review) -> ReviewView:
    """The full form of a review."""
    return ReviewView.model_validate(
        {
            **_columns(ReviewView, review),
            "factors": [_columns(FactorView, row) for row in store.factors(session, review.review_id)],
            "root_causes": [_columns(RootCauseView, row) for row in store.root_causes(session, review.review_id)],
            "five_whys": review.five_whys or [],
            "barriers": review.barriers or [],
            "learning": [_columns(LearningView, row) for row in store.learning(session, review.review_id)],
            "steps": [_columns(StepView, row) for row in store.steps(session, review.review_id)],
            "holds": [_columns(HoldView, row) for row in standing(session, review.incident_id)],
        }
    )


def findings(session: Session, review: Review) -> list[FindingView]:
    """What the quality gate points at."""
    return [
        FindingView.model_validate({"finding": name, **asdict(one)})
        for name, one in named(findings_of(session, review)).items()
    ]


def reviews(
    session: Session,
    actor: Actor,
    *,
    status: ReviewStatus | None,
    incident_id: UUID | None,
    limit: int,
    cursor: str | None,
) -> Page[ReviewSummary]:
    """Reviews in scope, newest first."""
    query = (
        select(Review)
        .where(Review.provider_id == actor.provider_id)
        .where(
            restriction.visible(
                "review", actor, Review.incident_id, in_scope=actor.scope(Review.location_id, Review.region_id)
            )
        )
        .order_by(Review.review_id.desc())
        .limit(limit + 1)
    )
    if status is not None:
        query = query.where(Review.status == status)
    if incident_id is not None:
        query = query.where(Review.incident_id == incident_id)
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Review.review_id < after)
    rows = list(session.scalars(query))
    items = [summary(row) for row in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].review_id) if len(rows) > limit else None)
