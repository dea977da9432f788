"""What thematic review answers, by query. Every query is limited to what the caller may see."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Band, Category, MemberDecision, Role, ThemeStage
from services.review.store import Review
from services.review.thematic.commands import TeamMember
from services.review.thematic.store import KnownIncident, Member, Theme, in_scope, visible_known
from services.runtime import pagination
from services.runtime.actor import Actor
from services.runtime.pagination import Page


class ThemeSummary(BaseModel):
    """A theme in a list."""

    theme_id: UUID
    title: str
    category: Category
    band: Band
    region_id: UUID | None = Field(description="Absent: the whole provider.")
    stage: ThemeStage
    cycle: int
    lead_id: UUID
    next_move: Role | None
    next_due_at: datetime | None
    commissioned_at: datetime
    signal_id: UUID | None
    watch_at: datetime | None = Field(description="When a closed theme is to be looked at again.")
    version: int


class MemberView(BaseModel):
    """An incident that was considered, as the caller may see it."""

    incident_id: UUID
    location_id: UUID
    category: Category
    occurred_at: datetime
    decision: MemberDecision
    reason: str
    decided_by: UUID
    decided_at: datetime


class ThemeView(ThemeSummary):
    """A theme with its terms. Counts are of the incidents that the caller may see."""

    locations: list[UUID]
    why: str
    questions: list[str]
    sources: list[str]
    team: list[TeamMember]
    commissioned_by: UUID
    accept_due_at: datetime
    accepted_at: datetime | None
    closed_at: datetime | None
    end_reason: str | None
    policy_version: str
    review_id: UUID | None = Field(description="The review of the current cycle, once it is open.")
    linked: int
    excluded: int


def _columns(view: type[BaseModel], row: object) -> dict[str, Any]:
    return {name: getattr(row, name) for name in view.model_fields if hasattr(row, name)}


def summary(theme: Theme) -> ThemeSummary:
    """The list form of a theme."""
    return ThemeSummary.model_validate(_columns(ThemeSummary, theme))


def view(session: Session, actor: Actor, theme: Theme) -> ThemeView:
    """The full form of a theme."""
    review_id = session.scalar(
        select(Review.review_id).where(Review.incident_id == theme.theme_id, Review.cycle == theme.cycle)
    )
    decisions = list(session.scalars(select(Member.decision).join(KnownIncident, _SAME).where(*_of(actor, theme))))
    return ThemeView.model_validate(
        {
            **_columns(ThemeView, theme),
            "team": theme.team["members"],
            "review_id": review_id,
            "linked": decisions.count(MemberDecision.LINKED),
            "excluded": decisions.count(MemberDecision.EXCLUDED),
        }
    )


_SAME = KnownIncident.incident_id == Member.incident_id


def _of(actor: Actor, theme: Theme) -> tuple[Any, ...]:
    return Member.theme_id == theme.theme_id, visible_known(actor)


def themes(
    session: Session,
    actor: Actor,
    *,
    stage: ThemeStage | None,
    incident_id: UUID | None,
    signal_id: UUID | None,
    limit: int,
    cursor: str | None,
) -> Page[ThemeSummary]:
    """Themes that the caller may see, newest first."""
    query = (
        select(Theme)
        .where(Theme.provider_id == actor.provider_id, in_scope(actor))
        .order_by(Theme.theme_id.desc())
        .limit(limit + 1)
    )
    if stage is not None:
        query = query.where(Theme.stage == stage)
    if signal_id is not None:
        query = query.where(Theme.signal_id == signal_id)
    if incident_id is not None:
        considered = exists().where(
            Member.theme_id == Theme.theme_id, Member.incident_id == incident_id, _SAME, visible_known(actor)
        )
        query = query.where(considered)
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Theme.theme_id < after)
    rows = list(session.scalars(query))
    items = [summary(row) for row in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].theme_id) if len(rows) > limit else None)


def members(
    session: Session, actor: Actor, theme: Theme, *, decision: MemberDecision | None, limit: int, cursor: str | None
) -> Page[MemberView]:
    """The incidents that were considered, by id; restricted ones for those who need to know only."""
    query = (
        select(Member, KnownIncident)
        .join(KnownIncident, _SAME)
        .where(*_of(actor, theme))
        .order_by(Member.incident_id)
        .limit(limit + 1)
    )
    if decision is not None:
        query = query.where(Member.decision == decision)
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Member.incident_id > after)
    rows = session.execute(query).all()
    items = [member_view(member, known) for member, known in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].incident_id) if len(rows) > limit else None)


def member_view(member: Member, known: KnownIncident) -> MemberView:
    """An incident that was considered."""
    return MemberView.model_validate({**_columns(MemberView, known), **_columns(MemberView, member)})
