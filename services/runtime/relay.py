"""Publish a service's outbox: every committed event reaches Kafka, in order for each key, urgent ones first.

The promise is at least once: a crash between sending and marking, or a broker that lost its data, sends events again,
and consumers de-duplicate by event id. No row is passed over: there is no cursor, only rows not yet marked.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from kafka import KafkaProducer
from kafka.errors import (
    InvalidRecordError,
    InvalidTimestampError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
)
from prometheus_client import Counter, Gauge
from sqlalchemy import Connection, Engine, Row, text

from services.runtime.consumer import transient
from services.runtime.kafka import Broker, BrokerUnavailable, abandon, connect

logger = logging.getLogger(__name__)

PUBLISHED = Counter("plumbline_relay_published_total", "Events acknowledged by the broker.", ["service"])
FAILURES = Counter("plumbline_relay_publish_failures_total", "Times that publishing was interrupted.", ["service"])
RESETS = Counter(
    "plumbline_relay_broker_resets_total", "Topics found to have lost events, and sent again.", ["service"]
)
UNPUBLISHED = Gauge("plumbline_outbox_unpublished", "Events waiting to be published.", ["service"])
OLDEST = Gauge("plumbline_outbox_oldest_unpublished_seconds", "Age of the oldest event that waits.", ["service"])
LEADS = Gauge("plumbline_relay_leads", "1 where this relay is the one that publishes.", ["service"])
PARKED_KEYS = Gauge("plumbline_relay_parked_keys", "Keys held behind an event the broker refused.", ["service"])

REFUSED = (
    InvalidRecordError,
    InvalidTimestampError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
)
"""Errors that mean the broker will never take this record. Anything else is worth another try."""

BATCH_ROWS = 500
LONGEST_PAUSE = 4
"""Times the interval between two looks: with nothing to publish they grow rarer, for each costs every service a query."""
BATCH_BYTES = 800_000
"""Less than the producer's batch size: what goes to a partition at once is then one batch, which the broker takes or
refuses as a whole, so that nothing overtakes within a key when a send fails."""

PRODUCER = {
    "acks": "all",
    "enable_idempotence": True,
    "batch_size": 1_000_000,
    "linger_ms": 1000,  # a batch is complete when it is flushed, not before
    "max_block_ms": 5000,
    "request_timeout_ms": 5000,
    "delivery_timeout_ms": 8000,
    "metrics_enabled": False,
}


@dataclass(frozen=True)
class Topics:
    """The two topics that one service alone publishes to."""

    normal: str
    urgent: str


def run_relay(
    *,
    engine: Engine,
    service: str,
    bootstrap_servers: str,
    topics: Topics,
    stop: threading.Event,
    partitions: int = 3,
    urgent_partitions: int = 1,
    replication_factor: int = 1,
    retention: timedelta = timedelta(days=7),
    poll_interval: float = 0.05,
    check_interval: float = 2.0,
    client_options: Mapping[str, Any] | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Publish until `stop` is set. Any number of relays may run; one leads, the others stand by.

    `engine` must see the rows of all providers. `retention` is how long the broker keeps events: those it should still
    hold are sent again when it lost them. `now` is the clock that `occurred_at` was read from. Outages of the database
    and of the broker are waited out.
    """
    LEADS.labels(service).set(0)
    while not stop.is_set():
        try:
            with (
                _leadership(engine, service, stop) as connection,
                Broker(bootstrap_servers, client_options or {}) as broker,
            ):
                leader = _Leader(
                    connection=connection,
                    broker=broker,
                    connect_producer=lambda: connect(
                        KafkaProducer, bootstrap_servers, **PRODUCER, **(client_options or {})
                    ),
                    service=service,
                    topics=topics,
                    partitions={topics.normal: partitions, topics.urgent: urgent_partitions},
                    replication_factor=replication_factor,
                    retention=retention,
                    poll_interval=poll_interval,
                    check_interval=check_interval,
                    now=now,
                    stop=stop,
                )
                if not stop.is_set():
                    LEADS.labels(service).set(1)
                    leader.run()
        except Exception as error:
            if not transient(error):
                raise
            logger.warning("relay lost the database", extra={"service": service, "error": type(error).__name__})
            stop.wait(1)
        finally:
            for gauge in (UNPUBLISHED, OLDEST, PARKED_KEYS, LEADS):
                gauge.labels(service).set(0)  # the next leader reports them


def release_key(engine: Engine, service: str, key: str) -> int:
    """Let the relay try a held key again, beginning with the event that was refused. Answers how many were parked."""
    statement = (
        f"update {service}.outbox set parked_at = null, parked_error = null"
        " where key = :key and parked_at is not null returning seq"
    )
    with engine.begin() as connection:
        return len(connection.execute(text(statement), {"key": key}).all())


@contextmanager
def _leadership(engine: Engine, service: str, stop: threading.Event) -> Iterator[Connection]:
    """The connection that holds the service's advisory lock. Leadership and connection begin and end together.

    Waits for the lock; the connection is without it only if `stop` was set meanwhile.
    """
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    connection.detach()  # not pooled: closing it ends the session, and with it the lock
    try:
        # A leader whose host vanished must lose the lock in half a minute, not when the server's TCP gives up.
        for setting in ("tcp_keepalives_idle = 10", "tcp_keepalives_interval = 5", "tcp_keepalives_count = 3"):
            connection.execute(text(f"set {setting}"))
        lock = text("select pg_try_advisory_lock(hashtextextended(:name, 0))")
        while not stop.is_set() and not connection.scalar(lock, {"name": f"relay:{service}"}):
            stop.wait(1)
        yield connection
    finally:
        connection.close()


@dataclass(frozen=True)
class _Message:
    """An outbox row as the broker gets it."""

    row: Row[Any]
    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]

    @property
    def size(self) -> int:
        return len(self.key) + len(self.value) + sum(len(name) + len(value) + 4 for name, value in self.headers) + 32


class _Refused(Exception):
    """The broker refused a batch for good; these messages were in it."""

    def __init__(self, messages: Sequence[_Message], error: KafkaError) -> None:
        super().__init__(type(error).__name__)
        self.messages, self.error = messages, error


@dataclass
class _Leader:
    """The work of the one relay that publishes: it alone, so the offsets it has recorded prove what the broker lost."""

    connection: Connection
    broker: Broker
    connect_producer: Callable[[], Any]
    service: str
    topics: Topics
    partitions: Mapping[str, int]
    replication_factor: int
    retention: timedelta
    poll_interval: float
    check_interval: float
    now: Callable[[], datetime]
    stop: threading.Event
    _last_batch: dict[tuple[str, int], int] = field(init=False, default_factory=dict)
    _held: set[str] = field(init=False, default_factory=set)
    _backoff: float = field(init=False, default=0.2)

    def run(self) -> None:
        """Publish until stopped. A broker that fails is tried again, each time with a new producer."""
        logger.info("relay leads", extra={"service": self.service})
        self._last_batch = self._recorded_batches()
        while not self.stop.is_set():
            self._observe()
            try:
                self._send_again_what_was_lost()
                self._publish_with_one_producer()
            except (BrokerUnavailable, KafkaError) as error:
                FAILURES.labels(self.service).inc()
                reason = str(error) if isinstance(error, BrokerUnavailable) else type(error).__name__
                logger.warning("publishing interrupted", extra={"service": self.service, "error": reason})
                self.stop.wait(self._backoff)
                self._backoff = min(self._backoff * 2, 2)

    def _publish_with_one_producer(self) -> None:
        producer = self.connect_producer()
        try:
            checked, pause = time.monotonic(), self.poll_interval
            while not self.stop.is_set():
                rows = self._unpublished()
                pause = self.poll_interval if rows else min(pause * 1.2, self.poll_interval * LONGEST_PAUSE)
                for messages in _chunks(self._message(row) for row in rows):
                    self._publish(producer, messages)
                self._backoff = 0.2
                if time.monotonic() - checked > self.check_interval:
                    checked = time.monotonic()
                    self._observe()
                    if self._send_again_what_was_lost():
                        return
                if len(rows) < BATCH_ROWS:
                    self.stop.wait(pause)
        except _Refused as refused:
            self._publish_singly(refused.messages)
        finally:
            abandon(producer)

    def _publish(self, producer: Any, messages: Sequence[_Message]) -> None:
        """Send, wait, and mark what was acknowledged: of each key in a topic, nothing behind the first failure."""
        sent = []
        for message in messages:
            if message.row.key not in self._held:
                try:
                    future = producer.send(message.topic, message.value, message.key, message.headers)
                except REFUSED as error:
                    self._park(message, error)
                else:
                    sent.append((message, future))
        self._flush(producer)
        acknowledged, refused, failed = [], [], set()
        interruption: KafkaError | None = None
        for message, future in sent:
            lane = (message.topic, message.key)
            try:
                metadata = future.get(timeout=0)
            except REFUSED as error:
                failed.add(lane)
                refused.append((message, error))
            except KafkaError as error:
                failed.add(lane)
                interruption = error
            else:
                if lane not in failed:
                    acknowledged.append((message, metadata))
        self._mark(acknowledged)
        if interruption is not None:
            raise interruption
        if refused:
            raise _Refused([message for message, _ in refused], refused[0][1])

    def _flush(self, producer: Any) -> None:
        """Wait until everything sent is acknowledged or failed, which the delivery timeout bounds; or until stopped."""
        deadline = time.monotonic() + 15
        while True:
            try:
                producer.flush(timeout=0.5)
                return
            except KafkaTimeoutError:
                if self.stop.is_set() or time.monotonic() > deadline:
                    raise

    def _publish_singly(self, messages: Sequence[_Message]) -> None:
        """Find out which messages of a refused batch are at fault, and park those. A refusal may spoil a producer."""
        for message in messages:
            if message.row.key not in self._held:
                producer = self.connect_producer()
                try:
                    self._publish(producer, [message])
                except _Refused as refused:
                    self._park(message, refused.error)
                finally:
                    abandon(producer)

    def _message(self, row: Row[Any]) -> _Message:
        headers = {
            "ce_specversion": "1.0",
            "ce_id": str(row.event_id),
            "ce_type": row.type,
            "ce_source": f"/plumbline/{self.service}",
            "ce_subject": row.subject,
            "ce_time": row.occurred_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "ce_providerid": str(row.provider_id),
            "ce_version": str(row.version),
            "ce_actor": row.actor,
            "ce_actorrole": row.actor_role,
            "content-type": "application/json",
        }
        if row.traceparent:
            headers["traceparent"] = row.traceparent
        return _Message(
            row,
            self.topics.urgent if row.urgent else self.topics.normal,
            row.key.encode(),
            json.dumps(row.data, ensure_ascii=False, separators=(",", ":")).encode(),
            [(name, value.encode()) for name, value in headers.items()],
        )

    def _execute(self, statement: str, **parameters: Any) -> Any:
        return self.connection.execute(text(statement.replace("OUTBOX", f"{self.service}.outbox")), parameters)

    def _unpublished(self) -> Sequence[Row[Any]]:
        """The next rows, urgent ones first. A key behind a parked row waits until an operator releases it."""
        self._held = set()
        rows: Sequence[Row[Any]] = self._execute(
            "select seq, event_id, provider_id, type, subject, key, version, occurred_at, urgent, actor, actor_role,"
            " data, traceparent from OUTBOX where published_at is null and parked_at is null"
            " and key not in (select key from OUTBOX where parked_at is not null)"
            " order by urgent desc, seq limit :limit",
            limit=BATCH_ROWS,
        ).all()
        return rows

    def _mark(self, acknowledged: Sequence[tuple[_Message, Any]]) -> None:
        """Record what was published and where, unless the offsets say that the broker started anew."""
        bases: dict[tuple[str, int], int] = {}
        for _, metadata in acknowledged:
            if metadata.offset >= 0:  # -1 says that the broker had the record already
                bases.setdefault((metadata.topic, metadata.partition), metadata.offset)
        for place, base in bases.items():
            if base <= self._last_batch.get(place, -1):
                self._send_again(place[0])
                raise BrokerUnavailable("lost its events")
        if not acknowledged:
            return
        self._execute(
            "update OUTBOX o set published_at = now(), topic = m.topic, partition = m.partition,"
            ' "offset" = nullif(m."offset", -1) from unnest(cast(:seqs as bigint[]), cast(:topics as text[]),'
            ' cast(:partitions as int[]), cast(:offsets as bigint[])) as m(seq, topic, partition, "offset")'
            " where o.seq = m.seq",
            seqs=[message.row.seq for message, _ in acknowledged],
            topics=[metadata.topic for _, metadata in acknowledged],
            partitions=[metadata.partition for _, metadata in acknowledged],
            offsets=[metadata.offset for _, metadata in acknowledged],
        )
        self._last_batch |= bases
        PUBLISHED.labels(self.service).inc(len(acknowledged))

    def _park(self, message: _Message, error: KafkaError) -> None:
        self._held.add(message.row.key)
        logger.error(
            "the broker refuses an event; its key is held",
            extra={"service": self.service, "event_id": str(message.row.event_id), "error": type(error).__name__},
        )
        self._execute(
            "update OUTBOX set parked_at = now(), parked_error = :error where seq = :seq",
            error=type(error).__name__,
            seq=message.row.seq,
        )

    def _recorded_batches(self) -> dict[tuple[str, int], int]:
        """Where the last batch that was marked in each partition begins."""
        rows = self._execute(
            'select topic, partition, (select coalesce(min(b."offset"), l.highest) from OUTBOX b'
            ' where b.topic = l.topic and b.partition = l.partition and b."offset" > l.highest - :limit)'
            ' from (select topic, partition, max("offset") as highest from OUTBOX'
            ' where topic = any(:topics) and "offset" is not null group by topic, partition) l',
            topics=list(self.partitions),
            limit=BATCH_ROWS,
        )
        return {(topic, partition): base for topic, partition, base in rows}

    def _send_again_what_was_lost(self) -> bool:
        """See that the topics exist and reach as far as recorded; send again the events of one that does not.

        As far as the begin of the last batch: that is what Tansu answers when asked for the end.
        """
        self.broker.create_topics(self.partitions, self.replication_factor)
        ends = self.broker.end_offsets(self.partitions)
        lost = {place[0] for place, base in self._last_batch.items() if ends.get(place, 0) <= base}
        for topic in lost:
            self._send_again(topic)
        return bool(lost)

    def _send_again(self, topic: str) -> None:
        """Forget that the events of a topic were published. What was recorded of the lost log must go, also of events
        older than the retention: left there, it would call the new log too short for ever."""
        self._execute("set statement_timeout = 0")
        count = self._execute(
            'update OUTBOX set topic = null, partition = null, "offset" = null, published_at ='
            " case when published_at > now() - cast(:retention as interval) then null else published_at end"
            " where topic = :topic",
            retention=self.retention,
            topic=topic,
        ).rowcount
        self._execute("reset statement_timeout")
        self._last_batch = {place: base for place, base in self._last_batch.items() if place[0] != topic}
        RESETS.labels(self.service).inc()
        logger.warning(
            "the broker lost a topic's events; sending them again",
            extra={"service": self.service, "topic": topic, "recorded": count},
        )

    def _observe(self) -> None:
        waiting, oldest, parked = self._execute(
            "select count(*), min(occurred_at), (select count(distinct key) from OUTBOX where parked_at is not null)"
            " from OUTBOX where published_at is null and parked_at is null"
        ).one()
        UNPUBLISHED.labels(self.service).set(waiting)
        OLDEST.labels(self.service).set(max((self.now() - oldest).total_seconds(), 0) if oldest else 0)
        PARKED_KEYS.labels(self.service).set(parked)


def _chunks(messages: Iterable[_Message]) -> Iterator[list[_Message]]:
    """Split into groups that fit one producer batch each, in order."""
    chunk: list[_Message] = []
    size = 0
    for message in messages:
        if chunk and size + message.size > BATCH_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(message)
        size += message.size
    if chunk:
        yield chunk
