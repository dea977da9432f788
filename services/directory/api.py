"""Directory over HTTP: permissions and shapes; the rules are in the use-cases."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Path, Query, Response
from fastapi.responses import JSONResponse

from services.contracts.taxonomy import Role
from services.directory import commands, cqc_import, queries
from services.directory.store import visible_location, visible_person
from services.runtime import audit
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, KnownVersion, Reply, fingerprint, once
from services.runtime.instant import Instant
from services.runtime.pagination import Cursor, Limit, Page
from services.runtime.text import Word

router = APIRouter()

Month = Annotated[
    str, Path(pattern=r"^[1-9][0-9]{3}-(0[1-9]|1[0-2])$", description="Year and month.", examples=["2026-06"])
]


@router.post(
    "/imports/cqc-directory",
    response_model=cqc_import.ImportResult,
    summary="Import CQC's care directory",
    tags=["imports"],
)
def import_cqc_directory(
    body: Annotated[bytes, Body(media_type="text/csv")], actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """Take the file over whole, in one go. Bad rows are refused with line, column and remedy; the others come in.

    Up to 64 MB of UTF-8. Importing the same file again, under a new key, changes nothing. Platform administrators.
    """
    require_role(actor, Role.PLATFORM_ADMIN)
    with transaction(database, actor.provider_id) as session:
        return once(
            session, "directory", actor, key, fingerprint("import-cqc-directory", body),
            lambda: Reply(200, cqc_import.import_cqc_directory(session, actor, body, clock.now())),
        )  # fmt: skip


@router.post(
    "/imports/cqc-directory/previews",
    response_model=cqc_import.ImportResult,
    summary="Preview an import of CQC's care directory",
    tags=["imports"],
)
def preview_cqc_directory(
    body: Annotated[bytes, Body(media_type="text/csv")], actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """What the file would make and change, and which rows would be refused. Nothing is kept. Platform administrators."""
    require_role(actor, Role.PLATFORM_ADMIN)
    with transaction(database, actor.provider_id) as session:
        return once(
            session, "directory", actor, key, fingerprint("preview-cqc-directory", body),
            lambda: Reply(200, cqc_import.preview_cqc_directory(session, actor, body, clock.now())),
        )  # fmt: skip


@router.post(
    "/providers",
    status_code=201,
    response_model=queries.ProviderView,
    summary="Register your provider",
    tags=["places"],
)
def register_provider(
    body: commands.RegisterProvider, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """Only for a provider that does not come from CQC's directory. Platform administrators and directors."""
    require_role(actor, *commands.KEEPERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            provider = commands.register_provider(session, actor, body, clock.now())
            return Reply(201, queries.provider(session, actor), provider.version)

        return once(session, "directory", actor, key, fingerprint("register-provider", body), run)


@router.get("/providers/me", summary="Read your provider", tags=["places"])
def read_provider(actor: Caller, database: Database, response: Response) -> queries.ProviderView:
    """The organisation that the caller's token belongs to."""
    with transaction(database, actor.provider_id) as session:
        found = queries.provider(session, actor)
        response.headers["ETag"] = f'"{found.version}"'
        return found


@router.post(
    "/regions", status_code=201, response_model=queries.RegionView, summary="Register a region", tags=["places"]
)
def register_region(
    body: commands.RegisterRegion, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """A part of the country with a manager of its own. Platform administrators and directors."""
    require_role(actor, *commands.KEEPERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            region = commands.register_region(session, actor, body, clock.now())
            return Reply(201, queries.region_view(region))

        return once(session, "directory", actor, key, fingerprint("register-region", body), run)


@router.get("/regions", summary="List regions", tags=["places"])
def list_regions(
    actor: Caller, database: Database, limit: Limit = 50, cursor: Cursor = None
) -> Page[queries.RegionView]:
    """Every region of the caller's provider."""
    with transaction(database, actor.provider_id) as session:
        return queries.regions(session, actor, limit=limit, cursor=cursor)


@router.post(
    "/locations", status_code=201, response_model=queries.LocationView, summary="Register a location", tags=["places"]
)
def register_location(
    body: commands.RegisterLocation, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """A place that care is given at or from; incidents can be reported there at once. Platform administrators and directors."""
    require_role(actor, *commands.KEEPERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            location = commands.register_location(session, actor, body, clock.now())
            return Reply(201, queries.location_view(location), location.version)

        return once(session, "directory", actor, key, fingerprint("register-location", body), run)


@router.get("/locations", summary="List locations", tags=["places"])
def list_locations(
    actor: Caller,
    database: Database,
    cqc_location_id: Annotated[Word | None, Query(max_length=20)] = None,
    region_id: UUID | None = None,
    active: bool | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[queries.LocationView]:
    """Locations in the caller's scope."""
    with transaction(database, actor.provider_id) as session:
        return queries.locations(
            session,
            actor,
            cqc_location_id=cqc_location_id,
            region_id=region_id,
            active=active,
            limit=limit,
            cursor=cursor,
        )


@router.get("/locations/{location_id}", summary="Read a location", tags=["places"])
def read_location(location_id: UUID, actor: Caller, database: Database, response: Response) -> queries.LocationView:
    """A location in the caller's scope, with its CQC id, region, beds and dates."""
    with transaction(database, actor.provider_id) as session:
        location = visible_location(session, actor, location_id)
        response.headers["ETag"] = f'"{location.version}"'
        return queries.location_view(location)


@router.get("/locations/{location_id}/audit", summary="Read the audit chain of a location", tags=["places"])
def location_audit(location_id: UUID, actor: Caller, database: Database) -> list[dict[str, Any]]:
    """The hash-chained history of a location and its exposures; whole, so that anybody can verify it offline."""
    with transaction(database, actor.provider_id) as session:
        visible_location(session, actor, location_id)
        return audit.read(session, "directory", location_id)


@router.get("/locations/{location_id}/exposures", summary="List the exposures of a location", tags=["exposure"])
def list_exposures(location_id: UUID, actor: Caller, database: Database) -> list[queries.ExposureView]:
    """Bed days or care hours of each month that is recorded, newest first."""
    with transaction(database, actor.provider_id) as session:
        visible_location(session, actor, location_id)
        return queries.exposures(session, location_id)


@router.put(
    "/locations/{location_id}/exposures/{month}",
    response_model=queries.ExposureView,
    summary="Record an exposure",
    tags=["exposure"],
)
def record_exposure(
    location_id: UUID,
    month: Month,
    body: commands.RecordExposure,
    actor: Caller,
    key: CommandKey,
    version: KnownVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Occupied bed days or care hours of a month: what rates are divided by. A location may have both.

    A month that is recorded needs its ETag in If-Match. Platform administrators, directors and quality leads.
    """
    require_role(actor, *commands.QUALITY)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            first_day = _first_day(month)
            exposure = commands.record_exposure(session, actor, location_id, first_day, body, version, clock.now())
            return Reply(200, queries.exposure_view(exposure), exposure.version)

        return once(
            session, "directory", actor, key, fingerprint(f"exposure:{location_id}:{month}:{version}", body), run
        )


@router.post(
    "/people", status_code=201, response_model=queries.PersonView, summary="Register a person", tags=["people"]
)
def register_person(
    body: commands.RegisterPerson, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """Somebody who works for the provider, with their roles. Platform administrators and directors."""
    require_role(actor, *commands.KEEPERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            person = commands.register_person(session, actor, body, clock.now())
            return Reply(201, queries.person_view(session, person), person.version)

        return once(session, "directory", actor, key, fingerprint("register-person", body), run)


@router.get("/people", summary="List people", tags=["people"])
def list_people(
    actor: Caller,
    database: Database,
    role: Role | None = None,
    location_id: UUID | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[queries.PersonView]:
    """People in the caller's scope. Managers and leads."""
    require_role(actor, *commands.MANAGERS)
    with transaction(database, actor.provider_id) as session:
        return queries.people(session, actor, role=role, location_id=location_id, limit=limit, cursor=cursor)


@router.get("/people/{person_id}", summary="Read a person", tags=["people"])
def read_person(person_id: UUID, actor: Caller, database: Database, response: Response) -> queries.PersonView:
    """A person in the caller's scope. Managers and leads; anybody may read their own record."""
    if person_id != actor.id:
        require_role(actor, *commands.MANAGERS)
    with transaction(database, actor.provider_id) as session:
        person = visible_person(session, actor, person_id)
        response.headers["ETag"] = f'"{person.version}"'
        return queries.person_view(session, person)


@router.put("/people/{person_id}", response_model=queries.PersonView, summary="Change a person", tags=["people"])
def change_person(
    person_id: UUID,
    body: commands.ChangePerson,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Replace name and roles, or say that somebody has left. Platform administrators and directors."""
    require_role(actor, *commands.KEEPERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            person = commands.change_person(session, actor, person_id, body, version, clock.now())
            return Reply(200, queries.person_view(session, person), person.version)

        return once(session, "directory", actor, key, fingerprint(f"change-person:{person_id}:{version}", body), run)


@router.get("/rota", summary="List turns on call", tags=["on call"])
def list_rota(
    actor: Caller,
    database: Database,
    ending_after: Annotated[Instant | None, Query(description="Leave out turns that ended by then.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[queries.RotaEntryView]:
    """Turns in the caller's scope, and those for the whole provider."""
    with transaction(database, actor.provider_id) as session:
        return queries.rota(session, actor, ending_after=ending_after, limit=limit, cursor=cursor)


@router.put("/rota/{entry_id}", response_model=queries.RotaEntryView, summary="Put somebody on call", tags=["on call"])
def put_on_call(
    entry_id: UUID,
    body: commands.PutOnCall,
    actor: Caller,
    key: CommandKey,
    version: KnownVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Make a turn under a new id of your choice, or replace the one there is, with its ETag in If-Match.

    Platform administrators, directors and quality leads.
    """
    require_role(actor, *commands.QUALITY)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            entry = commands.put_on_call(session, actor, entry_id, body, version, clock.now())
            return Reply(200, queries.rota_entry_view(entry), entry.version)

        return once(session, "directory", actor, key, fingerprint(f"on-call:{entry_id}:{version}", body), run)


def _first_day(month: str) -> date:
    return date.fromisoformat(f"{month}-01")


BODY_LIMITS = {"/imports/cqc-directory": 64_000_000, "/imports/cqc-directory/previews": 64_000_000}
