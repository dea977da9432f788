"""Evidence packs over HTTP: have one built, read it, let somebody outside read it for a while, see that they did."""

import json
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from services.reporting.packs import commands, queries
from services.reporting.packs.building import builder_of
from services.reporting.packs.commands import SERVICE, Part, builder_role
from services.reporting.packs.pages import shown
from services.reporting.packs.settings import PackSettings
from services.reporting.packs.store import Pack, PackGrant, visible_pack
from services.runtime import audit
from services.runtime.app import Database, Time
from services.runtime.attachments import storage_of
from services.runtime.auth import Caller
from services.runtime.db import transaction
from services.runtime.errors import conflict, not_found, refusal
from services.runtime.idempotency import CommandKey, ExpectedVersion, Reply, fingerprint, once
from services.runtime.pagination import Cursor, Limit, Page

router = APIRouter(tags=["evidence packs"])


class GrantedAccess(queries.GrantView):
    """A grant with its code."""

    opens_at: str = Field(description="The page on which the code is typed in.")
    code: str | None = Field(
        default=None,
        description="Shown this once. Absent when the same request comes again: end that grant then, and make another.",
    )


@router.post("/packs", status_code=201, response_model=queries.PackView, summary="Have a pack built")
def build_pack(
    body: commands.BuildPack, actor: Caller, key: CommandKey, database: Database, clock: Time, request: Request
) -> JSONResponse:
    """Read from all services as the caller, who sees here how far it is. Nominated individuals, quality leads, managers."""
    builder_role(actor)
    builder, store = builder_of(request), storage_of(request)
    asked: list[Pack] = []
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            asked.append(commands.ask_for_pack(session, actor, body, clock.now()))
            return Reply(201, queries.pack_view(session, asked[0], clock.now()))

        reply = once(session, SERVICE, actor, key, fingerprint("pack", body), run)
    for pack in asked:
        builder.start(database, store, clock, actor, request.headers["Authorization"], pack)
    return reply


@router.get("/packs", summary="List evidence packs")
def list_packs(
    actor: Caller, database: Database, clock: Time, limit: Limit = 50, cursor: Cursor = None
) -> Page[queries.PackView]:
    """Your own, and those in a role of yours of which you may see every incident; newest first."""
    builder_role(actor)
    with transaction(database, actor.provider_id) as session:
        return queries.packs(session, actor, clock.now(), limit=limit, cursor=cursor)


@router.get("/packs/{record_id}", summary="Read how far a pack is")
def read_pack(record_id: UUID, actor: Caller, database: Database, clock: Time) -> queries.PackView:
    """What it is of, what it holds once it is built, and for how many outside it is open."""
    builder_role(actor)
    with transaction(database, actor.provider_id) as session:
        return queries.pack_view(session, visible_pack(session, actor, record_id), clock.now())


@router.get(
    "/packs/{record_id}/content/{part}",
    summary="Read a pack itself",
    responses={
        200: {"description": "The part", "content": {media_type: {} for media_type in queries.MEDIA_TYPES.values()}},
        409: refusal("The pack is not built yet"),
    },
)
def read_content(
    record_id: UUID,
    part: Annotated[Part, Path(description="pages (HTML), pdf or zip.")],
    actor: Caller,
    database: Database,
    clock: Time,
    request: Request,
) -> Response:
    """As it is shown to somebody outside. Logged in the pack's audit chain."""
    builder_role(actor)
    if part is Part.COVER:
        raise not_found("part of a pack")
    with transaction(database, actor.provider_id) as session:
        pack = visible_pack(session, actor, record_id)
        if pack.state != commands.State.READY:
            raise conflict("not-open", "This pack is not built", "Wait until it is ready, or build it again.")
        pack = visible_pack(session, actor, record_id, content=True)
        content = queries.content(storage_of(request), pack, part)
        commands.note(session, actor, record_id, "pack_read", record_id, clock.now(), part=part)
    return shown(content, part, f"evidence-pack-{str(pack.pack_id)[:8]}")


@router.post(
    "/packs/{record_id}/grants",
    status_code=201,
    response_model=GrantedAccess,
    summary="Let somebody outside read a pack",
)
def grant_access(
    record_id: UUID, body: commands.GrantAccess, actor: Caller, key: CommandKey, database: Database, clock: Time
) -> JSONResponse:
    """Until a time, read-only, by a code that is shown once and of which a hash is kept. Each use of it is logged."""
    codes: list[str] = []
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            grant, code = commands.grant_access(session, actor, record_id, body, clock.now())
            codes.append(code)
            view = queries.grant_view(session, grant, clock.now())
            return Reply(201, GrantedAccess(**view.model_dump(), opens_at=PackSettings().opened_at), grant.version)

        reply = once(session, SERVICE, actor, key, fingerprint(f"pack-grant:{record_id}", body), run)
    # After `once`, which remembers its reply: the code is kept nowhere.
    if codes:
        told = {**json.loads(bytes(reply.body)), "code": codes[0]}
        reply = JSONResponse(told, 201, {"ETag": reply.headers["ETag"]})
    reply.headers["Cache-Control"] = "no-store"
    return reply


@router.get("/packs/{record_id}/grants", summary="List for whom a pack was opened")
def list_grants(
    record_id: UUID, actor: Caller, database: Database, clock: Time, limit: Limit = 50, cursor: Cursor = None
) -> Page[queries.GrantView]:
    """Every grant with its state and how often it was used, newest first."""
    builder_role(actor)
    with transaction(database, actor.provider_id) as session:
        pack = visible_pack(session, actor, record_id)
        return queries.grants(session, pack, clock.now(), limit=limit, cursor=cursor)


@router.get("/packs/{record_id}/openings", summary="List every use of a code")
def list_openings(
    record_id: UUID, actor: Caller, database: Database, limit: Limit = 50, cursor: Cursor = None
) -> Page[queries.OpeningView]:
    """When somebody outside opened or downloaded what, and when a code was refused because access had ended."""
    builder_role(actor)
    with transaction(database, actor.provider_id) as session:
        return queries.openings(session, visible_pack(session, actor, record_id), limit=limit, cursor=cursor)


@router.get("/packs/{record_id}/audit", summary="Read the audit chain of a pack")
def read_audit(record_id: UUID, actor: Caller, database: Database) -> list[dict[str, object]]:
    """Who had it built, who read it, who granted and ended access, every use of a code; hash-chained."""
    builder_role(actor)
    with transaction(database, actor.provider_id) as session:
        visible_pack(session, actor, record_id)
        return audit.read(session, SERVICE, record_id)


@router.get("/pack-grants/{grant_id}", summary="Read a grant")
def read_grant(grant_id: UUID, actor: Caller, database: Database, clock: Time, response: Response) -> queries.GrantView:
    """Without its code, which is kept nowhere."""
    builder_role(actor)
    with transaction(database, actor.provider_id) as session:
        grant = session.get(PackGrant, grant_id)
        if grant is None:
            raise not_found("grant")
        visible_pack(session, actor, grant.record_id, what="grant")
        response.headers["ETag"] = f'"{grant.version}"'
        return queries.grant_view(session, grant, clock.now())


@router.post("/pack-grants/{grant_id}/revocation", response_model=queries.GrantView, summary="End access to a pack")
def revoke_access(
    grant_id: UUID, actor: Caller, key: CommandKey, version: ExpectedVersion, database: Database, clock: Time
) -> JSONResponse:
    """At once. What was downloaded before stays with whoever has it."""
    with transaction(database, actor.provider_id) as session:

        def run() -> Reply:
            grant = commands.revoke_access(session, actor, grant_id, version, clock.now())
            return Reply(200, queries.grant_view(session, grant, clock.now()), grant.version)

        return once(session, SERVICE, actor, key, fingerprint(f"pack-revocation:{grant_id}:{version}", b""), run)
