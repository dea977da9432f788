"""The tables of directory and the few queries its use-cases need."""

from collections.abc import Collection
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, DateTime, MetaData, Text, and_, func, or_, select, true
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from services.directory.domain import Duty, reach
from services.runtime.actor import Actor
from services.runtime.errors import conflict, forbidden, invalid, not_found


class Table(DeclarativeBase):
    """Everything lives in the schema `directory`; text columns are `text`, times carry a zone."""

    metadata = MetaData(schema="directory")
    type_annotation_map = {str: Text, datetime: DateTime(timezone=True), list[str]: ARRAY(Text)}  # noqa: RUF012 - SQLAlchemy's own idiom


class Provider(Table):
    """An organisation registered with the regulator. `cqc_provider_id` is set by the import of CQC's directory."""

    __tablename__ = "provider"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    cqc_provider_id: Mapped[str | None]
    name: Mapped[str]
    version: Mapped[int]


class Region(Table):
    """A provider's own part of the country."""

    __tablename__ = "region"

    region_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    name: Mapped[str]


class Location(Table):
    """A place that care is given at or from. `active` is false once its registration has ended."""

    __tablename__ = "location"

    location_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    cqc_location_id: Mapped[str]
    name: Mapped[str]
    region_id: Mapped[UUID | None]
    local_authority: Mapped[str | None]
    service_types: Mapped[list[str]]
    beds: Mapped[int]
    registered_on: Mapped[date | None]
    deregistered_on: Mapped[date | None]
    active: Mapped[bool]
    version: Mapped[int]


class Person(Table):
    """Somebody who works for the provider. The id is the `sub` of their tokens; the name stays here, and is empty once their
    entry was erased."""

    __tablename__ = "person"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    display_name: Mapped[str]
    shift: Mapped[str | None]
    employment: Mapped[str | None]
    started_on: Mapped[date | None]
    active: Mapped[bool]
    manager_id: Mapped[UUID | None]
    leaves_on: Mapped[date | None]
    version: Mapped[int]


class Assignment(Table):
    """A role that a person holds at a location, for a region, or for the whole provider if neither is set."""

    __tablename__ = "assignment"

    assignment_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    person_id: Mapped[UUID]
    role: Mapped[str]
    location_id: Mapped[UUID | None]
    region_id: Mapped[UUID | None]


class RotaEntry(Table):
    """A turn on call, from `starts_at` until just before `ends_at`, for a location, a region or the whole provider."""

    __tablename__ = "rota_entry"

    entry_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    role: Mapped[str]
    location_id: Mapped[UUID | None]
    region_id: Mapped[UUID | None]
    person_id: Mapped[UUID]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    version: Mapped[int]


class Exposure(Table):
    """How much care a location gave in the month that begins on `month`."""

    __tablename__ = "exposure"

    location_id: Mapped[UUID] = mapped_column(primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    unit: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    quantity: Mapped[Decimal]
    version: Mapped[int]


def visible_location(session: Session, actor: Actor, location_id: UUID, *, lock: bool = False) -> Location:
    """The location if it is in the actor's scope, else 404. `lock` holds it to the end of the transaction."""
    location = session.get(Location, location_id, with_for_update=True if lock else None)
    if location is None or not actor.sees(location.location_id, location.region_id):
        raise not_found("location")
    return location


def people_in_scope(actor: Actor) -> ColumnElement[bool]:
    """Whom the actor may see: themselves, and who holds a role at a location or for a region of their scope."""
    if actor.all_locations:
        return true()
    region_id = func.coalesce(Assignment.region_id, Location.region_id)
    held = (
        select(Assignment.assignment_id)
        .outerjoin(Location, Location.location_id == Assignment.location_id)
        .where(Assignment.person_id == Person.person_id, actor.scope(Assignment.location_id, region_id))
    )
    return or_(Person.person_id == actor.id, held.exists())


def visible_person(session: Session, actor: Actor, person_id: UUID, *, lock: bool = False) -> Person:
    """The person if the actor may see them, else 404. `lock` holds the row to the end of the transaction."""
    query = select(Person).where(Person.person_id == person_id, people_in_scope(actor))
    person = session.scalars(query.with_for_update(of=Person) if lock else query).one_or_none()
    if person is None:
        raise not_found("person")
    return person


def changeable_person(session: Session, actor: Actor, person_id: UUID) -> Person:
    """The same, held to the end of the transaction, to be changed; 409 for an entry that was erased."""
    person = visible_person(session, actor, person_id, lock=True)
    if not person.display_name:
        raise conflict(
            "already-erased",
            "This entry was erased some years after the person had left",
            "Whoever comes back is registered anew, under another id.",
        )
    return person


def require_place(
    session: Session, actor: Actor, location_id: UUID | None, region_id: UUID | None, *, field: str = ""
) -> None:
    """Refuse a place that is not the provider's (422) or not wholly in the actor's scope (403).

    Neither id means the whole provider. `field` goes before the name of the field at fault.
    """
    if location_id is not None:
        location = session.get(Location, location_id)
        if location is None:
            raise invalid(
                f"{field}location_id", "is not a location of your provider", "Choose one from GET /locations."
            )
        allowed = actor.sees(location_id, location.region_id)
    elif region_id is not None:
        if session.get(Region, region_id) is None:
            raise invalid(f"{field}region_id", "is not a region of your provider", "Choose one from GET /regions.")
        allowed = actor.all_locations or region_id in actor.regions
    else:
        allowed = actor.all_locations
    if not allowed:
        raise forbidden("This reaches beyond your scope. Ask somebody with a wider scope to do it.")


def holders(session: Session, wanted: Collection[tuple[str, UUID]]) -> set[UUID]:
    """Active people who hold one of the roles at its location, for its region, or for the whole provider."""
    regions = dict(
        session.execute(
            select(Location.location_id, Location.region_id).where(
                Location.location_id.in_({place for _, place in wanted})
            )
        ).all()
    )
    found = session.scalars(
        select(Assignment)
        .join(Person, Person.person_id == Assignment.person_id)
        .where(Assignment.role.in_({role for role, _ in wanted}), Person.active)
    )
    at_places = {(role, place) for role, place in wanted}
    in_regions = {(role, regions.get(place)) for role, place in wanted}
    anywhere = {role for role, _ in wanted}
    return {
        one.person_id
        for one in found
        if (one.location_id is not None and (one.role, one.location_id) in at_places)
        or (one.region_id is not None and (one.role, one.region_id) in in_regions)
        or (one.location_id is None and one.region_id is None and one.role in anywhere)
    }


def duties(session: Session, role: str, location_id: UUID, now: datetime) -> list[Duty]:
    """Active people who could be called in a role for a location now: on the rota, or holding the role.

    A location that is not known (yet) is covered by whoever covers the whole provider.
    """
    region_id = session.scalar(select(Location.region_id).where(Location.location_id == location_id))

    def near(table: type[RotaEntry] | type[Assignment]) -> Any:
        everywhere = and_(table.location_id.is_(None), table.region_id.is_(None))
        if region_id is None:
            return or_(table.location_id == location_id, everywhere)
        return or_(table.location_id == location_id, table.region_id == region_id, everywhere)

    turns = session.scalars(
        select(RotaEntry)
        .join(Person, Person.person_id == RotaEntry.person_id)
        .where(RotaEntry.role == role, RotaEntry.starts_at <= now, RotaEntry.ends_at > now, near(RotaEntry))
        .where(Person.active)
    )
    held = session.scalars(
        select(Assignment)
        .join(Person, Person.person_id == Assignment.person_id)
        .where(Assignment.role == role, near(Assignment), Person.active)
    )
    return [
        *(Duty(turn.person_id, reach(turn.location_id, turn.region_id), turn.starts_at) for turn in turns),
        *(Duty(one.person_id, reach(one.location_id, one.region_id)) for one in held),
    ]
