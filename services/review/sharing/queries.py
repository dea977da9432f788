"""What sharing answers, by query. Every query is limited to the caller's scope."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import and_, exists, func, select
from sqlalchemy.orm import Session

from services.review.sharing import domain
from services.review.sharing.store import Acknowledgement, Briefing, BriefingLocation
from services.runtime import pagination
from services.runtime.actor import Actor
from services.runtime.pagination import Page


class BriefingSummary(BaseModel):
    """A briefing in a list. `understood` is the caller's own answer, None while there is none.

    Where it happened is left out: other teams are to learn, not to guess who it was.
    """

    briefing_id: UUID
    incident_id: UUID
    cycle: int
    summary: str
    sent_at: datetime
    due_at: datetime
    reached_at: datetime | None
    understood: bool | None


class BriefingView(BriefingSummary):
    """A briefing as staff read it, without the right answer."""

    what_changes: str
    question: str
    options: list[str]


class AcknowledgementView(BaseModel):
    """The caller's answer to a briefing."""

    briefing_id: UUID
    location_id: UUID
    answer: int
    understood: bool
    attempts: int
    first_at: datetime
    last_at: datetime


class LocationReach(BaseModel):
    """How many people at a location answered, and how many of them rightly."""

    location_id: UUID
    acknowledged: int
    understood: int
    understood_at: datetime | None


class BriefingReach(BaseModel):
    """How far a briefing has come. `understood` counts locations with at least one right answer.

    The totals are those of the whole audience, `locations` the part that the caller may see.
    """

    briefing_id: UUID
    audience: int
    understood: int
    reach_percent: int
    target_percent: int
    due_at: datetime
    reached_at: datetime | None
    locations: Page[LocationReach]


def _columns(view: type[BaseModel], row: object) -> dict[str, Any]:
    return {name: getattr(row, name) for name in view.model_fields if hasattr(row, name)}


def briefings(
    session: Session, actor: Actor, *, is_open: bool | None, limit: int, cursor: str | None
) -> Page[BriefingSummary]:
    """Briefings that went to a location in scope, newest first. Open ones still wait for the caller's right answer."""
    reaches = exists().where(
        BriefingLocation.briefing_id == Briefing.briefing_id,
        actor.scope(BriefingLocation.location_id, BriefingLocation.region_id),
    )
    mine = and_(Acknowledgement.briefing_id == Briefing.briefing_id, Acknowledgement.person_id == actor.id)
    query = (
        select(Briefing, Acknowledgement.understood)
        .outerjoin(Acknowledgement, mine)
        .where(Briefing.provider_id == actor.provider_id, reaches)
        .order_by(Briefing.briefing_id.desc())
        .limit(limit + 1)
    )
    if is_open is not None:
        query = query.where(func.coalesce(Acknowledgement.understood, False) != is_open)
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Briefing.briefing_id < after)
    rows = session.execute(query).all()
    items = [
        BriefingSummary.model_validate({**_columns(BriefingSummary, briefing), "understood": understood})
        for briefing, understood in rows[:limit]
    ]
    return Page(items=items, next=pagination.encode(items[-1].briefing_id) if len(rows) > limit else None)


def briefing_view(session: Session, actor: Actor, briefing: Briefing) -> BriefingView:
    """A briefing as the caller reads it."""
    mine = session.get(Acknowledgement, (briefing.briefing_id, actor.id))
    understood = None if mine is None else mine.understood
    return BriefingView.model_validate({**_columns(BriefingView, briefing), "understood": understood})


def acknowledgement(row: Acknowledgement) -> AcknowledgementView:
    """The caller's answer."""
    return AcknowledgementView.model_validate(_columns(AcknowledgementView, row))


def reach(session: Session, actor: Actor, briefing: Briefing, *, limit: int, cursor: str | None) -> BriefingReach:
    """How far a briefing has come, with its locations in scope."""
    here = and_(
        Acknowledgement.briefing_id == BriefingLocation.briefing_id,
        Acknowledgement.location_id == BriefingLocation.location_id,
    )
    query = (
        select(
            BriefingLocation.location_id,
            BriefingLocation.understood_at,
            func.count(Acknowledgement.person_id).label("acknowledged"),
            func.count(Acknowledgement.person_id).filter(Acknowledgement.understood).label("understood"),
        )
        .outerjoin(Acknowledgement, here)
        .where(BriefingLocation.briefing_id == briefing.briefing_id)
        .where(actor.scope(BriefingLocation.location_id, BriefingLocation.region_id))
        .group_by(BriefingLocation.briefing_id, BriefingLocation.location_id)
        .order_by(BriefingLocation.location_id)
        .limit(limit + 1)
    )
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(BriefingLocation.location_id > after)
    rows = session.execute(query).all()
    items = [LocationReach.model_validate(_columns(LocationReach, row)) for row in rows[:limit]]
    return BriefingReach(
        **_columns(BriefingReach, briefing),
        reach_percent=domain.reach_percent(briefing.understood, briefing.audience),
        locations=Page(items=items, next=pagination.encode(items[-1].location_id) if len(rows) > limit else None),
    )
