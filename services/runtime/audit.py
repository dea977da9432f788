"""Append-only history, hash-chained per incident, verifiable by anybody who has the exported file.

An entry's hash is SHA-256 over the previous hash and the entry's canonical JSON (sorted keys, no white space, times in
UTC to the microsecond, no floating-point numbers). Data holds codes, ids and digests, never personal data, so erasing
a narrative does not break the chain.
"""

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, DateTime, Integer, MetaData, Table, Text, Uuid, func, insert, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from services.runtime.actor import Actor

GENESIS = "0" * 64
_CONTENT = ("chain", "seq", "provider_id", "at", "actor", "actor_role", "action", "subject", "data")


@functools.cache
def audit_table(schema: str) -> Table:
    """The service's audit entries."""
    return Table(
        "audit_entry",
        MetaData(),
        Column("chain", Uuid, primary_key=True),
        Column("seq", Integer, primary_key=True),
        Column("provider_id", Uuid, nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("actor", Text, nullable=False),
        Column("actor_role", Text, nullable=False),
        Column("action", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("data", JSONB, nullable=False),
        Column("previous_hash", Text, nullable=False),
        Column("hash", Text, nullable=False),
        schema=schema,
    )


def digest(text: str) -> str:
    """SHA-256 of a text, to stand for it in an audit entry."""
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    # What is most frequent comes first: every write passes here.
    if isinstance(value, str | UUID):
        return str(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, Mapping):
        return {str(k): _canonical(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(v) for v in value]
    if isinstance(value, float):
        raise TypeError("audit data must not hold floating-point numbers: they have no canonical form")
    return str(value)


def entry_hash(previous_hash: str, entry: Mapping[str, Any]) -> str:
    """The hash of an entry that follows `previous_hash`. Only the nine content fields count."""
    return _hash(previous_hash, _content(entry))


def _content(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _canonical(entry[name]) for name in _CONTENT}


def _hash(previous_hash: str, content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(previous_hash.encode() + text.encode()).hexdigest()


def build_entry(
    *,
    chain: UUID,
    seq: int,
    previous_hash: str,
    actor: Actor,
    action: str,
    subject: UUID,
    at: datetime,
    data: Mapping[str, Any],
) -> dict[str, Any]:
    """A complete row."""
    entry: dict[str, Any] = {
        "chain": chain,
        "seq": seq,
        "provider_id": actor.provider_id,
        "at": at,
        "actor": str(actor.id),
        "actor_role": actor.role,
        "action": action,
        "subject": str(subject),
        "data": data,
    }
    content = _content(entry)
    return {
        **entry,
        "data": content["data"],
        "previous_hash": previous_hash,
        "hash": _hash(previous_hash, content),
    }


def first_entry(
    *, chain: UUID, actor: Actor, action: str, subject: UUID, at: datetime, data: Mapping[str, Any]
) -> dict[str, Any]:
    """The row that begins a chain. The table's key refuses it if the chain has begun already."""
    return build_entry(
        chain=chain, seq=1, previous_hash=GENESIS, actor=actor, action=action, subject=subject, at=at, data=data
    )


def append(
    session: Session,
    service: str,
    *,
    chain: UUID,
    actor: Actor,
    action: str,
    subject: UUID,
    at: datetime,
    data: Mapping[str, Any],
    new_chain: bool = False,
) -> None:
    """Add one entry to a chain in the caller's transaction. Writers of one chain take turns.

    `new_chain` skips the look for a previous entry; the primary key refuses it if there is one after all.
    """
    table = audit_table(service)
    seq, previous_hash = 1, GENESIS
    if not new_chain:
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"{service}:{chain}", 0))))
        last = session.execute(
            select(table.c.seq, table.c.hash).where(table.c.chain == chain).order_by(table.c.seq.desc()).limit(1)
        ).one_or_none()
        if last is not None:
            seq, previous_hash = last.seq + 1, last.hash
    entry = build_entry(
        chain=chain, seq=seq, previous_hash=previous_hash, actor=actor, action=action, subject=subject, at=at, data=data
    )
    session.execute(insert(table), entry)


def read(session: Session, service: str, chain: UUID) -> list[dict[str, Any]]:
    """A chain in order, ready to export as JSON."""
    table = audit_table(service)
    rows = session.execute(select(table).where(table.c.chain == chain).order_by(table.c.seq)).mappings()
    return [
        {name: _canonical(value) if name in ("at", "chain", "provider_id") else value for name, value in row.items()}
        for row in rows
    ]


def verify(entries: Iterable[Mapping[str, Any]]) -> str | None:
    """Check an exported chain. Answers None when it holds, else a sentence that names the first bad entry."""
    previous_hash, expected_seq = GENESIS, 1
    for entry in entries:
        seq = entry["seq"]
        if seq != expected_seq:
            return f"entry {expected_seq} is missing: entry {seq} came in its place"
        if entry["previous_hash"] != previous_hash:
            return f"entry {seq} does not follow entry {seq - 1}"
        if entry_hash(previous_hash, entry) != entry["hash"]:
            return f"entry {seq} was changed after it was written"
        previous_hash, expected_seq = entry["hash"], seq + 1
    return None
