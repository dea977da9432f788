"""The tables of the governance cycle, and who sees what of them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    MetaData,
    SQLColumnExpression,
    Text,
    and_,
    false,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from services.contracts.taxonomy import Role
from services.runtime import restriction
from services.runtime.actor import SYSTEM_ID, Actor
from services.runtime.erasure import is_erased
from services.runtime.errors import not_found

SENIORS = frozenset(
    {Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR, Role.EXECUTIVE}
)
"""Who sees the meetings of executives and board, if they cover the whole provider."""

GOVERNORS = (Role.REGISTERED_MANAGER, Role.REGIONAL_MANAGER, *sorted(SENIORS))
"""Who takes part in meetings, each of the places that they cover. Others see only what they were asked."""


class Table(DeclarativeBase):
    """Meetings live in the schema `reporting` beside the projections."""

    metadata = MetaData(schema="reporting")
    type_annotation_map = {str: Text, datetime: DateTime(timezone=True)}  # noqa: RUF012 - SQLAlchemy's own idiom


class Meeting(Table):
    """A meeting: of a location, of a region, or of the whole provider where both are absent.

    `agenda` is what was seen at `compiled_at`; the database refuses to change it.
    """

    __tablename__ = "meeting"

    meeting_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    level: Mapped[str]
    location_id: Mapped[UUID | None]
    region_id: Mapped[UUID | None]
    scheduled_at: Mapped[datetime]
    compiled_at: Mapped[datetime]
    since: Mapped[datetime]
    previous_id: Mapped[UUID | None]
    hold_by: Mapped[datetime]
    called_by: Mapped[UUID | None]
    reason: Mapped[str | None]
    agenda: Mapped[dict[str, Any]] = mapped_column(JSONB)
    policy_version: Mapped[str]
    held_at: Mapped[datetime | None]
    held_by: Mapped[UUID | None]
    present: Mapped[int | None]
    minutes: Mapped[str | None]
    version: Mapped[int]


class Item(Table):
    """A decision or a challenge. `level` is the one it is with, `raised_level` that of the meeting it comes from.

    `climbs` counts how often its time ran out; `round` how often an answer was asked for.
    """

    __tablename__ = "governance_item"

    item_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    meeting_id: Mapped[UUID]
    kind: Mapped[str]
    level: Mapped[str]
    raised_level: Mapped[str]
    location_id: Mapped[UUID | None]
    region_id: Mapped[UUID | None]
    incident_id: Mapped[UUID | None]
    theme_id: Mapped[UUID | None]
    weakness: Mapped[str | None]
    question: Mapped[str | None]
    said: Mapped[str]
    owner_id: Mapped[UUID]
    owner_role: Mapped[str]
    raised_by: Mapped[UUID]
    raised_role: Mapped[str]
    raised_at: Mapped[datetime]
    due_at: Mapped[datetime]
    status: Mapped[str]
    round: Mapped[int]
    climbs: Mapped[int]
    climbed_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    altered: Mapped[list[str]] = mapped_column(ARRAY(Text))
    policy_version: Mapped[str]
    version: Mapped[int]


class Answer(Table):
    """What was answered in a round, and what became of it. A round is never written over."""

    __tablename__ = "governance_answer"

    item_id: Mapped[UUID] = mapped_column(primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    said: Mapped[str]
    answered_by: Mapped[UUID]
    answered_role: Mapped[str]
    answered_at: Mapped[datetime]
    accepted: Mapped[bool | None]
    reason: Mapped[str | None]
    judged_by: Mapped[UUID | None]
    judged_role: Mapped[str | None]
    judged_at: Mapped[datetime | None]


def covers(
    actor: Actor, location_id: SQLColumnExpression[UUID | None], region_id: SQLColumnExpression[UUID | None]
) -> ColumnElement[bool]:
    """The condition for rows of a place that the actor covers whole: their services, their regions; all, for seniors."""
    if actor.id != SYSTEM_ID and not actor.roles.intersection(GOVERNORS):
        return false()
    if actor.id == SYSTEM_ID or (actor.all_locations and SENIORS & actor.roles):
        return true()
    if actor.all_locations:
        return or_(location_id.is_not(None), region_id.is_not(None))
    return or_(
        and_(location_id.is_not(None), actor.scope(location_id, region_id)),
        and_(location_id.is_(None), region_id.in_(actor.regions)),
    )


def covers_place(actor: Actor, location_id: UUID | None, region_id: UUID | None) -> bool:
    """The same for one place."""
    if not actor.roles.intersection(GOVERNORS):
        return False
    if location_id is None and region_id is None:
        return actor.all_locations and bool(SENIORS & actor.roles)
    if location_id is None:
        return actor.all_locations or region_id in actor.regions
    return actor.sees(location_id, region_id)


def visible_meetings(actor: Actor) -> ColumnElement[bool]:
    """The condition for meetings of places that the actor covers, and that were not erased."""
    kept = not_(is_erased("reporting", Meeting.meeting_id))
    return and_(Meeting.provider_id == actor.provider_id, kept, covers(actor, Meeting.location_id, Meeting.region_id))


def visible_items(actor: Actor) -> ColumnElement[bool]:
    """The condition for items of meetings that the actor may see, and those that the actor raised or owns.

    One about a restricted incident is there only for those who need to know of it, or to whom it was given by name; one
    about a theme that was erased, or of a meeting that was, for nobody.
    """
    in_scope = covers(actor, Item.location_id, Item.region_id)
    own = or_(Item.owner_id == actor.id, Item.raised_by == actor.id)
    incident_id: Any = Item.incident_id
    theme_id: Any = Item.theme_id
    about = restriction.visible("reporting", actor, incident_id, in_scope=in_scope, own=own)
    return and_(
        Item.provider_id == actor.provider_id,
        not_(is_erased("reporting", Item.meeting_id)),
        or_(Item.theme_id.is_(None), not_(is_erased("reporting", theme_id))),
        or_(
            and_(Item.incident_id.is_(None), or_(in_scope, own)),
            and_(Item.incident_id.is_not(None), about),
        ),
    )


def visible_meeting(session: Session, actor: Actor, meeting_id: UUID, *, lock: bool = False) -> Meeting:
    """The meeting if the actor may see it, else 404."""
    query = select(Meeting).where(Meeting.meeting_id == meeting_id, visible_meetings(actor))
    found = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if found is None:
        raise not_found("meeting")
    return found


def visible_item(session: Session, actor: Actor, item_id: UUID, *, lock: bool = False) -> Item:
    """The decision or challenge if the actor may see it, else 404."""
    query = select(Item).where(Item.item_id == item_id, visible_items(actor))
    found = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if found is None:
        raise not_found("decision or challenge")
    return found
