"""The consumer: every event has its effect once, in order for each key, and none is skipped."""

import threading
import time
import uuid
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from kafka import KafkaProducer

from services.runtime import consumer
from services.runtime.consumer import Received, decode, retry_parked
from services.runtime.kafka import LAG, LAST_POLL, poll_batches
from services.runtime.relay import Topics


def _value(metric: Any, service: Any) -> float:
    return float(metric.labels(service.name, "main")._value.get())


def test_each_event_is_applied_once_in_order_for_its_provider(
    service: Any, roles: Any, shared_broker: str, eventually: Any
) -> None:
    providers = [uuid.uuid4() for _ in range(3)]
    rows = [service.row(f"k{i % 9}", provider_id=providers[i % 3], urgent=i >= 90) for i in range(108)]
    service.write([*rows, service.row("other", type="test.unknown.v1")])
    roles.relay(service, shared_broker)
    roles.consumer(service, shared_broker)
    eventually(lambda: service.count("effect") == 108)
    found: dict[str, list[int]] = {}
    for topic_urgent, key, version in service.query(
        "select o.urgent, e.key, e.version from $.effect e join $.outbox o using (event_id) order by e.seq"
    ):
        found.setdefault(f"{key} {topic_urgent}", []).append(version)
    assert all(versions == sorted(versions) for versions in found.values())
    wrong = "effect e join $.outbox o using (event_id) where e.provider_id <> o.provider_id"
    assert service.count(wrong.replace("$.", f"{service.name}.")) == 0
    assert service.count("inbox") == 108

    service.query("update $.outbox set published_at = null")
    eventually(lambda: _value(consumer.DUPLICATES, service) == 108)
    assert service.count("effect") == 108
    assert _value(consumer.PROCESSED, service) == 108
    eventually(lambda: _value(LAG, service) == 0)
    assert _value(LAST_POLL, service) > time.time() - 5


def test_an_event_that_cannot_be_applied_holds_its_key_until_it_can(
    service: Any, roles: Any, shared_broker: str, eventually: Any
) -> None:
    broken = {"bad": {2}, "worse": {1}}

    def handle(session: Any, event: Received) -> None:
        service.apply(session, event)
        if event.version in broken.get(event.key, ()):
            raise LookupError("Jane Doe, 12 Elm Road")

    def retry(key: str | None = None) -> Any:
        return retry_parked(
            engine=service.engine, system_engine=service.system_engine, service=service.name, name="main", key=key,
            handlers={"test.happened.v1": handle},
        )  # fmt: skip

    service.write([service.row(key) for _ in range(4) for key in ("good", "bad", "worse")])
    roles.relay(service, shared_broker)
    roles.consumer(service, shared_broker, handlers={"test.happened.v1": handle})
    eventually(lambda: service.count("effect") == 5 and service.count("parked_event") == 7)
    service.query("update $.outbox set published_at = null where key = 'bad'")  # a redelivery parks nothing twice
    eventually(lambda: service.unpublished() == 0)
    service.write([service.row("bad"), service.row("good")])
    eventually(lambda: service.effects()["good"] == [1, 2, 3, 4, 5] and service.count("parked_event") == 8)
    assert service.effects() == {"good": [1, 2, 3, 4, 5], "bad": [1]}
    eventually(lambda: _value(consumer.PARKED_KEYS, service) == 2)
    assert service.query("select key, type, error from $.parked_event where error <> 'Held' order by key") == [
        ("bad", "test.happened.v1", "LookupError"),
        ("worse", "test.happened.v1", "LookupError"),
    ]
    assert "Jane" not in str(service.query("select * from $.parked_event"))

    assert retry("worse") == consumer.Retried(0, ["worse"])
    broken["worse"].clear()
    broken["bad"] = {4}
    outcome = retry()
    assert (outcome.applied, outcome.held) == (4 + 2, ["bad"])
    assert service.effects() == {"good": [1, 2, 3, 4, 5], "bad": [1, 2, 3], "worse": [1, 2, 3, 4]}
    broken["bad"].clear()
    assert retry() == consumer.Retried(2, [])
    service.write([service.row("bad")])
    eventually(lambda: service.effects()["bad"] == [1, 2, 3, 4, 5, 6])
    assert service.count("parked_event") == 0
    assert retry() == consumer.Retried(0, [])


def test_what_is_no_event_of_ours_is_parked_too_and_holds_its_key(
    service: Any, roles: Any, shared_broker: str, eventually: Any
) -> None:
    service.write([service.row("k")])
    roles.relay(service, shared_broker)
    roles.consumer(service, shared_broker)
    eventually(lambda: service.count("effect") == 1)
    producer = KafkaProducer(bootstrap_servers=shared_broker)
    for key, value in ((b"k", b"{"), (b"\xff\0", b"\0\xff"), (None, b"[]"), (None, b"[]"), (b"k", b"{")):
        producer.send(service.topics.normal, value, key, [("ce_id", b"1"), ("odd", b"\0")])
    producer.flush(10)
    producer.close()
    service.write([service.row("k"), service.row("free")])
    eventually(lambda: service.count("parked_event") == 4)
    eventually(lambda: service.effects() == {"k": [1], "free": [1]})
    found = service.query("select key, provider_id = :p, error from $.parked_event order by seq", p=service.provider_id)
    by_key = {key: (own, error) for key, own, error in found}
    assert by_key.pop("\\xff\\0") == (False, "Undecodable")
    assert [(own, error) for key, own, error in found if key == "k"] == [(False, "Undecodable"), (True, "Held")]
    assert sum(key.startswith("undecodable-") for key in by_key) == 1  # the same record twice is one
    arguments = {
        "engine": service.engine,
        "system_engine": service.system_engine,
        "service": service.name,
        "name": "main",
    }
    outcome = retry_parked(**arguments, handlers={"test.happened.v1": service.apply})
    assert (outcome.applied, len(outcome.held)) == (0, 3)
    # Repaired by hand, as the runbook says.
    service.query("delete from $.parked_event where key = 'k' and error = 'Undecodable'")
    assert retry_parked(**arguments, key="k", handlers={"test.happened.v1": service.apply}).applied == 1
    assert service.effects()["k"] == [1, 2]


def test_it_waits_for_a_database_that_is_away(service: Any, roles: Any, shared_broker: str, eventually: Any) -> None:
    failures = [psycopg.errors.SerializationFailure(), psycopg.errors.ReadOnlySqlTransaction()]

    def handle(session: Any, event: Received) -> None:
        service.apply(session, event)
        if failures:
            raise failures.pop()
        if event.version == 2 and not killed:
            killed.append(session.connection().connection.dbapi_connection.info.backend_pid)
            service.query("select pg_terminate_backend(:pid)", pid=killed[0])

    killed: list[int] = []
    service.write([service.row("k") for _ in range(3)])
    roles.relay(service, shared_broker)
    roles.consumer(service, shared_broker, handlers={"test.happened.v1": handle})
    eventually(lambda: service.count("effect") == 3)
    assert killed
    assert service.effects() == {"k": [1, 2, 3]}
    assert service.count("parked_event") == 0


def test_a_batch_handler_gets_the_new_events_of_one_provider_at_once(
    service: Any, roles: Any, shared_broker: str, eventually: Any
) -> None:
    batches: list[Sequence[Received]] = []

    def handle(session: Any, events: Sequence[Received]) -> None:
        if any(event.key == "bad" for event in events):
            raise LookupError
        for event in events:
            service.apply(session, event)
        batches.append(events)

    other = uuid.uuid4()
    service.write([service.row(f"k{i % 4}", provider_id=service.provider_id if i % 4 else other) for i in range(200)])
    stop = roles.relay(service, shared_broker)
    eventually(lambda: service.unpublished() == 0)
    stop.set()
    roles.stop()
    roles.consumer(service, shared_broker, batch_handler=handle)
    eventually(lambda: service.count("effect") == 200)
    assert all(len({event.provider_id for event in events}) == 1 for events in batches)
    assert max(len(events) for events in batches) > 20
    roles.relay(service, shared_broker)
    service.write([service.row(key) for key in ("k0", "bad", "k0")])
    eventually(lambda: service.count("effect") == 202)
    assert service.effects() == {f"k{i}": list(range(1, 51 if i else 53)) for i in range(4)}
    eventually(lambda: service.count("parked_event") == 1)
    with pytest.raises(ValueError, match="not both"):
        consumer.run_consumer(
            engine=service.engine, service=service.name, name="x", topics=[], bootstrap_servers=shared_broker,
            stop=threading.Event(), handlers={"t": service.apply}, batch_handler=handle,
        )  # fmt: skip


def test_killed_after_the_effect_and_before_the_offset_it_doubles_nothing(
    service: Any, roles: Any, shared_broker: str, child: Any, eventually: Any
) -> None:
    service.write([service.row(f"k{i % 5}") for i in range(50)])
    roles.relay(service, shared_broker)
    process = child(
        """
import threading, time
from sqlalchemy import text
from services.runtime import consumer, db, kafka

def hang(self):
    print("applied", flush=True)
    time.sleep(60)

def handle(session, event):
    session.execute(text("insert into " + $service + ".effect (event_id, key, version) values (:i, :k, :v)"),
                    {"i": event.event_id, "k": event.key, "v": event.version})

kafka._Member._commit = hang
consumer.run_consumer(engine=db.connect($url, application="child"), service=$service, name="main", topics=$topics,
                      bootstrap_servers=$address, stop=threading.Event(), handlers={"test.happened.v1": handle})
""",
        url=service.engine.url.render_as_string(hide_password=False), service=service.name, address=shared_broker,
        topics=[service.topics.normal],
    )  # fmt: skip
    assert process.stdout.readline() == "applied\n"
    applied = service.count("effect")
    assert applied > 0
    process.kill()
    roles.consumer(service, shared_broker)
    eventually(lambda: service.count("effect") == 50, 40)
    eventually(lambda: _value(consumer.DUPLICATES, service) == applied)
    assert service.effects() == {f"k{i}": list(range(1, 11)) for i in range(5)}


def test_two_members_share_the_work_and_hand_it_over(
    service: Any, roles: Any, shared_broker: str, eventually: Any
) -> None:
    written = 0

    def write(count: int) -> None:
        nonlocal written
        service.write([service.row(f"k{i % 12}") for i in range(count)])
        written += count

    roles.relay(service, shared_broker)
    first = roles.consumer(service, shared_broker, topics=[service.topics.normal])
    write(100)
    eventually(lambda: service.count("effect") == written)
    seen: set[str] = set()

    def handle(session: Any, event: Received) -> None:
        seen.add(event.key)
        service.apply(session, event)

    roles.consumer(service, shared_broker, topics=[service.topics.normal], handlers={"test.happened.v1": handle})
    deadline = time.monotonic() + 40
    while not seen:
        assert time.monotonic() < deadline
        write(24)
        time.sleep(0.2)
    first.set()
    write(100)
    eventually(lambda: service.count("effect") == written, 40)
    assert all(versions == list(range(1, len(versions) + 1)) for versions in service.effects().values())
    assert service.count("inbox") == written


@pytest.mark.parametrize("length", ["shorter", "longer"])
def test_when_the_broker_is_emptied_everything_is_applied_exactly_once(
    service: Any, roles: Any, own_broker: Any, eventually: Any, length: str
) -> None:
    """A new log that is longer than the old one is the trap: the old position is valid in it, and wrong."""
    own_broker.start()
    relay = roles.relay(service, own_broker.address)
    roles.consumer(service, own_broker.address)
    service.write([service.row(f"k{i % 7}", urgent=i % 10 == 0) for i in range(200)])
    eventually(lambda: service.count("effect") == 200)
    if length == "longer":  # what was long ago is not sent again, so what is new takes the places of what was seen
        service.query("update $.outbox set published_at = now() - interval '8 days' where version <= 20")

    own_broker.kill()
    service.write([service.row(f"k{i % 7}") for i in range(20 if length == "shorter" else 2000)])
    time.sleep(0.3)
    own_broker.start()
    expected = 220 if length == "shorter" else 2200
    eventually(lambda: service.count("effect") == expected, 40)
    service.write([service.row(f"k{i % 7}") for i in range(70)])
    eventually(lambda: service.count("effect") == expected + 70)
    assert service.count("inbox") == expected + 70
    relay.set()
    normal = service.query(
        "select e.key, e.version from $.effect e join $.outbox o using (event_id) where not o.urgent order by e.seq"
    )
    last: dict[str, int] = {}
    for key, version in normal:
        assert version > last.get(key, 0)
        last[key] = version


def test_it_waits_for_broker_and_topics_that_come_late(
    service: Any, roles: Any, own_broker: Any, eventually: Any
) -> None:
    late = f"{service.topics.normal}.late"
    roles.consumer(service, own_broker.address, topics=[service.topics.normal, late], patience=0)
    service.write([service.row("k")])
    time.sleep(0.5)
    own_broker.start()
    stop = roles.relay(service, own_broker.address)
    eventually(lambda: service.count("effect") == 1)
    stop.set()
    roles.relay(service, own_broker.address, topics=Topics(late, service.topics.urgent))
    service.write([service.row("k")])
    eventually(lambda: service.effects() == {"k": [1, 2]})


def test_the_raw_loop_delivers_a_batch_again_when_its_body_fails(
    service: Any, roles: Any, shared_broker: str, eventually: Any
) -> None:
    service.write([service.row("k") for _ in range(10)])
    stop = roles.relay(service, shared_broker)
    eventually(lambda: service.unpublished() == 0)
    stop.set()

    def read(body: Any) -> list[int]:
        seen: list[int] = []
        done = threading.Event()
        for batch in poll_batches(
            bootstrap_servers=shared_broker, service=service.name, name="raw", topics=[service.topics.normal], stop=done,
            max_records=4,
        ):  # fmt: skip
            for record in batch:
                seen.append(decode(record).version)
                body(seen)
            if len(seen) >= 6:
                done.set()
        return seen

    def fail(seen: list[int]) -> None:
        if len(seen) == 6:
            raise LookupError

    with pytest.raises(LookupError):
        read(fail)
    assert read(lambda _: None)[0] == 5  # the first batch of four was committed, the second was not
