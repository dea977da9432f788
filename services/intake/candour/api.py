"""Candour over HTTP: permissions and shapes; the rules are in the use-cases."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from services.contracts.taxonomy import Role
from services.intake.candour import commands, letter, queries
from services.intake.store import visible_incident
from services.runtime.actor import Actor
from services.runtime.app import Database, Time
from services.runtime.auth import Caller, require_role
from services.runtime.db import transaction
from services.runtime.errors import refusal
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, fingerprint, once

router = APIRouter(tags=["duty of candour"])
RECORDERS = (*commands.DECIDERS, Role.ON_CALL_MANAGER, Role.SHIFT_LEAD)


def _change(
    database: Engine,
    actor: Actor,
    key: str,
    route: str,
    incident_id: UUID,
    version: int,
    body: BaseModel,
    run: Callable[[Session], Any],
) -> JSONResponse:
    with transaction(database, actor.provider_id) as session:

        def reply() -> Reply:
            row = run(session)
            session.flush()
            return Reply(200, queries.view(session, visible_incident(session, actor, incident_id)), row.version)

        return once(session, "intake", actor, key, fingerprint(f"{route}:{incident_id}:{version}", body), reply)


@router.get("/incidents/{incident_id}/candour", summary="Read the duty of candour")
def read(incident_id: UUID, actor: Caller, database: Database, clock: Time, response: Response) -> queries.CandourView:
    """The questions, the decision, each part with who and when, the letters. The ETag is "0" while nobody has asked."""
    require_role(actor, *RECORDERS, Role.DIRECTOR)
    with transaction(database, actor.provider_id) as session:
        made = queries.view(session, visible_incident(session, actor, incident_id, now=clock.now()))
        response.headers["ETag"] = f'"{made.version}"'
        return made


@router.post(
    "/incidents/{incident_id}/candour/decision",
    response_model=queries.CandourView,
    summary="Decide on the duty of candour",
)
def decide(
    incident_id: UUID,
    body: commands.DecideCandour,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """The three questions of regulation 20(9), with the opinion of a health care professional on harm."""
    require_role(actor, *commands.DECIDERS)
    return _change(
        database, actor, key, "candour-decision", incident_id, version, body,
        lambda session: commands.decide(session, actor, incident_id, body, version, clock.now()),
    )  # fmt: skip


@router.post(
    "/incidents/{incident_id}/candour/steps",
    response_model=queries.CandourView,
    summary="Record a part of candour as done",
)
def record_steps(
    incident_id: UUID,
    body: commands.RecordSteps,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Parts done at one time, for instance in one conversation."""
    require_role(actor, *RECORDERS)
    return _change(
        database, actor, key, "candour-steps", incident_id, version, body,
        lambda session: commands.record_steps(session, actor, incident_id, body, version, clock.now()),
    )  # fmt: skip


@router.post(
    "/incidents/{incident_id}/candour/attempts",
    response_model=queries.CandourView,
    summary="Record an attempt to reach the person",
)
def record_attempt(
    incident_id: UUID,
    body: commands.RecordAttempt,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """The person declined or could not be reached."""
    require_role(actor, *RECORDERS)
    return _change(
        database, actor, key, "candour-attempts", incident_id, version, body,
        lambda session: commands.record_attempt(session, actor, incident_id, body, version, clock.now()),
    )  # fmt: skip


@router.get(
    "/incidents/{incident_id}/candour/letter-draft",
    summary="Read the draft of the letter",
    responses={409: refusal("It was not decided that the duty applies")},
)
def read_letter_draft(incident_id: UUID, actor: Caller, database: Database, clock: Time) -> letter.LetterDraft:
    """The written notification from the record: account, apology, enquiries, contact. A person finishes it."""
    require_role(actor, *RECORDERS)
    with transaction(database, actor.provider_id) as session:
        return letter.draft(session, visible_incident(session, actor, incident_id, now=clock.now()))


@router.post("/incidents/{incident_id}/candour/letters", response_model=queries.CandourView, summary="Keep a letter")
def record_letter(
    incident_id: UUID,
    body: commands.RecordLetter,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """A copy of a letter sent or received; the written notification and the results are recorded this way."""
    require_role(actor, *RECORDERS)
    return _change(
        database, actor, key, "candour-letters", incident_id, version, body,
        lambda session: commands.record_letter(session, actor, incident_id, body, version, clock.now()),
    )  # fmt: skip
