"""Retention over HTTP: permissions and shapes; the rules are in the use-cases."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from services.intake.retention import commands, queries, subject
from services.intake.retention.commands import SERVICE
from services.intake.retention.queries import AppraisalView, ErasureView, HoldView, RecordView, RetentionView
from services.intake.retention.store import KEEPERS
from services.intake.speak_up import policy as speak_up
from services.intake.store import visible_incident
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, KnownVersion, Reply, fingerprint, once
from services.runtime.pagination import Cursor, Limit, Page

router = APIRouter(tags=["retention"])

DECIDERS = (*KEEPERS, *(role for role in speak_up.shipped().roles if role not in KEEPERS))
"""Who may decide about some record: those who answer for records, and of concerns those who review them."""

Lifted = Annotated[bool, Query(description="Also those that were lifted.")]


@router.get("/retention/due", summary="List records of incidents whose time has come")
def due(
    actor: Caller, database: Database, clock: Time, limit: Limit = 50, cursor: Cursor = None
) -> Page[RetentionView]:
    """Those that wait for a decision or its confirmation. The nominated individual, the safeguarding lead, directors.

    A page may hold fewer rows than asked for, or none, and still have a `next`.
    """
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:
        return queries.due(session, actor, clock.now(), limit, cursor)


@router.get("/retention/erasures", summary="List what was erased, with its proof")
def erasures(actor: Caller, database: Database, limit: Limit = 50, cursor: Cursor = None) -> Page[ErasureView]:
    """By service: how many fields, which files, and the digest of all of it. The same people; of concerns, the roles that
    review them."""
    require_role(actor, *DECIDERS)
    with transaction(database, actor.provider_id) as session:
        return queries.erasures(session, actor, limit, cursor)


@router.get("/incidents/{incident_id}/retention", summary="Read for how long a record is kept")
def read(incident_id: UUID, actor: Caller, database: Database, clock: Time, response: Response) -> RetentionView:
    """By which rule, what stands against an erasure, and what was decided. The ETag is the decision's. The same people."""
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:
        found = queries.view(session, visible_incident(session, actor, incident_id, now=clock.now()), clock.now())
        if found.appraisal is not None:
            response.headers["ETag"] = f'"{found.appraisal.version}"'
        return found


@router.post("/incidents/{incident_id}/appraisal", response_model=AppraisalView, summary="Decide about a record")
def appraise(
    incident_id: UUID, body: commands.AppraiseRecord, actor: Caller, key: CommandKey, version: KnownVersion,
    database: Database, clock: Time,
) -> JSONResponse:  # fmt: skip
    """Destroy it, keep it for longer, or preserve it. If-Match where something was decided before. The same people."""
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            about = subject.incident(session, actor, incident_id, lock=True)
            row = commands.appraise(session, actor, about, body, version, clock.now())
            return Reply(200, queries.appraisal_view(row), row.version)

        return once(session, SERVICE, actor, key, fingerprint(f"appraisal:{incident_id}:{version}", body), run)


@router.post(
    "/incidents/{incident_id}/appraisal/confirm", response_model=AppraisalView, summary="Confirm that it is destroyed"
)
def confirm(
    incident_id: UUID, actor: Caller, key: CommandKey, version: ExpectedVersion, database: Database, clock: Time
) -> JSONResponse:
    """Somebody else than who decided. The next sweep erases it. The same people."""
    require_role(actor, *KEEPERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            about = subject.incident(session, actor, incident_id, lock=True)
            row = commands.confirm(session, actor, about, version, clock.now())
            return Reply(200, queries.appraisal_view(row), row.version)

        return once(session, SERVICE, actor, key, fingerprint(f"appraisal-confirm:{incident_id}:{version}", b""), run)


@router.get("/retention/records/due", summary="List other records whose time has come")
def due_records(
    actor: Caller, database: Database, clock: Time, limit: Limit = 50, cursor: Cursor = None
) -> Page[RecordView]:
    """Concerns of speaking up for those who see them; themes, meetings and people who have left for the nominated
    individual, the safeguarding lead and directors of the whole provider; nothing for anybody else. Known from the night
    after they ended.

    A page may hold fewer rows than asked for, or none, and still have a `next`.
    """
    with transaction(database, actor.provider_id) as session:
        return queries.due_records(session, actor, clock.now(), limit, cursor)


@router.get("/retention/records/{record_id}", summary="Read for how long another record is kept")
def read_record(record_id: UUID, actor: Caller, database: Database, clock: Time, response: Response) -> RecordView:
    """By which rule, what stands against an erasure, and what was decided. The ETag is the decision's. The same people."""
    with transaction(database, actor.provider_id) as session:
        found = queries.record_view(session, subject.record(session, actor, record_id), clock.now())
        if found.appraisal is not None:
            response.headers["ETag"] = f'"{found.appraisal.version}"'
        return found


@router.post(
    "/retention/records/{record_id}/appraisal", response_model=AppraisalView, summary="Decide about another record"
)
def appraise_record(
    record_id: UUID, body: commands.AppraiseRecord, actor: Caller, key: CommandKey, version: KnownVersion,
    database: Database, clock: Time,
) -> JSONResponse:  # fmt: skip
    """Destroy it, keep it for longer, or preserve it. If-Match where something was decided before. The same people."""
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            about = subject.record(session, actor, record_id, lock=True)
            row = commands.appraise(session, actor, about, body, version, clock.now())
            return Reply(200, queries.appraisal_view(row), row.version)

        return once(session, SERVICE, actor, key, fingerprint(f"appraisal:{record_id}:{version}", body), run)


@router.post(
    "/retention/records/{record_id}/appraisal/confirm",
    response_model=AppraisalView,
    summary="Confirm that another record is destroyed",
)
def confirm_record(
    record_id: UUID, actor: Caller, key: CommandKey, version: ExpectedVersion, database: Database, clock: Time
) -> JSONResponse:
    """Somebody else than who decided. The next sweep erases it. The same people."""
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            about = subject.record(session, actor, record_id, lock=True)
            row = commands.confirm(session, actor, about, version, clock.now())
            return Reply(200, queries.appraisal_view(row), row.version)

        return once(session, SERVICE, actor, key, fingerprint(f"appraisal-confirm:{record_id}:{version}", b""), run)


@router.get("/legal-holds", summary="List holds")
def list_holds(
    actor: Caller, database: Database, lifted: Lifted = False, limit: Limit = 50, cursor: Cursor = None
) -> Page[HoldView]:
    """What must not be erased, who said so and why, as far as the caller may decide about it."""
    require_role(actor, *DECIDERS)
    with transaction(database, actor.provider_id) as session:
        return queries.holds(session, actor, limit, cursor, lifted=lifted)


@router.post("/legal-holds", status_code=201, response_model=HoldView, summary="Place a hold")
def place(body: commands.PlaceHold, actor: Caller, key: CommandKey, database: Database, clock: Time) -> JSONResponse:
    """On an incident, on every incident of a person, or on another record. Nothing of it is erased while it stands. Whoever
    may decide about it."""
    require_role(actor, *DECIDERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.place_hold(session, actor, body, clock.now())
            return Reply(201, queries.hold_view(row), row.version)

        return once(session, SERVICE, actor, key, fingerprint("legal-hold", body), run)


@router.post("/legal-holds/{hold_id}/lift", response_model=HoldView, summary="Lift a hold")
def lift(
    hold_id: UUID, body: commands.LiftHold, actor: Caller, key: CommandKey, version: ExpectedVersion,
    database: Database, clock: Time,
) -> JSONResponse:  # fmt: skip
    """With the reason. The same people."""
    require_role(actor, *DECIDERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.lift_hold(session, actor, hold_id, body, version, clock.now())
            return Reply(200, queries.hold_view(row), row.version)

        return once(session, SERVICE, actor, key, fingerprint(f"legal-hold-lift:{hold_id}:{version}", body), run)
