"""Say something to the other services, in the same transaction as the change it tells of."""

import functools
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import Insert, Table, func, insert, select, update
from sqlalchemy.orm import Session

from services.runtime import tracing
from services.runtime.actor import Actor
from services.runtime.tables import outbox_table


class Event(Protocol):
    """A payload from the contracts: a pydantic model with a type and a key."""

    TYPE: str

    @property
    def key(self) -> str:
        """Events of one key keep their order."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """JSON-ready content."""


@functools.cache
def _outbox(service: str) -> tuple[Table, Insert]:
    table = outbox_table(service)
    return table, insert(table)


def new_id() -> UUID:
    """A time-ordered UUID (version 7)."""
    return uuid_utils.compat.uuid7()


def event_row(
    event: Any, *, actor: Actor, subject: UUID, version: int, at: datetime, urgent: bool = False
) -> dict[str, Any]:
    """One outbox row. `version` is the subject's version after the change; `at` is the clock's time."""
    carried = tracing.traceparent()
    return {
        **({} if carried is None else {"traceparent": carried}),
        "event_id": new_id(),
        "provider_id": actor.provider_id,
        "type": event.TYPE,
        "subject": str(subject),
        "key": event.key,
        "version": version,
        "occurred_at": at,
        "urgent": urgent,
        "actor": str(actor.id),
        "actor_role": actor.role,
        "data": event.model_dump(mode="json"),
    }


def record(session: Session, service: str, *rows: dict[str, Any]) -> None:
    """Add events to the service's outbox. They are published after the transaction commits, in order for each key."""
    session.execute(_outbox(service)[1], list(rows))


def republish(session: Session, service: str, key: str) -> int:
    """Send every event of a key again, in order. Consumers de-duplicate by event id, so this is always safe.

    Answers how many events will be sent.
    """
    table, _ = _outbox(service)
    session.execute(update(table).where(table.c.key == key).values(published_at=None))
    return session.scalar(select(func.count()).select_from(table).where(table.c.key == key)) or 0
