"""Obligations over HTTP: permissions and shapes; the rules are in the use-cases."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel

from services.contracts.taxonomy import Role
from services.intake.obligations import commands, drafts, queries
from services.intake.obligations.domain import ANSWERERS, DECIDERS
from services.intake.obligations.facts import Ask, Facts, asks, question
from services.intake.obligations.store import latest_facts, visible_obligation
from services.intake.store import visible_incident
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, fingerprint, once
from services.runtime.pagination import Cursor, Limit, Page

router = APIRouter(tags=["obligations"])


class FactsView(BaseModel):
    """The answers given so far, and every question there is with how it is answered."""

    version: int
    answers: Facts
    questions: dict[str, str]
    asks: list[Ask]


def _facts(version: int, answers: object) -> FactsView:
    return FactsView(
        version=version,
        answers=Facts.model_validate(answers),
        questions={name: question(name) for name in Facts.model_fields},
        asks=asks(),
    )


@router.get("/incidents/{incident_id}/facts", summary="Read the facts that decide obligations")
def read_facts(incident_id: UUID, actor: Caller, database: Database, clock: Time, response: Response) -> FactsView:
    """The ETag is the version to send back with a change; it is "0" while nobody has answered."""
    with transaction(database, actor.provider_id) as session:
        visible_incident(session, actor, incident_id, now=clock.now())
        version, answers = latest_facts(session, incident_id)
        response.headers["ETag"] = f'"{version}"'
        return _facts(version, answers)


@router.put("/incidents/{incident_id}/facts", response_model=FactsView, summary="Record facts that decide obligations")
def record_facts(
    incident_id: UUID,
    body: Facts,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Some or all answers: what is left out stays, null means not yet known. Obligations are assessed anew at once."""
    require_role(actor, *ANSWERERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            kept, answers = commands.record_facts(session, actor, incident_id, body, version, clock.now())
            return Reply(200, _facts(kept, answers), kept)

        said = body.model_dump_json(exclude_unset=True).encode()
        return once(session, "intake", actor, key, fingerprint(f"facts:{incident_id}:{version}", said), run)


@router.get("/incidents/{incident_id}/obligations", summary="Read the obligations of an incident")
def list_obligations(incident_id: UUID, actor: Caller, database: Database, clock: Time) -> queries.ObligationsView:
    """Who must be told, may have to be, and why; and why the other rules ask for nothing."""
    with transaction(database, actor.provider_id) as session:
        return queries.obligations(session, visible_incident(session, actor, incident_id, now=clock.now()))


@router.post(
    "/incidents/{incident_id}/obligations",
    status_code=201,
    response_model=queries.ObligationView,
    summary="Ask for a decision",
)
def open_obligation(
    incident_id: UUID,
    body: commands.OpenObligation,
    actor: Caller,
    key: CommandKey,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Open an obligation that no rule asks for, to record a decision on it with its reason."""
    require_role(actor, *ANSWERERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.open_obligation(session, actor, incident_id, body, clock.now())
            session.flush()
            return Reply(201, queries.view(session, row), row.version)

        return once(session, "intake", actor, key, fingerprint(f"open-obligation:{incident_id}", body), run)


@router.get("/obligations", summary="List obligations across incidents")
def list_across(
    actor: Caller,
    database: Database,
    clock: Time,
    unsent: Annotated[bool, Query(description="Only what must be decided or sent and is not yet.")] = True,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[queries.ObligationSummary]:
    """What must be sent and is not, of every incident in the caller's scope, late first. For managers and above."""
    require_role(actor, *DECIDERS, Role.DIRECTOR, Role.EXECUTIVE)
    with transaction(database, actor.provider_id) as session:
        return queries.across(session, actor, clock.now(), unsent=unsent, limit=limit, cursor=cursor)


@router.get("/obligations/{obligation_id}", summary="Read an obligation")
def read_obligation(
    obligation_id: UUID, actor: Caller, database: Database, clock: Time, response: Response
) -> queries.ObligationView:
    """With its history. The ETag is the version to send back with a change."""
    with transaction(database, actor.provider_id) as session:
        _, row = visible_obligation(session, actor, obligation_id, now=clock.now())
        response.headers["ETag"] = f'"{row.version}"'
        return queries.view(session, row)


@router.post(
    "/obligations/{obligation_id}/decision", response_model=queries.ObligationView, summary="Decide on an obligation"
)
def decide(
    obligation_id: UUID,
    body: commands.DecideObligation,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Notify, or not and why. Registered and regional managers, quality and safeguarding leads, nominated individuals."""
    require_role(actor, *DECIDERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.decide(session, actor, obligation_id, body, version, clock.now())
            session.flush()
            return Reply(200, queries.view(session, row), row.version)

        return once(session, "intake", actor, key, fingerprint(f"decide:{obligation_id}:{version}", body), run)


@router.get(
    "/obligations/{obligation_id}/draft",
    response_model=drafts.Draft,
    summary="Read the draft of a notice",
    responses={200: {"content": {"text/plain; charset=utf-8": {}}}},
)
def read_draft(
    obligation_id: UUID, actor: Caller, database: Database, clock: Time, form: Literal["json", "text"] = "json"
) -> Response:
    """The notice, pre-filled from the record: as fields and text, or with `form=text` as a file to download."""
    require_role(actor, *ANSWERERS)
    with transaction(database, actor.provider_id) as session:
        incident, row = visible_obligation(session, actor, obligation_id, now=clock.now())
        made = drafts.draft(session, incident, row, clock.now())
    if form == "json":
        return JSONResponse(made.model_dump(mode="json"))
    name = f"{made.rule}-{str(obligation_id)[-8:]}.txt"
    return PlainTextResponse(made.text, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@router.post(
    "/obligations/{obligation_id}/submission", response_model=queries.ObligationView, summary="Record a notice as sent"
)
def submit(
    obligation_id: UUID,
    body: commands.SubmitObligation,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """That the recipient was told, when, and the reference that proves it."""
    require_role(actor, *ANSWERERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.submit(session, actor, obligation_id, body, version, clock.now())
            session.flush()
            return Reply(200, queries.view(session, row), row.version)

        return once(session, "intake", actor, key, fingerprint(f"submit:{obligation_id}:{version}", body), run)


@router.post(
    "/obligations/{obligation_id}/acknowledgement",
    response_model=queries.ObligationView,
    summary="Record a notice as confirmed",
)
def acknowledge(
    obligation_id: UUID,
    body: commands.AcknowledgeObligation,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """That the recipient confirmed it."""
    require_role(actor, *ANSWERERS)
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            row = commands.acknowledge(session, actor, obligation_id, body, version, clock.now())
            session.flush()
            return Reply(200, queries.view(session, row), row.version)

        return once(session, "intake", actor, key, fingerprint(f"confirm:{obligation_id}:{version}", body), run)
