"""Apply the events of other services: each once, in order for each key, none skipped.

The promise: an event's effect and its inbox row are one transaction, so a redelivery changes nothing. An event that
cannot be applied is parked, and every later event of its key behind it, until an operator has them retried.
"""

import gc
import hashlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from prometheus_client import Counter, Gauge
from pydantic_core import from_json
from sqlalchemy import Engine, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from services.runtime import db, tracing
from services.runtime.kafka import poll_batches

logger = logging.getLogger(__name__)

PROCESSED = Counter("plumbline_consumer_processed_total", "Events applied.", ["service", "consumer"])
DUPLICATES = Counter("plumbline_consumer_duplicates_total", "Events seen before.", ["service", "consumer"])
PARKED_KEYS = Gauge("plumbline_consumer_parked_keys", "Keys held behind a parked event.", ["service", "consumer"])

Result = TypeVar("Result")

NO_PROVIDER = UUID(int=0)
"""The provider of an event whose provider cannot be read."""


@dataclass
class Received:
    """An event as it arrived: CloudEvents attributes, the payload, and where it stood. Nobody changes it.

    Not frozen: a frozen one takes three times as long to make, and one is made of every record.
    """

    event_id: UUID
    type: str
    provider_id: UUID
    subject: str
    key: str
    version: int
    occurred_at: datetime
    actor: str
    actor_role: str
    data: dict[str, Any]
    topic: str
    partition: int
    offset: int
    traceparent: str | None = None


Handler = Callable[[Session, Received], None]
"""Applies one event. It runs in the provider's transaction and must not commit."""

BatchHandler = Callable[[Session, Sequence[Received]], None]
"""Applies a provider's new events, in order. It ignores types it does not know."""


@contextmanager
def sending_ahead(session: Session) -> Iterator[None]:
    """In this block `db.run` does not wait: PostgreSQL works on one statement while we prepare the next.

    Reading rows waits for them. What fails may show at the end only. SQLAlchemy's own statements do not work here.
    """
    driver = session.connection().connection.driver_connection
    assert driver is not None
    with driver.pipeline():
        yield


class Undecodable(Exception):
    """A record that is not one of our events."""


class _Stopped(Exception):
    """Asked to stop while an event waits for the database: leave it to be delivered again."""


@lru_cache(maxsize=1024)
def _provider(provider_id: str) -> UUID:
    return UUID(provider_id)


def decode(record: Any) -> Received:
    """Read a Kafka record in CloudEvents binary mode, or raise `Undecodable`."""
    try:
        headers = {name: value.decode() for name, value in record.headers}
        key = record.key.decode()
        data = from_json(record.value)
        occurred_at = datetime.fromisoformat(headers["ce_time"])
        if headers["ce_specversion"] != "1.0" or not isinstance(data, dict) or occurred_at.tzinfo is None:
            raise ValueError("not a CloudEvents 1.0 event with a JSON object")
        if not key or "\0" in key or "\0" in "".join(headers.values()):
            raise ValueError("an attribute that no text column can hold")
        return Received(
            event_id=UUID(headers["ce_id"]),
            type=headers["ce_type"],
            provider_id=_provider(headers["ce_providerid"]),
            subject=headers["ce_subject"],
            key=key,
            version=int(headers["ce_version"]),
            occurred_at=occurred_at,
            actor=headers["ce_actor"],
            actor_role=headers["ce_actorrole"],
            data=data,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            traceparent=headers.get("traceparent"),
        )
    except (KeyError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise Undecodable(type(error).__name__) from error


def transient(error: BaseException) -> bool:
    """Whether the same work may succeed later: the database was away or busy, or broke a deadlock with this one."""
    if isinstance(error, PoolTimeoutError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        return False
    if cause.sqlstate is None:
        return isinstance(cause, (psycopg.OperationalError, psycopg.InterfaceError))
    # Connection, rollback, resources, prerequisite state, operator, system; and a server that became a standby.
    return cause.sqlstate[:2] in {"08", "40", "53", "55", "57", "58"} or cause.sqlstate == "25006"


def run_consumer(
    *,
    engine: Engine,
    service: str,
    name: str,
    topics: Collection[str],
    bootstrap_servers: str,
    stop: threading.Event,
    handlers: Mapping[str, Handler] | None = None,
    batch_handler: BatchHandler | None = None,
    system_engine: Engine | None = None,
    max_records: int = 500,
    check_interval: float = 2.0,
    patience: float = 10.0,
    client_options: Mapping[str, Any] | None = None,
) -> None:
    """Apply events until `stop` is set. Give handlers by event type, or one batch handler for all types.

    Types without a handler are ignored. `engine` is in the service's own role. `system_engine`, which sees all
    providers, is used to count parked keys. Outages of the database and of the broker are waited out. The other
    arguments are those of `poll_batches`.
    """
    inbox = _Inbox(engine, service, name, handlers or {}, batch_handler, stop)
    gc.freeze()  # what is loaded by now stays loaded: looking for garbage in it took a tenth of the time
    counted = float("-inf")
    try:
        for records in poll_batches(
            bootstrap_servers=bootstrap_servers,
            service=service,
            name=name,
            topics=topics,
            stop=stop,
            max_records=max_records,
            check_interval=check_interval,
            patience=patience,
            client_options=client_options,
        ):
            inbox.take(records)
            if system_engine is not None and time.monotonic() - counted > check_interval:
                counted = time.monotonic()
                held = inbox.patiently(partial(parked_keys, system_engine, service, name))
                PARKED_KEYS.labels(service, name).set(len(held))
    except _Stopped:
        return


def parked_keys(system_engine: Engine, service: str, name: str) -> list[str]:
    """The keys held for a consumer, the one held longest first."""
    statement = f"select key from {service}.parked_event where consumer = :consumer group by key order by min(seq)"
    with system_engine.connect() as connection:
        return list(connection.scalars(text(statement), {"consumer": name}))


@dataclass(frozen=True)
class Retried:
    """What became of parked events: how many were applied, and which keys are still held."""

    applied: int
    held: list[str]


def retry_parked(
    *,
    engine: Engine,
    system_engine: Engine,
    service: str,
    name: str,
    handlers: Mapping[str, Handler] | None = None,
    batch_handler: BatchHandler | None = None,
    key: str | None = None,
) -> Retried:
    """Apply parked events in order, of one key or of all; a key is left at its first failure. Safe beside consumers."""
    inbox = _Inbox(engine, service, name, handlers or {}, batch_handler, threading.Event())
    applied = 0
    held = []
    for parked in [key] if key is not None else parked_keys(system_engine, service, name):
        while (row := _first_parked(system_engine, service, name, parked)) is not None:
            try:
                applied += inbox.retry(row)
            except Exception as error:
                logger.error(
                    "a parked event failed again",
                    extra={"service": service, "consumer": name, "event_id": row.event_id},
                    exc_info=error,
                )
                held.append(parked)
                break
    return Retried(applied, held)


def _first_parked(system_engine: Engine, service: str, name: str, key: str) -> Any:
    statement = (
        'select event_id, key, provider_id, topic, partition, "offset", headers, body'
        f" from {service}.parked_event where consumer = :consumer and key = :key order by seq limit 1"
    )
    with system_engine.connect() as connection:
        return connection.execute(text(statement), {"consumer": name, "key": key}).one_or_none()


class _Delivery:
    """A record and what could be read of it."""

    def __init__(self, record: Any) -> None:
        self.record = record
        self.event: Received | None = None
        try:
            self.event = decode(record)
        except Undecodable:
            self.key, self.provider_id = _readable(record.key) or self.event_id, NO_PROVIDER
        else:
            self.key, self.provider_id = self.event.key, self.event.provider_id

    @property
    def event_id(self) -> str:
        """The event's id; of a record that is no event, one made from its content, the same at each delivery."""
        if self.event is not None:
            return str(self.event.event_id)
        content = repr((self.record.key, self.record.headers, self.record.value))
        return f"undecodable-{hashlib.sha256(content.encode()).hexdigest()[:32]}"


def _readable(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="backslashreplace").replace("\0", "\\0")


class _Inbox:
    """Applies deliveries: all of a provider in one transaction, or one by one when that fails."""

    def __init__(
        self,
        engine: Engine,
        service: str,
        name: str,
        handlers: Mapping[str, Handler],
        batch_handler: BatchHandler | None,
        stop: threading.Event,
    ) -> None:
        if handlers and batch_handler is not None:
            raise ValueError("give handlers or a batch handler, not both: events must be applied in their order")
        self._engine, self._service, self._name, self._stop = engine, service, name, stop
        self._handlers, self._batch_handler = handlers, batch_handler
        # These two go straight to the driver: each batch makes them.
        self._held = self._named("select distinct key from PARKED where consumer = %s and key = any(%s)")
        self._receive = self._named(
            "insert into INBOX (consumer, event_id, provider_id) select %s, id, %s from unnest(%s::uuid[]) as id"
            " order by id on conflict do nothing returning event_id"
        )
        self._park_one = self._statement(
            "insert into PARKED (consumer, event_id, key, provider_id, topic, partition, "
            '"offset", type, headers, body, error)'
            " select :consumer, :event_id, :key, cast(:provider_id as uuid), :topic, cast(:partition as integer),"
            " cast(:offset as bigint), :type, cast(:headers as jsonb), :body, :error"
            " where not exists (select from INBOX"
            " where consumer = :consumer and event_id = cast(:received_id as uuid)) on conflict do nothing"
        ).bindparams(bindparam("headers", type_=JSONB))
        self._release = self._statement(
            "delete from PARKED where consumer = :consumer and event_id = :event_id returning event_id"
        )

    def _named(self, statement: str) -> str:
        return statement.replace("INBOX", f"{self._service}.inbox").replace("PARKED", f"{self._service}.parked_event")

    def _statement(self, statement: str) -> Any:
        return text(self._named(statement))

    def take(self, records: Sequence[Any]) -> None:
        """Apply or park each record: of a key, in order."""
        waiting: dict[UUID, list[_Delivery]] = {}
        for delivery in map(_Delivery, records):
            if delivery.event is None:
                self._take_all(waiting)  # what came before it must not be parked behind it
                waiting = {}
                self.patiently(partial(self._park, delivery, "Undecodable"))
            elif self._wants(delivery.event):
                waiting.setdefault(delivery.provider_id, []).append(delivery)
        self._take_all(waiting)

    def retry(self, row: Any) -> bool:
        """Apply one parked event and release it, in one transaction; or raise. False if another retry was first."""
        headers = [(name, value.encode()) for name, value in row.headers.items() if value is not None]
        record = SimpleNamespace(
            key=row.key.encode(),
            headers=headers,
            value=row.body and row.body.encode(),
            topic=row.topic,
            partition=row.partition,
            offset=row.offset,
        )
        event = decode(record)
        with db.transaction(self._engine, row.provider_id) as session:
            released = session.scalar(self._release, {"consumer": self._name, "event_id": row.event_id})
            if released is None:
                return False
            db.set_provider(session, event.provider_id)
            if self._wants(event) and self._first_time(session, event.provider_id, [event]):
                self._apply(session, [event])
        return True

    def _wants(self, event: Received) -> bool:
        return self._batch_handler is not None or event.type in self._handlers

    def _take_all(self, waiting: Mapping[UUID, Sequence[_Delivery]]) -> None:
        for provider_id, deliveries in waiting.items():
            self._take_provider(provider_id, deliveries)

    def _take_provider(self, provider_id: UUID, deliveries: Sequence[_Delivery]) -> None:
        try:
            self.patiently(partial(self._apply_or_hold, provider_id, deliveries))
        except _Stopped:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, the key is held and others flow
            if len(deliveries) > 1:
                for delivery in deliveries:
                    self._take_provider(provider_id, [delivery])
                return
            cause = error.orig if isinstance(error, DBAPIError) else error
            self.patiently(partial(self._park, deliveries[0], type(cause).__name__, error))

    def patiently(self, work: Callable[[], Result]) -> Result:
        """Do work that the database may refuse for now, as often as it takes."""
        wait = 0.1
        while True:
            try:
                return work()
            except Exception as error:
                if not transient(error):
                    raise
                logger.warning(
                    "waiting for the database",
                    extra={"service": self._service, "consumer": self._name, "error": type(error).__name__},
                )
            if self._stop.wait(wait):
                raise _Stopped
            wait = min(wait * 2, 5)

    def _apply_or_hold(self, provider_id: UUID, deliveries: Sequence[_Delivery]) -> None:
        """One transaction: apply the new events, and park those whose key is held behind what is parked already."""
        keys = [self._name, list({delivery.key for delivery in deliveries})]
        with db.transaction(self._engine, NO_PROVIDER) as session:
            with sending_ahead(session):
                unread = db.run(session, self._held, keys)
                db.set_provider(session, provider_id)
                held = {key for (key,) in [*db.run(session, self._held, keys), *unread]}
            if behind := [delivery for delivery in deliveries if delivery.key in held]:
                session.execute(self._park_one, [self._parked(delivery, "Held") for delivery in behind])
            free = [
                delivery.event for delivery in deliveries if delivery.key not in held and delivery.event is not None
            ]
            new = self._first_time(session, provider_id, free) if free else []
            if new:
                self._apply(session, new)
        PROCESSED.labels(self._service, self._name).inc(len(new))
        DUPLICATES.labels(self._service, self._name).inc(len(free) - len(new))

    def _first_time(self, session: Session, provider_id: UUID, events: Sequence[Received]) -> Sequence[Received]:
        """Enter events in the inbox; answer those that were not there, in order."""
        ids = f"{{{','.join([str(event.event_id) for event in events])}}}"
        received = db.run(session, self._receive, [self._name, provider_id, ids])
        if received.rowcount == len(events):
            return events
        new, first = {event_id for (event_id,) in received}, []
        for event in events:
            if event.event_id in new:
                new.remove(event.event_id)
                first.append(event)
        return first

    def _apply(self, session: Session, events: Sequence[Received]) -> None:
        if self._batch_handler is not None:
            self._batch_handler(session, events)
        else:
            for event in events:
                with tracing.continued(f"apply {event.type}", event.traceparent):
                    self._handlers[event.type](session, event)

    def _park(self, delivery: _Delivery, error: str, cause: Exception | None = None) -> None:
        with db.transaction(self._engine, delivery.provider_id) as session:
            session.execute(self._park_one, self._parked(delivery, error))
        logger.error(
            "an event cannot be applied; its key is held",
            extra={"service": self._service, "consumer": self._name, "event_id": delivery.event_id, "error": error},
            exc_info=cause,
        )

    def _parked(self, delivery: _Delivery, error: str) -> dict[str, Any]:
        record, event = delivery.record, delivery.event
        return {
            "consumer": self._name,
            "event_id": delivery.event_id,
            "received_id": event and event.event_id,
            "key": delivery.key,
            "provider_id": delivery.provider_id,
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "type": event and event.type,
            "headers": {name: _readable(value) for name, value in record.headers},
            "body": _readable(record.value),
            "error": error,
        }
