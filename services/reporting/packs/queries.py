"""What is answered of packs: what there is, who outside may read it, and every time that somebody did."""

import io
import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from services.reporting.packs import commands
from services.reporting.packs.commands import SERVICE, Part, State
from services.reporting.packs.store import Pack, PackGrant, visible_packs
from services.runtime import audit, pagination
from services.runtime.actor import Actor
from services.runtime.attachments import Storage, fetch_whole
from services.runtime.pagination import Page

MEDIA_TYPES = {Part.PAGES: "text/html; charset=utf-8", Part.PDF: "application/pdf", Part.ZIP: "application/zip"}
_FILES = {Part.PAGES: "index.html", Part.PDF: "pack.pdf"}


class PackView(BaseModel):
    """A pack that was asked for, and how far it is."""

    record_id: UUID
    kind: str
    subject_id: UUID
    first_day: date | None
    last_day: date | None
    seed: int
    role: str = Field(description="In which it was built: what that role may not take out is not in it.")
    asked_by: UUID
    asked_at: datetime
    state: State
    failure: str | None = Field(
        description="Why it was not built: sign_in_over, not_allowed, not_there, nothing_to_show, part_away, stopped, error."
    )
    done: int = Field(description="Incidents read so far.")
    of: int | None = Field(description="Of how many; absent until they are chosen.")
    title: str | None
    pack_id: str | None = Field(description="SHA-256 of the manifest: hand it over apart from the pack.")
    bytes: int | None
    incidents: int
    gaps: int | None
    built_at: datetime | None
    open_grants: int = Field(description="For how many outside it is open now.")


class GrantView(BaseModel):
    """Who outside may read a pack, and whether they did."""

    grant_id: UUID
    record_id: UUID
    recipient: str
    purpose: str
    may_download: bool
    granted_by: UUID
    granted_role: str
    granted_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    revoked_by: UUID | None
    state: str = Field(description="open, expired or revoked.")
    openings: int = Field(description="How often something of it was read.")
    last_opened_at: datetime | None
    version: int


class OpeningView(BaseModel):
    """Somebody used a code."""

    grant_id: UUID
    at: datetime
    part: Part
    refused: str | None = Field(description="Why nothing was shown: expired, revoked, no_download.")


def _grants(now: datetime) -> Any:
    open_ones = PackGrant.revoked_at.is_(None), PackGrant.expires_at > now
    return (
        select(func.count())
        .select_from(PackGrant)
        .where(PackGrant.record_id == Pack.record_id, *open_ones)
        .scalar_subquery()
    )


_SILENT = case((Pack.beat_at < func.now() - commands.SILENCE, True), else_=False)


def packs(session: Session, actor: Actor, now: datetime, *, limit: int, cursor: str | None) -> Page[PackView]:
    """Packs that the actor may see, newest first."""
    query = select(Pack, _grants(now), _SILENT).where(visible_packs(actor)).order_by(Pack.record_id.desc())
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(Pack.record_id < after)
    rows = session.execute(query.limit(limit + 1)).all()
    items = [_view(*row) for row in rows[:limit]]
    return Page(items=items, next=pagination.encode(items[-1].record_id) if len(rows) > limit else None)


def pack_view(session: Session, pack: Pack, now: datetime) -> PackView:
    """One pack."""
    row = session.execute(select(_grants(now), _SILENT).where(Pack.record_id == pack.record_id).select_from(Pack)).one()
    return _view(pack, *row)


def _view(pack: Pack, open_grants: int, silent: bool) -> PackView:
    stopped = pack.state == State.BUILDING and silent
    known = {name: getattr(pack, name) for name in PackView.model_fields if hasattr(pack, name)}
    known |= {"state": State.FAILED, "failure": "stopped"} if stopped else {}
    return PackView(**{**known, "incidents": len(pack.incident_ids), "open_grants": open_grants})


def grants(session: Session, pack: Pack, now: datetime, *, limit: int, cursor: str | None) -> Page[GrantView]:
    """All that was ever granted of a pack, newest first."""
    query = select(PackGrant).where(PackGrant.record_id == pack.record_id).order_by(PackGrant.grant_id.desc())
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(PackGrant.grant_id < after)
    rows = list(session.scalars(query.limit(limit + 1)))
    items = _grant_views(session, rows[:limit], now)
    return Page(items=items, next=pagination.encode(items[-1].grant_id) if len(rows) > limit else None)


def grant_view(session: Session, grant: PackGrant, now: datetime) -> GrantView:
    """One grant."""
    return _grant_views(session, [grant], now)[0]


def _grant_views(session: Session, rows: Sequence[PackGrant], now: datetime) -> list[GrantView]:
    entries = audit.audit_table(SERVICE).c
    counted = (
        select(entries.subject, func.count(), func.max(entries.at))
        .where(entries.chain.in_({row.record_id for row in rows}), entries.action == "pack_opened")
        .group_by(entries.subject)
    )
    opened = {UUID(subject): (count, last) for subject, count, last in session.execute(counted)}
    made = []
    for row in rows:
        count, last = opened.get(row.grant_id, (0, None))
        ended = commands.ended_at(row, now)
        state = "open" if ended is None else "revoked" if row.revoked_at is not None else "expired"
        known = {name: getattr(row, name) for name in GrantView.model_fields if hasattr(row, name)}
        made.append(GrantView(**known, state=state, openings=count, last_opened_at=last))
    return made


def openings(session: Session, pack: Pack, *, limit: int, cursor: str | None) -> Page[OpeningView]:
    """Every use of a code of a pack, newest first, read off the pack's audit chain."""
    entries = audit.audit_table(SERVICE).c
    query = (
        select(entries.seq, entries.subject, entries.at, entries.data)
        .where(entries.chain == pack.record_id, entries.action.in_(("pack_opened", "pack_refused")))
        .order_by(entries.seq.desc())
    )
    after = pagination.decode(cursor)
    if after is not None:
        query = query.where(entries.seq < after.int)
    rows = session.execute(query.limit(limit + 1)).all()
    items = [
        OpeningView(grant_id=UUID(row.subject), at=row.at, part=row.data["part"], refused=row.data.get("why"))
        for row in rows[:limit]
    ]
    more = len(rows) > limit
    return Page(items=items, next=pagination.encode(UUID(int=rows[limit - 1].seq)) if more else None)


def content(store: Storage, pack: Pack, part: Part) -> bytes:
    """A part of a pack that is ready, checked against the checksum of the whole. Raises 409 if it is not what was built,
    503 when the store does not answer.
    """
    assert pack.sha256 is not None
    whole = fetch_whole(store, pack.provider_id, pack.sha256)
    if part is Part.ZIP:
        return whole
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        return archive.read(_FILES[part])
