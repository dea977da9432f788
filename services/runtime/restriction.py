"""Need to know: a restricted record is for those it names, on top of scope. The same in every service that keeps one.

A record without a row here is not restricted. A row says who may see the record: people by id, wherever they work; and
roles, within their scope. Whoever is excluded does not see it, whatever the role. The owner of the record decides and
tells the others by event; the highest revision counts.

Beside it stands for whom a record was opened until when. They read it within their scope as if they were named, until then
and no longer, and change nothing; unless they are excluded.
"""

import functools
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    DateTime,
    Integer,
    MetaData,
    Row,
    SQLColumnExpression,
    Table,
    Text,
    Uuid,
    and_,
    any_,
    exists,
    false,
    func,
    not_,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session

from services.runtime.actor import SYSTEM_ID, Actor


@functools.cache
def restriction_table(schema: str) -> Table:
    """The restricted records of a service."""
    return Table(
        "restriction",
        MetaData(),
        Column("record_id", Uuid, primary_key=True),
        Column("provider_id", Uuid, nullable=False),
        Column("revision", Integer, nullable=False),
        Column("roles", ARRAY(Text), nullable=False),
        Column("people", ARRAY(Uuid), nullable=False),
        Column("excluded", ARRAY(Uuid), nullable=False),
        schema=schema,
    )


@functools.cache
def opening_table(schema: str) -> Table:
    """For whom restricted records of a service were opened to read, and until when."""
    return Table(
        "opening",
        MetaData(),
        Column("opening_id", Uuid, primary_key=True),
        Column("provider_id", Uuid, nullable=False),
        Column("record_id", Uuid, nullable=False),
        Column("person_id", Uuid, nullable=False),
        Column("ends_at", DateTime(timezone=True), nullable=False),
        schema=schema,
    )


def keep(
    session: Session,
    schema: str,
    *,
    provider_id: UUID,
    record_id: UUID,
    revision: int,
    roles: Collection[str] = (),
    people: Collection[UUID] = (),
    excluded: Collection[UUID] = (),
) -> None:
    """Restrict a record, or change for whom it is. An older revision than the one known changes nothing.

    Revision 0, with nobody named, hides a record from all until the first revision has arrived.
    """
    table = restriction_table(schema)
    row = {"revision": revision, "roles": sorted(roles), "people": sorted(people), "excluded": sorted(excluded)}
    statement = insert(table).values(record_id=record_id, provider_id=provider_id, **row)
    session.execute(
        statement.on_conflict_do_update(index_elements=["record_id"], set_=row, where=table.c.revision < revision)
    )


def keep_opening(
    session: Session,
    schema: str,
    *,
    opening_id: UUID,
    provider_id: UUID,
    record_id: UUID,
    person_id: UUID,
    ends_at: datetime,
) -> None:
    """Somebody may read a restricted record until a time. Told again, it changes nothing."""
    statement = insert(opening_table(schema)).values(
        opening_id=opening_id, provider_id=provider_id, record_id=record_id, person_id=person_id, ends_at=ends_at
    )
    session.execute(statement.on_conflict_do_nothing())


def find(session: Session, schema: str, record_id: UUID, *, lock: bool = False) -> Row[tuple[object, ...]] | None:
    """The row of a restricted record, or None."""
    query = select(restriction_table(schema)).where(restriction_table(schema).c.record_id == record_id)
    return session.execute(query.with_for_update() if lock else query).one_or_none()


def excludes(session: Session, schema: str, actor: Actor, record_id: UUID) -> bool:
    """Whether the actor is kept away from the record by name."""
    row = find(session, schema, record_id)
    return row is not None and actor.id in row.excluded


def may_see(session: Session, schema: str, actor: Actor, record_id: UUID, *, in_scope: bool, own: bool = False) -> bool:
    """Whether the actor may see a record. `own` says that it was given to the actor by name, in the record itself."""
    row = find(session, schema, record_id)
    if row is None:
        return in_scope or own
    if actor.id == SYSTEM_ID:
        return in_scope
    if actor.id in row.excluded:
        return False
    if own or actor.id in row.people or (in_scope and bool(actor.roles.intersection(row.roles))):
        return True
    table = restriction_table(schema)
    opened = select(table.c.record_id).where(table.c.record_id == record_id, _opened(schema, actor))
    return in_scope and actor.reading_at is not None and session.scalar(opened) is not None


def _opened(schema: str, actor: Actor) -> ColumnElement[bool]:
    """Restricted records that are open for the actor to read, once it is known who is kept away from them."""
    if actor.reading_at is None:
        return false()
    table, opening = restriction_table(schema), opening_table(schema)
    mine = select(opening.c.record_id).where(opening.c.person_id == actor.id, opening.c.ends_at > actor.reading_at)
    return and_(table.c.revision > 0, table.c.record_id.in_(mine))


def visible(
    schema: str,
    actor: Actor,
    record_id: SQLColumnExpression[UUID],
    *,
    in_scope: ColumnElement[bool],
    own: ColumnElement[bool] | None = None,
) -> ColumnElement[bool]:
    """The same as a condition for a query, in a form whose cost does not grow with the number of records."""
    if actor.id == SYSTEM_ID:
        return in_scope
    table = restriction_table(schema)
    is_excluded, named = table.c.excluded.contains([actor.id]), table.c.people.contains([actor.id])
    has_role = table.c.roles.overlap(sorted(actor.roles))
    meant = or_(named, has_role) if actor.reading_at is None else or_(named, has_role, _opened(schema, actor))
    # Asked of each record by its key or all at once, as PostgreSQL sees fit; an array can be looked up in an index.
    same = table.c.record_id == record_id
    hidden = exists().where(same, or_(is_excluded, not_(meant))).correlate_except(table)
    given = record_id == any_(func.array(select(table.c.record_id).where(named, not_(is_excluded)).scalar_subquery()))
    if own is None:
        return and_(or_(in_scope, given), not_(hidden))
    away = exists().where(same, is_excluded).correlate_except(table)
    return or_(and_(or_(in_scope, given), not_(hidden)), and_(own, not_(away)))
