"""Erasing what people wrote about one record, for good: texts go, rows and codes stay, and a digest proves what was there.

A service says what may hold such texts, part by part. Nothing is deleted, so that counts, references and the audit chain
hold: a text becomes empty, a list empty or absent, an id of somebody another one that belongs to nobody.
"""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    DateTime,
    Integer,
    MetaData,
    SQLColumnExpression,
    Table,
    Text,
    Uuid,
    insert,
    select,
    text,
)
from sqlalchemy.orm import Session

from services.runtime import audit
from services.runtime.actor import Actor

_EMPTY = {
    "text": "left({c}, 0)",
    "jsonb": "case when {c} is null then null else case jsonb_typeof({c}) when 'array' then '[]' when 'object' then '{{}}'"
    " when 'string' then '\"\"' else 'null' end::jsonb end",
    "ARRAY": "case when {c} is not null then {array} end",
}
_NAMED = text(
    "select column_name, data_type, is_nullable = 'YES' as nullable from information_schema.columns"
    " where table_schema = :schema and table_name = :table"
)


@dataclass(frozen=True)
class Part:
    """Columns of a table with texts of a record; `of` is the condition for its rows, by `:record`.

    `ids` say who somebody is, and become ids of nobody: rows stay apart, and nothing links them any more.
    """

    table: str
    columns: tuple[str, ...]
    of: str
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Erased:
    """How much was erased, the SHA-256 of all of it in order, and the checksums of files that went with it."""

    cells: int
    files: list[str]
    digest: str


def erasure_table(schema: str) -> Table:
    """What was erased in a service."""
    return Table(
        "erasure",
        MetaData(),
        Column("record_id", Uuid, primary_key=True),
        Column("provider_id", Uuid, nullable=False),
        Column("erased_at", DateTime(timezone=True), nullable=False),
        Column("cells", Integer, nullable=False),
        Column("files", ARRAY(Text), nullable=False),
        Column("digest", Text, nullable=False),
        schema=schema,
    )


def erased(session: Session, service: str, record_id: UUID) -> Erased | None:
    """The proof, if the record was erased."""
    table = erasure_table(service)
    row = session.execute(select(table).where(table.c.record_id == record_id)).one_or_none()
    return None if row is None else Erased(row.cells, row.files, row.digest)


def is_erased(service: str, record_id: SQLColumnExpression[UUID]) -> ColumnElement[bool]:
    """The condition for rows whose record was erased."""
    return record_id.in_(select(erasure_table(service).c.record_id))


def erase(
    session: Session,
    service: str,
    actor: Actor,
    record_id: UUID,
    parts: Sequence[Part],
    now: datetime,
    *,
    files: Collection[str] = (),
) -> Erased:
    """Erase every part in the caller's transaction, with its proof and its entry in the audit chain.

    Asked again, it answers the proof of the first time. `files` are the checksums of those that the record no longer needs.
    """
    known = erased(session, service, record_id)
    if known is not None:
        return known
    found, cells = hashlib.sha256(), 0
    for part in parts:
        columns = ", ".join((*part.ids, *part.columns))
        rows = session.execute(
            text(f"select {columns} from {service}.{part.table} where {part.of}"), {"record": record_id}
        )
        said = sorted(json.dumps([part.table, *row], default=str, ensure_ascii=False) for row in rows)
        for one in said:
            found.update(one.encode() + b"\0")
        cells += len(said) * (len(part.columns) + len(part.ids))
        kinds = {
            row.column_name: (row.data_type, row.nullable)
            for row in session.execute(_NAMED, {"schema": service, "table": part.table})
        }
        values = ", ".join(
            [
                *(f"{column} = {_nobody(column, kinds[column][0])}" for column in part.ids),
                *(f"{column} = {_empty(column, *kinds[column])}" for column in part.columns),
            ]
        )
        session.execute(text(f"update {service}.{part.table} set {values} where {part.of}"), {"record": record_id})
    made = Erased(cells, sorted(set(files)), found.hexdigest())
    proof = {"cells": made.cells, "files": made.files, "digest": made.digest}
    row = {"record_id": record_id, "provider_id": actor.provider_id, "erased_at": now, **proof}
    session.execute(insert(erasure_table(service)), row)
    audit.append(session, service, chain=record_id, actor=actor, action="erased", subject=record_id, at=now, data=proof)
    return made


def _empty(column: str, kind: str, nullable: bool) -> str:
    # An absent list says nothing; where there must be one, it is empty.
    return _EMPTY[kind].format(c=column, array="null::text[]" if nullable else "'{}'::text[]")


def _nobody(column: str, kind: str) -> str:
    if kind == "uuid":
        return f"case when {column} is not null then gen_random_uuid() end"
    return f"case when {column} = '' then '' else gen_random_uuid()::text end"
