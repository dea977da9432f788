"""Speaking up over HTTP: a public side that knows nobody, and a side for those who review."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import Engine

from services.intake.speak_up import commands, policy, queries
from services.intake.speak_up.store import find_receipt, no_conversation, open_conversation, visible_concern
from services.runtime import secret_code
from services.runtime.app import Database, Time
from services.runtime.auth import Caller
from services.runtime.consumer import NO_PROVIDER
from services.runtime.db import transaction
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, fingerprint, once
from services.runtime.limit import Limit, Sender
from services.runtime.pagination import Cursor, Page
from services.runtime.pagination import Limit as PageSize
from services.runtime.text import LongText

router = APIRouter(tags=["speaking up"])

# Apart, so that nobody who guesses at codes keeps others from raising a concern.
RAISING = Limit("raise_concern", policy.shipped().per_minute)
OPENING = Limit("open_concern", policy.shipped().per_minute)

Code = Annotated[str, StringConstraints(max_length=200)]


class OpenConversation(BaseModel):
    """The receipt code, as it was shown. Capitals, spaces and dashes do not matter."""

    model_config = ConfigDict(extra="forbid")

    code: Code


class WriteMessage(OpenConversation):
    """A further message of the sender."""

    text: LongText


@router.post("/speak-up", status_code=201, summary="Raise a concern", openapi_extra=RAISING.described)
def raise_concern(
    body: commands.RaiseConcern, sender: Sender, database: Database, clock: Time, response: Response
) -> commands.Raised:
    """Anonymously or in confidence, outside the line of management. Needs no token and keeps nothing of the sender."""
    RAISING.take(sender)
    response.headers["Cache-Control"] = "no-store"
    with transaction(database, body.provider_id) as session:
        return commands.raise_concern(session, body, clock.now())


@router.post(
    "/speak-up/conversation", summary="Read a conversation with its receipt code", openapi_extra=OPENING.described
)
def read_conversation(
    body: OpenConversation, sender: Sender, database: Database, response: Response
) -> queries.Conversation:
    """What was written and what happened since. A wrong code is answered like one that never was."""
    OPENING.take(sender)
    response.headers["Cache-Control"] = "no-store"
    provider_id, concern_id = opened(database, body.code)
    with transaction(database, provider_id) as session:
        return queries.conversation(session, open_conversation(session, concern_id))


@router.post("/speak-up/messages", summary="Write again with the receipt code", openapi_extra=OPENING.described)
def write_message(
    body: WriteMessage, sender: Sender, database: Database, clock: Time, response: Response
) -> queries.Conversation:
    """Adds to the conversation. The same text twice in a row is kept once."""
    OPENING.take(sender)
    response.headers["Cache-Control"] = "no-store"
    provider_id, concern_id = opened(database, body.code)
    with transaction(database, provider_id) as session:
        commands.write_as_sender(session, concern_id, body.text, clock.now())
        return queries.conversation(session, open_conversation(session, concern_id))


def opened(database: Engine, code: str) -> tuple[UUID, UUID]:
    """The provider and the concern that a code opens; 404 alike for a wrong one and for one that never was."""
    selector, secret = secret_code.parts(code)
    with transaction(database, NO_PROVIDER) as session:
        row = find_receipt(session, secret_code.readable(selector))
    # Outside the transaction: the hash is slow on purpose.
    if not secret_code.opens(secret, None if row is None else (bytes(row.salt), bytes(row.hash))) or row is None:
        raise no_conversation()
    return row.provider_id, row.concern_id


@router.get("/concerns", summary="List concerns")
def list_concerns(
    actor: Caller, database: Database, limit: PageSize = 50, cursor: Cursor = None
) -> Page[queries.ConcernSummary]:
    """Those the caller reviews by role or by name, newest first; nothing for anybody else."""
    with transaction(database, actor.provider_id) as session:
        return queries.concerns(session, actor, limit=limit, cursor=cursor)


@router.get("/concerns/{concern_id}", summary="Read a concern")
def read_concern(concern_id: UUID, actor: Caller, database: Database, response: Response) -> queries.ConcernView:
    """With the conversation. Never for whoever is kept away from it."""
    with transaction(database, actor.provider_id) as session:
        concern = visible_concern(session, actor, concern_id)
        response.headers["ETag"] = f'"{concern.version}"'
        return queries.view(session, concern)


@router.post("/concerns/{concern_id}/messages", response_model=queries.ConcernSummary, summary="Answer a concern")
def answer_concern(
    concern_id: UUID, body: commands.SendMessage, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """The sender reads it with the receipt code, without the name of who wrote it."""
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            concern = commands.write_as_staff(session, actor, concern_id, body, clock.now())
            return Reply(200, queries.summary(concern), concern.version)

        return once(session, "intake", actor, key, fingerprint(f"concern-message:{concern_id}", body), run)


@router.post(
    "/concerns/{concern_id}/review", response_model=queries.ConcernSummary, summary="Record who reviews a concern"
)
def review_concern(
    concern_id: UUID,
    body: commands.ReviewConcern,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """And what protection applies to whoever raised it, and who is kept away."""
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            concern = commands.review_concern(session, actor, concern_id, body, version, clock.now())
            return Reply(200, queries.summary(concern), concern.version)

        return once(session, "intake", actor, key, fingerprint(f"concern-review:{concern_id}:{version}", body), run)


@router.post(
    "/concerns/{concern_id}/incident",
    status_code=201,
    response_model=queries.ConcernSummary,
    summary="Report an incident from a concern",
)
def make_incident(
    concern_id: UUID,
    body: commands.MakeIncident,
    actor: Caller,
    key: CommandKey,
    version: ExpectedVersion,
    database: Database,
    clock: Time,
) -> JSONResponse:
    """Restricted unless decided otherwise. The sender then reads in the conversation what happens at each stage."""
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            concern = commands.make_incident(session, actor, concern_id, body, version, clock.now())
            return Reply(201, queries.summary(concern), concern.version)

        return once(session, "intake", actor, key, fingerprint(f"concern-incident:{concern_id}:{version}", body), run)
