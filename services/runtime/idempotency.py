"""A write may be sent again with the same Idempotency-Key: its effect happens once and the first reply comes back."""

import functools
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, Header, Response
from fastapi.responses import JSONResponse
from psycopg.types.json import Jsonb
from pydantic import BaseModel
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.runtime.actor import Actor
from services.runtime.db import Row, transaction
from services.runtime.db import run as run_statement
from services.runtime.errors import FieldProblem, ServiceError, invalid


@dataclass(frozen=True)
class Reply:
    """What a command answers. `version` becomes the ETag.

    `kept` is what a repeated request is answered with, where that must not be all of it.
    """

    status: int
    body: BaseModel | dict[str, Any]
    version: int | None = None
    kept: BaseModel | None = None


async def idempotency_key(
    key: Annotated[
        str | None,
        Header(alias="Idempotency-Key", description="8 to 200 characters, new for each intended change."),
    ] = None,
) -> str:
    """The header, which every write needs."""
    if key is None or not re.fullmatch(r"[\x21-\x7e]{8,200}", key):
        raise invalid(
            "Idempotency-Key",
            "is missing or malformed",
            "Send a new random value of 8 to 200 visible characters with each intended change, for example a UUID.",
        )
    return key


CommandKey = Annotated[str, Depends(idempotency_key)]


def _version_required() -> ServiceError:
    return ServiceError(
        428,
        "version-required",
        "Say which version you changed",
        "Read the record, then send its ETag back in If-Match.",
    )


async def expected_version(
    if_match: Annotated[
        str | None, Header(alias="If-Match", description='The ETag of the version you changed, for example "3".')
    ] = None,
) -> int:
    """The version a change was made against. 428 without it: two people must not overwrite each other unseen."""
    if if_match is None:
        raise _version_required()
    match = re.fullmatch(r'"(\d{1,9})"', if_match.strip())
    if match is None:
        raise invalid(
            "If-Match", "is not an ETag of this service", 'Send the ETag as you received it, for example "3".'
        )
    return int(match[1])


ExpectedVersion = Annotated[int, Depends(expected_version)]


async def known_version(
    if_match: Annotated[
        str | None, Header(alias="If-Match", description="The ETag of the record you change; leave it out to make one.")
    ] = None,
) -> int | None:
    """The same where one request makes or changes a record: None without the header."""
    return None if if_match is None else await expected_version(if_match)


KnownVersion = Annotated[int | None, Depends(known_version)]


def check_version(actual: int, expected: int | None, differing: Sequence[str] = ()) -> None:
    """Raise 412 when somebody else changed the record in between, 428 when no version was sent.

    `differing` names the fields that hold something else than was sent, never what they hold.
    """
    if expected is None:
        raise _version_required()
    if actual != expected:
        raise ServiceError(
            412,
            "changed-meanwhile",
            "Somebody else changed this record",
            f"You changed version {expected}, it is now at version {actual}. Read it again, then repeat your change.",
            errors=[
                FieldProblem(
                    field=field,
                    message="holds something else now than you sent",
                    remedy="Read it, bring both together, and send it with the new ETag. Yours was not stored.",
                )
                for field in differing
            ],
            headers={"ETag": f'"{actual}"'},
        )


@functools.cache
def _statements(service: str) -> dict[str, str]:
    table, known = f"{service}.idempotency_key", "provider_id = %s and actor_id = %s and key = %s"
    return {
        "claim": f"insert into {table} (provider_id, actor_id, key, fingerprint) values (%s, %s, %s, %s)"
        " on conflict do nothing",
        "find": f"select fingerprint, status, body, etag from {table} where {known}",
        "keep": f"update {table} set status = %s, body = %s, etag = %s where {known}",
    }


def fingerprint(route: str, body: BaseModel | bytes) -> bytes:
    """What makes two requests the same: where they go and what they say."""
    content = body if isinstance(body, bytes) else body.model_dump_json().encode()
    return hashlib.sha256(route.encode() + b"\0" + content).digest()


def once(
    session: Session, service: str, actor: Actor, key: str, request: bytes, run: Callable[[], Reply]
) -> JSONResponse:
    """Run a command in the caller's transaction unless this key already did, and answer the same as then.

    `request` is a `fingerprint`. The same key with another request is refused with 422. A concurrent second request
    waits for the first. The effect and the remembered reply commit together.
    """
    sql, identity = _statements(service), (actor.provider_id, actor.id, key)
    if run_statement(session, sql["claim"], (*identity, request)).rowcount == 0:
        known = _known(session, sql["find"], identity, request)
        assert known is not None
        return known
    reply = run()
    body = reply.body.model_dump(mode="json") if isinstance(reply.body, BaseModel) else reply.body
    kept = body if reply.kept is None else reply.kept.model_dump(mode="json")
    etag = None if reply.version is None else f'"{reply.version}"'
    run_statement(session, sql["keep"], (reply.status, Jsonb(kept), etag, *identity))
    return _respond(reply.status, body, etag)


Remember = Callable[[BaseModel], Row]
"""Makes the row that keeps a reply."""


def once_new(
    engine: Engine, service: str, actor: Actor, key: str, request: bytes, make: Callable[[Session, Remember], Any]
) -> Response:
    """The same for a command that makes a record: in a transaction of its own, answering 201 with version 1.

    `make` inserts, with what else it inserts, the row that `remember` makes of its reply. Nearly every key is new, and
    then the key costs no statement of its own; a repetition fails on the row, is rolled back, and answered as then.
    """
    identity = {"provider_id": actor.provider_id, "actor_id": actor.id, "key": key}
    content = ""

    def remember(reply: BaseModel) -> Row:
        nonlocal content
        content = reply.model_dump_json()
        said = {"fingerprint": request, "status": 201, "body": content, "etag": '"1"'}
        return f"{service}.idempotency_key", identity | said

    try:
        with transaction(engine, actor.provider_id) as session:
            make(session, remember)
    except (IntegrityError, ServiceError):
        with transaction(engine, actor.provider_id) as session:
            known = _known(session, _statements(service)["find"], tuple(identity.values()), request)
        if known is None:
            raise
        return known
    assert content, "the reply was not remembered"
    return Response(content, 201, {"ETag": '"1"'}, "application/json")


REPLIES_KEPT = timedelta(days=30)
"""In real time. Nobody repeats a request for longer; what a reply says may be personal."""


def clear_replies(
    system_engine: Engine, service: str, *, older_than: timedelta = REPLIES_KEPT, at_once: int = 5000
) -> int:
    """Forget keys, and the replies kept under them, of all providers that are older, in real time. Answers how many.

    A key that is sent again afterwards counts as new.
    """
    table = f"{service}.idempotency_key"
    # Some at a time, the oldest first: a statement must not run for long.
    some = text(
        f"delete from {table} where created_at <= (select max(created_at) from (select created_at from {table}"
        " where created_at < now() - cast(:age as interval) order by created_at limit :most) as oldest)"
    )
    cleared = 0
    while True:
        with system_engine.begin() as connection:
            gone = connection.execute(some, {"age": older_than, "most": at_once}).rowcount
        cleared += gone
        if not gone:
            return cleared


def _known(session: Session, find: str, identity: Sequence[Any], request: bytes) -> JSONResponse | None:
    """The remembered reply, if the key is known. Raises 422 if it was used for another request."""
    row = run_statement(session, find, identity).fetchone()
    if row is None:
        return None
    fingerprint_of_first, status, body, etag = row
    if fingerprint_of_first != request:
        raise ServiceError(
            422,
            "idempotency-key-reused",
            "This Idempotency-Key was used for another request",
            "Nothing was saved. Send a new Idempotency-Key with a new change; repeat a key only with the same body.",
        )
    return _respond(status, body, etag)


def _respond(status: int, body: Any, etag: str | None) -> JSONResponse:
    return JSONResponse(body, status, headers={"ETag": etag} if etag else None)
