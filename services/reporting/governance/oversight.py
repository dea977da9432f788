"""How much of governance waits, and whether it is scrutiny: for the overview and the radar."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from services.contracts.taxonomy import GovernanceKind
from services.reporting.governance.domain import ItemStatus
from services.reporting.governance.store import Item, Meeting, visible_items, visible_meetings
from services.runtime.actor import Actor


class Waiting(BaseModel):
    """How much waits for an answer, and which meetings did not take place in time."""

    open: int = Field(description="Decisions and challenges without an answer.")
    late: int = Field(description="Of these, those whose time ran out.")
    meetings_not_held: int


class Oversight(BaseModel):
    """Whether meetings take place, challenge, get answers, and alter anything (GV-03, GV-05)."""

    meetings: int = Field(description="Agendas whose time to meet has passed, or that were met on.")
    held: int
    without_an_item: int = Field(description="Held, and nothing was decided or challenged: it was noted.")
    challenges: int
    unanswered_in_time: int
    altered: int = Field(description="Challenges whose answer altered a plan, money or the pace.")


def _at(table: Any, location_id: UUID | None, region_id: UUID | None) -> list[ColumnElement[bool]]:
    places = {"location_id": location_id, "region_id": region_id}
    return [getattr(table, name) == value for name, value in places.items() if value is not None]


def _late(now: datetime) -> ColumnElement[bool]:
    return or_(Item.climbs > 0, and_(Item.status == ItemStatus.OPEN, Item.due_at < now))


def waiting(
    session: Session, actor: Actor, now: datetime, *, location_id: UUID | None, region_id: UUID | None
) -> Waiting:
    """What waits in the actor's scope. A meeting that a later agenda took the place of is history."""
    row = session.execute(
        select(func.count().label("open"), func.count().filter(_late(now)).label("late")).where(
            visible_items(actor), Item.status == ItemStatus.OPEN, *_at(Item, location_id, region_id)
        )
    ).one()
    later = select(Meeting.previous_id).where(Meeting.previous_id.is_not(None))
    not_held = session.scalar(
        select(func.count())
        .select_from(Meeting)
        .where(visible_meetings(actor), Meeting.held_at.is_(None), Meeting.hold_by < now)
        .where(Meeting.meeting_id.not_in(later), *_at(Meeting, location_id, region_id))
    )
    return Waiting(open=row.open, late=row.late, meetings_not_held=not_held or 0)


def oversight(
    session: Session,
    actor: Actor,
    since: datetime,
    now: datetime,
    *,
    location_id: UUID | None,
    region_id: UUID | None,
) -> Oversight:
    """What governance came to between two moments, in the actor's scope."""
    some = select(Item.item_id).where(Item.meeting_id == Meeting.meeting_id).exists()
    held = Meeting.held_at.is_not(None)
    meetings = session.execute(
        select(
            func.count().label("meetings"),
            func.count().filter(held).label("held"),
            func.count().filter(held, ~some).label("without_an_item"),
        ).where(
            visible_meetings(actor), Meeting.compiled_at >= since, Meeting.compiled_at <= now,
            or_(held, Meeting.hold_by < now), *_at(Meeting, location_id, region_id),
        )
    ).one()  # fmt: skip
    challenges = session.execute(
        select(
            func.count().label("challenges"),
            func.count().filter(_late(now)).label("unanswered_in_time"),
            func.count().filter(func.cardinality(Item.altered) > 0).label("altered"),
        ).where(
            visible_items(actor), Item.kind == GovernanceKind.CHALLENGE, Item.raised_at >= since, Item.raised_at <= now,
            *_at(Item, location_id, region_id),
        )
    ).one()  # fmt: skip
    return Oversight(**meetings._mapping, **challenges._mapping)
