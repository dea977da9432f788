"""The use-cases of directory. Each runs in one transaction of the caller: rows, audit entry and outbox event together.

Commands of people are made idempotent by their Idempotency-Key; what is already as wanted is left as it is.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from services.contracts import activities
from services.contracts.directory import ExposureRecorded, LocationRecorded, PersonRecorded, RolePlace
from services.contracts.taxonomy import Employment, ExposureUnit, Role, Shift
from services.directory import cqc, policy
from services.directory.domain import in_order, location_types
from services.directory.store import (
    Assignment,
    Exposure,
    Location,
    Person,
    Provider,
    Region,
    RotaEntry,
    changeable_person,
    duties,
    require_place,
    visible_location,
)
from services.runtime import audit, outbox
from services.runtime.actor import Actor
from services.runtime.db import insert_new
from services.runtime.errors import conflict, invalid
from services.runtime.idempotency import check_version
from services.runtime.instant import Instant
from services.runtime.outbox import new_id
from services.runtime.text import ShortText

SERVICE = "directory"
KEEPERS = (Role.PLATFORM_ADMIN, Role.DIRECTOR)
"""Who keeps the register of places and people."""
QUALITY = (*KEEPERS, Role.QUALITY_LEAD)
"""Who keeps what changes from week to week: the rota and the exposure."""
MANAGERS = (
    *QUALITY,
    Role.NOMINATED_INDIVIDUAL,
    Role.REGIONAL_MANAGER,
    Role.REGISTERED_MANAGER,
    Role.SAFEGUARDING_LEAD,
)
"""Who may look people up."""
FIRST_MONTH = date(2000, 1, 1)
FURTHEST_TURN = timedelta(days=3 * 366)


class Strict(BaseModel):
    """Unknown fields are refused: a misspelt field must not be lost silently."""

    model_config = ConfigDict(extra="forbid")


class RegisterProvider(Strict):
    """The organisation of the caller, when it does not come from CQC's directory."""

    name: ShortText


class RegisterRegion(Strict):
    """A part of the provider's country with a manager of its own."""

    region_id: UUID | None = Field(default=None, description="Made if left out.")
    name: ShortText


class RegisterLocation(Strict):
    """A place that care is given at or from."""

    location_id: UUID | None = Field(default=None, description="Made if left out.")
    cqc_location_id: Annotated[str, Field(pattern=cqc.CQC_ID_PATTERN, examples=["1-101667914"])]
    name: ShortText
    region_id: UUID | None = None
    local_authority: ShortText | None = None
    service_types: list[ShortText] = Field(default_factory=list, max_length=cqc.MOST_SERVICE_TYPES)
    beds: int = Field(default=0, ge=0, le=cqc.MOST_BEDS, description="0 for care at home.")
    registered_on: date | None = None


class RoleHeld(Strict):
    """A role at a location, for a region, or for the whole provider if neither is given."""

    role: Role
    location_id: UUID | None = None
    region_id: UUID | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.location_id is not None and self.region_id is not None:
            raise ValueError("give a location or a region, not both")
        return self


class Work(Strict):
    """How somebody works: what decides whether they were there when a team talked. None where it is not known."""

    shift: Shift | None = None
    employment: Employment | None = None
    started_on: date | None = Field(default=None, description="The first day at work here.")
    leaves_on: date | None = Field(
        default=None, description="The last day, once it is known: what they own has to be handed over."
    )
    manager_id: UUID | None = Field(default=None, description="To whom they answer.")


class RegisterPerson(Work):
    """Somebody who works for the provider, with the roles they hold."""

    person_id: UUID | None = Field(default=None, description="The `sub` of their tokens. Made if left out.")
    display_name: ShortText
    roles: list[RoleHeld] = Field(default_factory=list, max_length=100)


class ChangePerson(Work):
    """A person as they are from now on; the roles, and how they work, replace what was before."""

    display_name: ShortText
    active: bool = Field(default=True, description="False for somebody who has left: they are not called any more.")
    roles: list[RoleHeld] = Field(max_length=100)


class PutOnCall(RoleHeld):
    """A turn on call, from `starts_at` until just before `ends_at`."""

    person_id: UUID
    starts_at: Instant
    ends_at: Instant


class RecordExposure(Strict):
    """How much care was given in the month."""

    unit: ExposureUnit
    quantity: Annotated[Decimal, Field(ge=0, max_digits=9, decimal_places=2)]


class _Change:
    """Writes the audit entry that belongs to a change of one record, and its event."""

    def __init__(self, session: Session, actor: Actor, subject: UUID, at: datetime) -> None:
        self._session, self._actor, self._subject, self._at = session, actor, subject, at

    def record(self, action: str, event: Any = None, **data: Any) -> None:
        """Append the entry, and the event if others must know."""
        audit.append(
            self._session,
            SERVICE,
            chain=self._subject,
            actor=self._actor,
            action=action,
            subject=self._subject,
            at=self._at,
            data=data,
        )
        if event is not None:
            row = outbox.event_row(event, actor=self._actor, subject=self._subject, version=event.revision, at=self._at)
            outbox.record(self._session, SERVICE, row)


def register_provider(session: Session, actor: Actor, command: RegisterProvider, now: datetime) -> Provider:
    """Register the caller's provider under the id in the caller's token. Raises 409 if it is registered."""
    values = {"provider_id": actor.provider_id, "name": command.name, "version": 1}
    if not insert_new(session, Provider, **values):
        raise conflict("already-registered", "Your provider is registered", "Read it at GET /providers/me.")
    _Change(session, actor, actor.provider_id, now).record(
        "provider_registered", name_sha256=audit.digest(command.name)
    )
    return session.get_one(Provider, actor.provider_id)


def register_region(session: Session, actor: Actor, command: RegisterRegion, now: datetime) -> Region:
    """Register a region of the caller's provider. Raises 409 if its name or id is taken."""
    _require_provider(session, actor)
    region_id = command.region_id or new_id()
    if not insert_new(session, Region, region_id=region_id, provider_id=actor.provider_id, name=command.name):
        raise conflict(
            "already-registered", "There is such a region", "Choose it from GET /regions, or use another name and id."
        )
    _Change(session, actor, region_id, now).record("region_registered", name_sha256=audit.digest(command.name))
    return session.get_one(Region, region_id)


def register_location(session: Session, actor: Actor, command: RegisterLocation, now: datetime) -> Location:
    """Register a location of the caller's provider. Raises 422 for an unknown region, 409 if it is registered."""
    _require_provider(session, actor)
    require_place(session, actor, None, command.region_id)
    if command.registered_on is not None and command.registered_on > now.date():
        raise invalid("registered_on", "is in the future", "Register a location once its registration has begun.")
    location_id = command.location_id or new_id()
    values = command.model_dump(exclude={"location_id"})
    if not insert_new(
        session,
        Location,
        location_id=location_id,
        provider_id=actor.provider_id,
        **values,
        deregistered_on=None,
        active=True,
        version=1,
    ):
        raise conflict(
            "already-registered",
            "A location with this CQC id or this id is registered",
            "Read it at GET /locations?cqc_location_id=. If it is not there, another provider has registered it.",
        )
    location = session.get_one(Location, location_id)
    _Change(session, actor, location_id, now).record(
        "location_registered", location_event(location), **location_facts(location)
    )
    return location


def location_event(location: Location) -> LocationRecorded:
    """What others are told of a location."""
    return LocationRecorded(
        location_id=location.location_id,
        region_id=location.region_id,
        cqc_location_id=location.cqc_location_id,
        name=location.name,
        beds=location.beds,
        active=location.active,
        revision=location.version,
        types=location_types(location.service_types),
    )


def location_facts(location: Location) -> dict[str, Any]:
    """What the audit keeps of a location."""
    return {
        "cqc_location_id": location.cqc_location_id,
        "name_sha256": audit.digest(location.name),
        "region_id": location.region_id,
        "beds": location.beds,
        "active": location.active,
        "version": location.version,
    }


def register_person(session: Session, actor: Actor, command: RegisterPerson, now: datetime) -> Person:
    """Register a person with their roles. Raises 422 for an unknown place, 409 if the id is taken."""
    _require_provider(session, actor)
    person_id = command.person_id or new_id()
    if not insert_new(
        session,
        Person,
        person_id=person_id,
        provider_id=actor.provider_id,
        display_name=command.display_name,
        shift=command.shift,
        employment=command.employment,
        started_on=command.started_on,
        leaves_on=command.leaves_on,
        manager_id=_line(session, actor, person_id, command.manager_id),
        active=True,
        version=1,
    ):
        raise conflict(
            "already-registered", "There is a person with this id", "Change them at PUT /people/{person_id}."
        )
    person = session.get_one(Person, person_id)
    _set_roles(session, actor, person, command.roles)
    _record_person(session, actor, person, "person_registered", command.roles, now)
    return person


def change_person(
    session: Session, actor: Actor, person_id: UUID, command: ChangePerson, version: int, now: datetime
) -> Person:
    """Replace name, roles and whether the person is still there. Somebody inactive is never called."""
    person = changeable_person(session, actor, person_id)
    check_version(person.version, version)
    person.display_name, person.active = command.display_name, command.active
    person.shift, person.employment, person.started_on = command.shift, command.employment, command.started_on
    person.leaves_on = command.leaves_on
    person.manager_id = _line(session, actor, person_id, command.manager_id)
    person.version += 1
    session.execute(delete(Assignment).where(Assignment.person_id == person_id))
    _set_roles(session, actor, person, command.roles)
    _record_person(session, actor, person, "person_changed", command.roles, now)
    return person


def _line(session: Session, actor: Actor, person_id: UUID, manager_id: UUID | None) -> UUID | None:
    """The manager, if the line above them does not lead back to the person (422)."""
    if manager_id is None:
        return None
    # One at a time for a provider: of two halves of a circle made at once, one must see the other.
    session.get(Provider, actor.provider_id, with_for_update=True, populate_existing=True)
    above: UUID | None = manager_id
    seen = {person_id}
    while above is not None:
        if above in seen:
            raise invalid("manager_id", "answers to this person", "Choose somebody above them.")
        seen.add(above)
        manager = session.get(Person, above, populate_existing=True)
        if manager is None:
            raise invalid("manager_id", "is not a person of your provider", "Register the manager first.")
        above = manager.manager_id
    return manager_id


def _set_roles(session: Session, actor: Actor, person: Person, roles: Sequence[RoleHeld]) -> None:
    held = {(one.role, one.location_id, one.region_id) for one in roles}
    if len(held) < len(roles):
        raise invalid("roles", "names a role twice for one place", "Name each role once for each place.")
    for number, one in enumerate(roles):
        if one.role is Role.SERVICE:
            raise invalid(f"roles.{number}.role", "is for machines", "Choose a role that people hold.")
        require_place(session, actor, one.location_id, one.region_id, field=f"roles.{number}.")
    if roles:
        session.execute(
            insert(Assignment),
            [
                {
                    "assignment_id": new_id(),
                    "provider_id": actor.provider_id,
                    "person_id": person.person_id,
                    **one.model_dump(),
                }
                for one in roles
            ],
        )


def _record_person(
    session: Session, actor: Actor, person: Person, action: str, roles: Sequence[RoleHeld], now: datetime
) -> None:
    _Change(session, actor, person.person_id, now).record(
        action,
        PersonRecorded(
            person_id=person.person_id,
            active=person.active,
            roles=[RolePlace.model_validate(one.model_dump()) for one in roles],
            shift=None if person.shift is None else Shift(person.shift),
            employment=None if person.employment is None else Employment(person.employment),
            started_on=person.started_on,
            revision=person.version,
            manager_id=person.manager_id,
            leaves_on=person.leaves_on,
        ),
        name_sha256=audit.digest(person.display_name),
        active=person.active,
        shift=person.shift,
        employment=person.employment,
        started_on=person.started_on,
        manager_id=person.manager_id,
        leaves_on=person.leaves_on,
        roles=[one.model_dump(mode="json") for one in roles],
        version=person.version,
    )


def put_on_call(
    session: Session, actor: Actor, entry_id: UUID, command: PutOnCall, version: int | None, now: datetime
) -> RotaEntry:
    """Make a turn on the rota, or replace the one with this id, for which `version` is needed (428).

    Turns may overlap, as at a handover: the nearest to the location counts, then the one that began last.
    """
    _require_provider(session, actor)
    rules = policy.shipped()
    if command.role not in rules.ladder:
        raise invalid("role", "is on no rung of the ladder", f"Use one of {', '.join(rules.ladder)}.")
    if command.ends_at <= command.starts_at:
        raise invalid("ends_at", "is not after starts_at", "Give the end of the turn.")
    if command.ends_at - command.starts_at > rules.longest_turn:
        raise invalid(
            "ends_at", f"makes a turn of more than {rules.longest_turn.days} days", "Check the year, or split the turn."
        )
    if abs(command.starts_at - now) > FURTHEST_TURN:
        raise invalid("starts_at", "is more than three years away", "Check the year.")
    require_place(session, actor, command.location_id, command.region_id)
    person = session.get(Person, command.person_id)
    if person is None or not person.active:
        raise invalid(
            "person_id", "is not an active person of your provider", "Choose one from GET /people, or register them."
        )
    entry = session.get(RotaEntry, entry_id, with_for_update=True)
    if entry is None:
        if not insert_new(
            session, RotaEntry, entry_id=entry_id, provider_id=actor.provider_id, **command.model_dump(), version=1
        ):
            raise conflict("id-taken", "This id is taken", "Send the turn again under a new random id.")
        entry = session.get_one(RotaEntry, entry_id)
    else:
        require_place(session, actor, entry.location_id, entry.region_id)
        check_version(entry.version, version)
        for name, value in command.model_dump().items():
            setattr(entry, name, value)
        entry.version += 1
    _Change(session, actor, entry_id, now).record("put_on_call", **command.model_dump(), version=entry.version)
    return entry


def record_exposure(
    session: Session,
    actor: Actor,
    location_id: UUID,
    month: date,
    command: RecordExposure,
    version: int | None,
    now: datetime,
) -> Exposure:
    """Record how much care a location gave in a month, or replace it, for which `version` is needed (428).

    `month` is its first day. Raises 422 for a month that has not begun and for more than the location can have given.
    """
    location = visible_location(session, actor, location_id, lock=True)
    if not FIRST_MONTH <= month <= now.date():
        raise invalid("month", "has not begun, or is before 2000", "Record a month once it has begun.")
    most = policy.shipped().most_exposure(command.unit, month, location.beds)
    if command.quantity > most:
        raise invalid(
            "quantity",
            f"is more than the {most:,.0f} that this location can have given in a month with {location.beds} beds",
            "Correct the quantity, or the number of beds of the location first.",
        )
    key = (location_id, month, command.unit)
    exposure = session.get(Exposure, key)
    if exposure is None:
        exposure = Exposure(
            location_id=location_id,
            month=month,
            unit=command.unit,
            provider_id=actor.provider_id,
            quantity=command.quantity,
            version=1,
        )
        session.add(exposure)
    else:
        check_version(exposure.version, version)
        if exposure.quantity == command.quantity:
            return exposure
        exposure.quantity, exposure.version = command.quantity, exposure.version + 1
    session.flush()
    _Change(session, actor, location_id, now).record(
        "exposure_recorded",
        ExposureRecorded(
            location_id=location_id,
            month=month,
            unit=command.unit,
            quantity=command.quantity,
            revision=exposure.version,
        ),
        month=month,
        unit=command.unit,
        quantity=command.quantity,
        version=exposure.version,
    )
    return exposure


def resolve_on_call(session: Session, command: activities.ResolveOnCall, now: datetime) -> activities.OnCall:
    """Who stands on a rung of the ladder, at this moment, in the order of call. Changes nothing and never refuses.

    Whoever is on the rota comes first, then whoever holds the role, then whoever stands in for it by policy;
    `person_id` is None when there is nobody.
    """
    rung: dict[UUID, Role] = {}
    for role in policy.shipped().in_turn(command.role):
        for person_id in in_order(duties(session, role, command.location_id, now)):
            rung.setdefault(person_id, role)
    if not rung:
        return activities.OnCall(role=command.role, person_id=None)
    first, *others = (activities.OnRung(role=role, person_id=person_id) for person_id, role in rung.items())
    return activities.OnCall(role=first.role, person_id=first.person_id, others=others)


def _require_provider(session: Session, actor: Actor) -> None:
    # Shared: it waits for an import that is at work on this provider, and nothing else.
    if session.get(Provider, actor.provider_id, with_for_update={"read": True}) is None:
        raise conflict(
            "provider-not-registered",
            "Your provider is not registered",
            "Register it at POST /providers, or import CQC's directory first.",
        )
