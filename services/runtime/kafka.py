"""Reaching the broker: clients that fail fast, a look at topics from outside the data path, and reading in batches."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, OffsetSpec, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import KafkaError, TopicAlreadyExistsError
from kafka.net.compat import KafkaNetClient
from kafka.structs import MemberState
from prometheus_client import Gauge

logger = logging.getLogger(__name__)

LAG = Gauge("plumbline_consumer_lag", "Events in the topics and not yet read.", ["service", "consumer"])
LAST_POLL = Gauge(
    "plumbline_consumer_last_poll_timestamp_seconds", "When the broker was last asked.", ["service", "consumer"]
)

_UNKNOWN_TOPIC = 3


class BrokerUnavailable(Exception):
    """The broker did not answer, or not with what was asked for. Ask again later."""


def connect(kind: Callable[..., Any], bootstrap_servers: str, **options: Any) -> Any:
    """A kafka-python admin client, consumer or producer, or `BrokerUnavailable` within three seconds.

    Works around two faults of kafka-python 3.0.12: `allow_auto_create_topics` is accepted but ignored, and a
    constructor that fails leaves its I/O thread running. Topics are made by their publisher alone: one that is made
    because a consumer asked for it has the broker's number of partitions.
    """
    network: list[Any] = []

    def network_client(**configs: Any) -> Any:
        network.append(KafkaNetClient(**configs))
        network[0].cluster.config["allow_auto_create_topics"] = False
        return network[0]

    try:
        return kind(
            bootstrap_servers=bootstrap_servers.split(","),
            bootstrap_timeout_ms=3000,
            reconnect_backoff_max_ms=1000,
            kafka_client=network_client,
            **options,
        )
    except (KafkaError, OSError) as error:
        for client in network:
            client.close()
        raise BrokerUnavailable(type(error).__name__) from error


def abandon(producer: Any) -> None:
    """Close a producer and drop what it has not sent, within a second or two.

    Works around a fault of kafka-python 3.0.12: `close` raises when it cannot send the rest in time, and leaves the
    producer's I/O thread running.
    """
    producer._sender.force_close()
    with suppress(KafkaError):
        producer.close(timeout=1)


class Broker:
    """Which topics there are and how far they reach. After a failure the next call starts with a fresh connection."""

    def __init__(self, bootstrap_servers: str, client_options: Mapping[str, Any]) -> None:
        self._bootstrap_servers, self._options = bootstrap_servers, client_options
        self._admin: Any = None

    def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        """The topics among these that exist, each with the id the broker gave it when it was made."""
        return {topic["name"]: str(topic["topic_id"]) for topic in self._describe(topics)}

    def end_offsets(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        """The offset the next record will get, for each partition of the topics among these that exist."""
        partitions = [
            TopicPartition(topic["name"], partition["partition_index"])
            for topic in self._describe(topics)
            for partition in topic["partitions"]
        ]
        if not partitions:
            return {}
        found = self._ask("list_partition_offsets", dict.fromkeys(partitions, OffsetSpec.LATEST), timeout_ms=5000)
        return {(partition.topic, partition.partition): end.offset for partition, end in found.items()}

    def create_topics(self, partitions: Mapping[str, int], replication_factor: int) -> None:
        """Make the topics that are missing; one that exists stays as it is."""
        existing = self.topic_ids(partitions)
        for topic, count in partitions.items():
            if topic not in existing:
                options = {"num_partitions": count, "replication_factor": replication_factor}
                try:
                    self._ask("create_topics", {topic: options}, timeout_ms=5000, wait_for_metadata=True)
                except TopicAlreadyExistsError:
                    continue

    def close(self) -> None:
        """Drop the connection."""
        admin, self._admin = self._admin, None
        if admin is not None:
            admin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _describe(self, topics: Iterable[str]) -> list[dict[str, Any]]:
        described = self._ask("describe_topics", list(topics))
        if failed := [topic for topic in described if topic["error_code"] not in (0, _UNKNOWN_TOPIC)]:
            raise BrokerUnavailable(f"error code {failed[0]['error_code']} for a topic")
        return [topic for topic in described if topic["error_code"] == 0]

    def _ask(self, question: str, *arguments: Any, **keywords: Any) -> Any:
        if self._admin is None:
            self._admin = connect(KafkaAdminClient, self._bootstrap_servers, request_timeout_ms=5000, **self._options)
        try:
            return getattr(self._admin, question)(*arguments, **keywords)
        except TopicAlreadyExistsError:
            raise
        except (KafkaError, OSError, RuntimeError) as error:
            self.close()
            raise BrokerUnavailable(type(error).__name__) from error


def poll_batches(
    *,
    bootstrap_servers: str,
    service: str,
    name: str,
    topics: Collection[str],
    stop: threading.Event,
    max_records: int = 500,
    max_wait_ms: int = 500,
    check_interval: float = 2.0,
    patience: float = 10.0,
    client_options: Mapping[str, Any] | None = None,
) -> Iterator[list[Any]]:
    """Yield batches of Kafka records to the group `plumbline.SERVICE.NAME` until `stop` is set.

    Use it as `for batch in poll_batches(...)`. The offsets of a batch are committed when the loop comes back for the
    next one. Left by an exception, they are not, and the batch is delivered again; after a rebalance or a lost commit
    it may be anyway. Records of a partition come in order. A batch may be empty: one comes every few seconds.

    `max_wait_ms` is how long the broker may hold a fetch while nothing is there; what arrives meanwhile is handed out
    at once by Kafka, and within some tens of milliseconds by Tansu.

    Waits for a broker that is down, and for topics that do not exist yet: for the last of them `patience` seconds,
    because each that comes later means joining anew, in which nothing is read for some seconds.

    A broker that restarted empty would let a consumer go on at its old position in a new log, and miss what is before
    it. So a batch is handed out only if the topics, asked after it was fetched, still have the ids they had when the
    consumer joined its group. If not, it joins anew and reads a topic that began anew from its beginning.
    """
    options = client_options or {}
    known: dict[str, str] = {}
    anew: set[str] = set()
    since = time.monotonic()
    with Broker(bootstrap_servers, options) as broker:
        while not stop.is_set():
            try:
                ids = broker.topic_ids(topics)
                if not ids or (len(ids) < len(topics) and time.monotonic() - since < patience):
                    stop.wait(0.5)
                    continue
                consumer = connect(
                    KafkaConsumer,
                    bootstrap_servers,
                    group_id=f"plumbline.{service}.{name}",
                    partition_assignment_strategy=[CooperativeStickyAssignor],
                    enable_auto_commit=False,
                    auto_offset_reset="earliest",
                    session_timeout_ms=6000,
                    heartbeat_interval_ms=1500,
                    max_poll_records=max_records,
                    fetch_max_wait_ms=max_wait_ms,
                    request_timeout_ms=10_000,
                    metrics_enabled=False,
                    **options,
                )
            except BrokerUnavailable as error:
                logger.warning(
                    "the broker does not answer", extra={"service": service, "consumer": name, "error": str(error)}
                )
                stop.wait(0.5)
                since = time.monotonic()
                continue
            anew |= {topic for topic, topic_id in ids.items() if known.get(topic, topic_id) != topic_id}
            known |= ids
            member = _Member(consumer, broker, topics, ids, anew, stop, service, name, check_interval)
            try:
                yield from member.batches()
            except KafkaError as error:
                logger.warning(
                    "reading interrupted", extra={"service": service, "consumer": name, "error": type(error).__name__}
                )
                stop.wait(0.5)
            finally:
                _leave(consumer)
            since = time.monotonic()


def _leave(consumer: Any) -> None:
    """Close a consumer, but not amid joining: on Tansu, a member that leaves then blocks its group for ever."""
    deadline = time.monotonic() + 6
    with suppress(KafkaError):
        while consumer.group_metadata().state == MemberState.REBALANCING and time.monotonic() < deadline:
            consumer.poll(timeout_ms=100)  # what it returns was not handed out, and comes again
    with suppress(KafkaError):
        consumer.close(autocommit=False, timeout_ms=2000)


@dataclass
class _Member:
    """One membership in a group. It ends when the topics are no longer those it began with."""

    consumer: Any
    broker: Broker
    topics: Collection[str]
    ids: Mapping[str, str]
    anew: set[str]
    stop: threading.Event
    service: str
    name: str
    check_interval: float
    _checked: float = field(init=False, default_factory=time.monotonic)

    def batches(self) -> Iterator[list[Any]]:
        self.consumer.subscribe(list(self.ids), listener=_FromTheBeginning(self.consumer, self.anew))
        while not self.stop.is_set():
            records = [record for part in self.consumer.poll(timeout_ms=500).values() for record in part]
            LAST_POLL.labels(self.service, self.name).set_to_current_time()
            due = time.monotonic() - self._checked > self.check_interval
            if not records and not due:
                continue
            if not self._same_topics():
                return
            yield records
            if records:
                self._commit()
            if due:
                self._measure_lag()
                self._checked = time.monotonic()

    def _same_topics(self) -> bool:
        while not self.stop.is_set():
            try:
                found = self.broker.topic_ids(self.topics)
            except BrokerUnavailable:
                self.stop.wait(0.2)
                continue
            if found != self.ids:
                logger.warning("topics changed; joining anew", extra={"service": self.service, "consumer": self.name})
            return found == self.ids
        return False

    def _commit(self) -> None:
        """Of the last batch before the end, waits until it is done; else reads on meanwhile."""
        if not self.stop.is_set():
            self.consumer.commit_async(callback=self._committed)
            return
        try:
            self.consumer.commit(timeout_ms=5000)
        except KafkaError as error:
            self._committed({}, error)

    def _committed(self, _: Any, answer: Any) -> None:
        if isinstance(answer, Exception):
            logger.warning(
                "offsets not committed; events may come again",
                extra={"service": self.service, "consumer": self.name, "error": type(answer).__name__},
            )

    def _measure_lag(self) -> None:
        lag = 0
        for partition in self.consumer.assignment():
            end, position = self.consumer.highwater(partition), self.consumer.position(partition, timeout_ms=500)
            if end is not None and position is not None:
                lag += max(end - position, 0)
        LAG.labels(self.service, self.name).set(lag)


class _FromTheBeginning(ConsumerRebalanceListener):  # type: ignore[misc]
    """Forgets committed offsets of topics that began anew since. Runs on the consumer's I/O thread: must not block."""

    def __init__(self, consumer: Any, anew: set[str]) -> None:
        self._consumer, self._anew = consumer, anew

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        if stale := [partition for partition in assigned if partition.topic in self._anew]:
            self._consumer.seek_to_beginning(*stale)
            self._anew.difference_update(partition.topic for partition in stale)

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Nothing to do: what was handed out is committed before the next poll, and partitions are taken in a poll."""
