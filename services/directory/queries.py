"""What directory answers, by query. Every query is limited to the caller's scope."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Employment, ExposureUnit, Role, Shift
from services.directory.store import (
    Assignment,
    Exposure,
    Location,
    Person,
    Provider,
    Region,
    RotaEntry,
    people_in_scope,
)
from services.runtime import pagination
from services.runtime.actor import Actor
from services.runtime.errors import not_found
from services.runtime.pagination import Page


class ProviderView(BaseModel):
    """The caller's organisation."""

    provider_id: UUID
    cqc_provider_id: str | None
    name: str
    version: int


class RegionView(BaseModel):
    """A part of the provider's country."""

    region_id: UUID
    name: str


class LocationView(BaseModel):
    """A place that care is given at or from."""

    location_id: UUID
    cqc_location_id: str
    name: str
    region_id: UUID | None
    local_authority: str | None
    service_types: list[str]
    beds: int
    registered_on: date | None
    deregistered_on: date | None
    active: bool
    version: int


class ExposureView(BaseModel):
    """How much care a location gave in a month."""

    location_id: UUID
    month: date
    unit: ExposureUnit
    quantity: Decimal
    version: int


class RoleView(BaseModel):
    """A role at a location, for a region, or for the whole provider."""

    role: Role
    location_id: UUID | None
    region_id: UUID | None


class PersonView(BaseModel):
    """Somebody who works for the provider."""

    person_id: UUID
    display_name: str = Field(description="Empty once the entry was erased, some years after the person had left.")
    active: bool
    manager_id: UUID | None
    leaves_on: date | None
    roles: list[RoleView]
    shift: Shift | None
    employment: Employment | None
    started_on: date | None
    version: int


class RotaEntryView(BaseModel):
    """A turn on call, until just before `ends_at`."""

    entry_id: UUID
    role: Role
    location_id: UUID | None
    region_id: UUID | None
    person_id: UUID
    starts_at: datetime
    ends_at: datetime
    version: int


def _columns(view: type[BaseModel], row: object) -> dict[str, Any]:
    return {name: getattr(row, name) for name in view.model_fields if hasattr(row, name)}


def provider(session: Session, actor: Actor) -> ProviderView:
    """The caller's provider, or 404 if it is not registered."""
    found = session.get(Provider, actor.provider_id)
    if found is None:
        raise not_found("provider")
    return ProviderView.model_validate(_columns(ProviderView, found))


def region_view(region: Region) -> RegionView:
    """One region."""
    return RegionView.model_validate(_columns(RegionView, region))


def regions(session: Session, actor: Actor, *, limit: int, cursor: str | None) -> Page[RegionView]:
    """Every region of the provider. A region says nothing of people, so all may see it."""
    query = select(Region).where(Region.provider_id == actor.provider_id).order_by(Region.region_id).limit(limit + 1)
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Region.region_id > after)
    rows = list(session.scalars(query))
    items = [region_view(row) for row in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].region_id) if len(rows) > limit else None)


def location_view(location: Location) -> LocationView:
    """The full form of a location."""
    return LocationView.model_validate(_columns(LocationView, location))


def locations(
    session: Session,
    actor: Actor,
    *,
    cqc_location_id: str | None,
    region_id: UUID | None,
    active: bool | None,
    limit: int,
    cursor: str | None,
) -> Page[LocationView]:
    """Locations in scope, ordered by id."""
    query = (
        select(Location)
        .where(Location.provider_id == actor.provider_id)
        .where(actor.scope(Location.location_id, Location.region_id))
        .order_by(Location.location_id)
        .limit(limit + 1)
    )
    if cqc_location_id is not None:
        query = query.where(Location.cqc_location_id == cqc_location_id)
    if region_id is not None:
        query = query.where(Location.region_id == region_id)
    if active is not None:
        query = query.where(Location.active == active)
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Location.location_id > after)
    rows = list(session.scalars(query))
    items = [location_view(row) for row in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].location_id) if len(rows) > limit else None)


def exposure_view(exposure: Exposure) -> ExposureView:
    """One month of a location."""
    return ExposureView.model_validate(_columns(ExposureView, exposure))


def exposures(session: Session, location_id: UUID) -> list[ExposureView]:
    """What is recorded of a location, newest month first."""
    rows = session.scalars(
        select(Exposure).where(Exposure.location_id == location_id).order_by(Exposure.month.desc(), Exposure.unit)
    )
    return [exposure_view(row) for row in rows]


def person_view(session: Session, person: Person) -> PersonView:
    """A person with their roles."""
    return _person_views(session, [person])[0]


def people(
    session: Session, actor: Actor, *, role: Role | None, location_id: UUID | None, limit: int, cursor: str | None
) -> Page[PersonView]:
    """People in scope, ordered by id; those in a role, or with a role at a location itself. None whose entry was erased."""
    query = (
        select(Person)
        .where(Person.provider_id == actor.provider_id, people_in_scope(actor), Person.display_name != "")
        .order_by(Person.person_id)
        .limit(limit + 1)
    )
    if role is not None:
        query = query.where(_holds(Assignment.role == role))
    if location_id is not None:
        query = query.where(_holds(Assignment.location_id == location_id))
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Person.person_id > after)
    rows = list(session.scalars(query))
    items = _person_views(session, rows[:limit])
    return Page(items=items, next=pagination.encode(items[-1].person_id) if len(rows) > limit else None)


def _holds(condition: Any) -> Any:
    return select(Assignment.assignment_id).where(Assignment.person_id == Person.person_id, condition).exists()


def _person_views(session: Session, people: list[Person]) -> list[PersonView]:
    held: dict[UUID, list[dict[str, Any]]] = {person.person_id: [] for person in people}
    assignments = select(Assignment).where(Assignment.person_id.in_(held)).order_by(Assignment.assignment_id)
    for assignment in session.scalars(assignments):
        held[assignment.person_id].append(_columns(RoleView, assignment))
    return [
        PersonView.model_validate({**_columns(PersonView, person), "roles": held[person.person_id]})
        for person in people
    ]


def rota_entry_view(entry: RotaEntry) -> RotaEntryView:
    """One turn on call."""
    return RotaEntryView.model_validate(_columns(RotaEntryView, entry))


def rota(
    session: Session, actor: Actor, *, ending_after: datetime | None, limit: int, cursor: str | None
) -> Page[RotaEntryView]:
    """Turns in scope and those of the whole provider, ordered by id; only those that end after an instant if given."""
    region_id = func.coalesce(RotaEntry.region_id, Location.region_id)
    query = (
        select(RotaEntry)
        .outerjoin(Location, Location.location_id == RotaEntry.location_id)
        .where(RotaEntry.provider_id == actor.provider_id)
        .where(
            or_(
                RotaEntry.location_id.is_(None) & RotaEntry.region_id.is_(None),
                actor.scope(RotaEntry.location_id, region_id),
            )
        )
        .order_by(RotaEntry.entry_id)
        .limit(limit + 1)
    )
    if ending_after is not None:
        query = query.where(RotaEntry.ends_at > ending_after)
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(RotaEntry.entry_id > after)
    rows = list(session.scalars(query))
    items = [rota_entry_view(row) for row in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].entry_id) if len(rows) > limit else None)
