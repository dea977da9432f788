"""The tables of packs that were built here, and who sees one. The bytes lie in the store of attachments, by checksum."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, LargeBinary, MetaData, Text, Uuid, and_, case, exists, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from services.contracts.taxonomy import Role
from services.reporting import store
from services.runtime.actor import Actor
from services.runtime.errors import not_found


class Table(DeclarativeBase):
    """Packs live in the schema `reporting` beside the projections."""

    metadata = MetaData(schema="reporting")
    type_annotation_map = {str: Text, datetime: DateTime(timezone=True)}  # noqa: RUF012 - SQLAlchemy's own idiom


class Pack(Table):
    """A pack that somebody asked for. `beat_at` is of the database's own clock: when its building was last heard of.

    `pack_id` is the SHA-256 of the manifest, `sha256` that of the whole file; both once it is built. `incident_ids` are
    the incidents that have a page.
    """

    __tablename__ = "pack"

    record_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    kind: Mapped[str]
    subject_id: Mapped[UUID]
    first_day: Mapped[date | None]
    last_day: Mapped[date | None]
    seed: Mapped[int]
    role: Mapped[str]
    asked_by: Mapped[UUID]
    asked_at: Mapped[datetime]
    state: Mapped[str]
    failure: Mapped[str | None]
    done: Mapped[int]
    of: Mapped[int | None]
    beat_at: Mapped[datetime]
    title: Mapped[str | None]
    pack_id: Mapped[str | None]
    sha256: Mapped[str | None]
    bytes: Mapped[int | None]
    incident_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    gaps: Mapped[int | None]
    built_at: Mapped[datetime | None]


class PackGrant(Table):
    """Somebody outside may read a pack until `expires_at`, unless it is revoked before."""

    __tablename__ = "pack_grant"

    grant_id: Mapped[UUID] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    record_id: Mapped[UUID]
    recipient: Mapped[str]
    purpose: Mapped[str]
    may_download: Mapped[bool]
    granted_by: Mapped[UUID]
    granted_role: Mapped[str]
    granted_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[UUID | None]
    version: Mapped[int]


class PackCode(Table):
    """What finds and opens a grant: of the code itself only a slow hash is kept."""

    __tablename__ = "pack_code"

    selector: Mapped[str] = mapped_column(primary_key=True)
    provider_id: Mapped[UUID]
    grant_id: Mapped[UUID]
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


def find_code(session: Session, selector: str) -> PackCode | None:
    """The row that a selector names, whichever provider it belongs to; no other can be read."""
    session.execute(select(func.set_config("app.pack_code", selector, True)))
    return session.get(PackCode, selector)


def visible_packs(actor: Actor, *, content: bool = False) -> ColumnElement[bool]:
    """The condition for packs that the actor may see.

    A pack holds what its builder could see and take out. So it is for whoever asked for it, for others in the role that
    it was built in, and for nominated individuals, who may take out all that any role may; and for those only who may
    see its subject and every incident in it. Whoever asked for it goes on seeing that it is there, to end what they
    granted, but `content` only as long as they may see all of it themselves.
    """
    mine, columns = Pack.asked_by == actor.id, store.INCIDENT.c
    page = func.unnest(Pack.incident_ids).table_valued("id").render_derived(name="page")
    shown = exists().where(columns.incident_id == page.c.id, store.visible_incidents(actor))
    hidden = exists(select(page.c.id).where(~shown))
    locations = select(store.LOCATION.c.location_id).where(store.visible_locations(actor))
    themes = select(columns.incident_id).join(store.THEME, store.SAME_CASE).where(store.visible_themes(actor))
    incidents = select(columns.incident_id).where(store.visible_incidents(actor))
    subject = case(
        (Pack.kind == "location", Pack.subject_id.in_(locations)),
        (Pack.kind == "theme", Pack.subject_id.in_(themes)),
        else_=Pack.subject_id.in_(incidents),
    )
    whole = and_(Pack.state == "ready", subject, ~hidden)
    in_role = (
        Pack.role.in_(sorted(actor.roles)) if Role.NOMINATED_INDIVIDUAL not in actor.roles else Pack.role.is_not(None)
    )
    seen = and_(whole, or_(mine, in_role)) if content else or_(mine, and_(whole, in_role))
    return and_(Pack.provider_id == actor.provider_id, seen)


def visible_pack(
    session: Session, actor: Actor, record_id: UUID, *, content: bool = False, lock: bool = False, what: str = "pack"
) -> Pack:
    """The pack if the actor may see it, else 404. `what` was asked for, if it was something of the pack."""
    query = select(Pack).where(Pack.record_id == record_id, visible_packs(actor, content=content))
    pack = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if pack is None:
        raise not_found(what)
    return pack
