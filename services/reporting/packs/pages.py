"""A pack for somebody outside who has a code: no account, no cookie, no script, and the code never in an address.

Each request carries the code in its body. Whatever is shown was built by this system and is checked against its checksum.
"""

import base64
import hashlib
import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import Engine

from services.reporting.packs import commands, policy, queries
from services.reporting.packs.commands import Part
from services.reporting.packs.store import Pack, PackGrant, find_code
from services.runtime import secret_code
from services.runtime.app import Database, Time
from services.runtime.attachments import Storage, storage_of
from services.runtime.calendar import LONDON
from services.runtime.consumer import NO_PROVIDER
from services.runtime.db import transaction
from services.runtime.errors import ServiceError, forbidden
from services.runtime.limit import Limit, Sender

router = APIRouter(include_in_schema=False)

OPENING = Limit("open_pack", policy.shipped().tries_per_minute)

_TEMPLATES = Path(__file__).parent / "templates" / "outside"
_PAGES = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.filters["when"] = lambda at: _when(at)
_STYLE = (_TEMPLATES / "style.css").read_text()


def _when(at: datetime) -> str:
    return at.astimezone(LONDON).strftime("%-d %B %Y at %H:%M")


@router.get("/shared-packs")
def ask_for_code() -> HTMLResponse:
    """Where the code is typed in."""
    return _page("code")


@router.post("/shared-packs")
def open_pack(
    database: Database,
    clock: Time,
    request: Request,
    sender: Sender,
    code: Annotated[str, Form()] = "",
    part: Annotated[str, Form()] = Part.COVER,
) -> Response:
    """What the code opens, or a part of it. 404 for a wrong code, 410 once access has ended, 429 for too many tries."""
    wanted = Part(part) if part in list(Part) else Part.COVER
    try:
        OPENING.take(sender)
        grant, pack, content = _opened(database, storage_of(request), code, wanted, clock.now())
    except ServiceError as error:
        return _page("code", error.status, refused=error)
    if content is None:
        return _page("cover", code=code, grant=grant, pack=pack)
    return shown(content, wanted, f"evidence-pack-{str(pack.pack_id)[:8]}")


def _opened(
    database: Engine, store: Storage, code: str, part: Part, now: datetime
) -> tuple[PackGrant, Pack, bytes | None]:
    selector, secret = secret_code.parts(code[:200])
    with transaction(database, NO_PROVIDER) as session:
        row = find_code(session, secret_code.readable(selector))
    # Outside the transaction: the hash is slow on purpose, and as slow where there is no such row.
    if not secret_code.opens(secret, None if row is None else (bytes(row.salt), bytes(row.hash))) or row is None:
        raise ServiceError(404, "not-found", "Nothing opens with this code", "Check it letter by letter.")
    content = None
    with transaction(database, row.provider_id) as session:
        grant, pack, why = commands.open_grant(session, row.grant_id, part, now)
        ended = commands.ended_at(grant, now)
        if why is None and part is not Part.COVER:
            content = queries.content(store, pack, part)
    if ended is not None:
        how = "The provider ended it" if why == "revoked" else "It ended"
        raise ServiceError(
            410, "access-ended", "This access has ended",
            f"{how} on {_when(ended)}. Nothing of the pack is shown. Ask whoever gave you the code for a new one.",
        )  # fmt: skip
    if why is not None:
        raise forbidden("You were given the pages to read, without a download. Ask whoever gave you the code.")
    return grant, pack, content


def shown(content: bytes, part: Part, name: str) -> Response:
    """A part of a pack: pages to be read in place, in a box without script, address or form; a file to be kept."""
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
    if part is Part.PAGES:
        style = re.search(rb"<style>(.*?)</style>", content, re.DOTALL)
        headers["Content-Security-Policy"] = f"{_policy(style[1] if style else b'')}; form-action 'none'; sandbox"
    else:
        headers["Content-Disposition"] = f'attachment; filename="{name}.{part}"'
    return Response(content, media_type=queries.MEDIA_TYPES[part], headers=headers)


def _policy(style: bytes) -> str:
    digest = base64.b64encode(hashlib.sha256(style).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; frame-ancestors 'none'"


@cache
def _headers() -> dict[str, str]:
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": f"{_policy(_STYLE.encode())}; form-action 'self'",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def _page(name: str, status: int = 200, refused: ServiceError | None = None, **words: Any) -> HTMLResponse:
    html = _PAGES.get_template(f"{name}.html").render(style=_STYLE, refused=refused, **words)
    headers = {**_headers(), **(refused.headers if refused and refused.headers else {})}
    return HTMLResponse(html, status, headers)
