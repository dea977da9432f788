"""The relay: everything committed arrives, in order for each key, whatever is killed or emptied."""

import random
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import kafka
import pytest
from kafka.errors import InvalidRecordError
from sqlalchemy import text

from services.runtime import relay, tables
from services.runtime.relay import release_key


def test_an_event_is_sent_as_a_cloud_event(
    service: Any, roles: Any, shared_broker: str, read_log: Any, eventually: Any
) -> None:
    at = datetime(2026, 6, 8, 10, 0, 0, 1234, tzinfo=UTC)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    plain, urgent = service.row("k", occurred_at=at), service.row("k", urgent=True, traceparent=trace)
    service.write([plain, urgent])
    roles.relay(service, shared_broker)
    eventually(lambda: service.unpublished() == 0)

    [record] = read_log(shared_broker, service.topics.normal)
    assert dict(record.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": str(plain["event_id"]).encode(),
        "ce_type": b"test.happened.v1",
        "ce_source": f"/plumbline/{service.name}".encode(),
        "ce_subject": b"k",
        "ce_time": b"2026-06-08T10:00:00.001234Z",
        "ce_providerid": str(service.provider_id).encode(),
        "ce_version": b"1",
        "ce_actor": b"a",
        "ce_actorrole": b"tester",
        "content-type": b"application/json",
    }
    assert (record.key, record.value) == (b"k", '{"n":1,"text":"wörd"}'.encode())
    [fast] = read_log(shared_broker, service.topics.urgent)
    assert dict(fast.headers)["traceparent"] == trace.encode()
    placed = service.query('select topic, partition, "offset" from $.outbox order by seq')
    assert placed == [(record.topic, record.partition, 0), (fast.topic, 0, 0)]


def test_each_key_keeps_its_order_when_transactions_commit_out_of_order(
    service: Any, roles: Any, shared_broker: str, read_log: Any, eventually: Any, versions: Any
) -> None:
    keys = [f"k{i}" for i in range(10)]
    outbox = tables.outbox_table(service.name).insert()

    def write(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(40):
            with service.admin.begin() as connection:
                for key in sorted(dice.sample(keys, 2)):  # as a service does: the record first, then what is said of it
                    connection.execute(text("select pg_advisory_xact_lock(hashtext(:k))"), {"k": service.name + key})
                    connection.execute(outbox, [service.row(key)])
                time.sleep(dice.random() * 0.01)

    roles.relay(service, shared_broker)
    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=20)
    eventually(lambda: service.unpublished() == 0)

    records = read_log(shared_broker, service.topics.normal)
    assert len(records) == 4 * 40 * 2
    found = versions(records)
    assert sum(len(seen) for seen in found.values()) == 320
    assert all(seen == sorted(seen) for seen in found.values())


def test_killed_between_sending_and_marking_it_loses_and_doubles_nothing(
    service: Any, roles: Any, shared_broker: str, child: Any, eventually: Any, read_log: Any
) -> None:
    service.write([service.row(f"k{i % 7}") for i in range(100)])
    process = child(
        """
import threading, time
from services.runtime import db, relay

def hang(self, acknowledged):
    print(len(acknowledged), flush=True)
    time.sleep(60)

relay._Leader._mark = hang
relay.run_relay(engine=db.connect($url, application="child"), service=$service, bootstrap_servers=$address,
                topics=relay.Topics($normal, $urgent), stop=threading.Event())
""",
        url=service.system_engine.url.render_as_string(hide_password=False), service=service.name, address=shared_broker,
        normal=service.topics.normal, urgent=service.topics.urgent,
    )  # fmt: skip
    assert process.stdout.readline() == "100\n"
    process.kill()
    assert service.unpublished() == 100

    roles.consumer(service, shared_broker)
    roles.relay(service, shared_broker)
    eventually(lambda: service.count("effect") == 100)
    roles.stop()
    assert len(read_log(shared_broker, service.topics.normal)) == 200
    assert service.effects() == {f"k{k}": list(range(1, 16 if k < 2 else 15)) for k in range(7)}


def test_of_two_relays_one_leads_and_the_other_takes_over(
    service: Any, roles: Any, shared_broker: str, read_log: Any, eventually: Any, versions: Any
) -> None:
    def leaders() -> list[int]:
        rows = service.query(
            "select l.pid from pg_locks l join pg_stat_activity a using (pid) where l.locktype = 'advisory' and l.granted"
            " and a.usename = :role",
            role=f"plumbline_{service.name}_system",
        )
        return [row[0] for row in rows]

    first = roles.relay(service, shared_broker)
    eventually(leaders)
    roles.relay(service, shared_broker)
    service.write([service.row(f"k{i % 3}") for i in range(30)])
    eventually(lambda: service.unpublished() == 0)
    [leader] = leaders()

    # A leader that loses its connection is one no longer; which of the two is next does not matter.
    service.query("select pg_terminate_backend(:pid)", pid=leader)
    service.write([service.row(f"k{i % 3}") for i in range(30)])
    eventually(lambda: service.unpublished() == 0)
    [second] = leaders()
    assert second != leader

    first.set()
    service.write([service.row(f"k{i % 3}") for i in range(30)])
    eventually(lambda: service.unpublished() == 0)
    assert len(leaders()) == 1
    found = versions(read_log(shared_broker, service.topics.normal))
    assert found == {f"k{k}": list(range(1, 31)) for k in range(3)}


def test_urgent_events_overtake_a_backlog(service: Any, roles: Any, shared_broker: str, eventually: Any) -> None:
    service.write([service.row(f"k{i % 50}") for i in range(5000)])
    roles.relay(service, shared_broker)
    eventually(lambda: service.unpublished() < 5000)
    service.write([service.row(f"k{i}", urgent=True) for i in range(20)])
    eventually(lambda: service.count("outbox where urgent and published_at is null") == 0)
    eventually(lambda: service.unpublished() == 0)
    later = service.count(
        "outbox where not urgent and published_at > (select max(published_at) from $.outbox where urgent)".replace(
            "$.", f"{service.name}."
        )
    )
    assert later >= 1000


def test_an_event_that_is_refused_holds_its_key_until_released(
    service: Any, roles: Any, shared_broker: str, read_log: Any, eventually: Any, versions: Any
) -> None:
    huge = {"n": 2, "text": "x" * 1_100_000}
    service.write([service.row("bad"), service.row("bad", data=huge), service.row("bad"), service.row("good")])
    stop = roles.relay(service, shared_broker)
    eventually(lambda: service.count("outbox where parked_at is not null") == 1)
    service.write([service.row("good"), service.row("bad", urgent=True)])
    eventually(lambda: service.unpublished() == 3)
    assert service.query("select version, parked_error from $.outbox where parked_at is not null") == [
        (2, "MessageSizeTooLargeError")
    ]
    eventually(lambda: relay.PARKED_KEYS.labels(service.name)._value.get() == 1)

    stop.set()
    roles.stop()
    roles.relay(service, shared_broker)
    service.write([service.row("good")])
    eventually(lambda: service.unpublished() == 3)
    assert versions(read_log(shared_broker, service.topics.normal)) == {"bad": [1], "good": [1, 2, 3]}

    service.query("update $.outbox set data = '{\"n\": 2}' where key = 'bad' and version = 2")
    assert release_key(service.system_engine, service.name, "bad") == 1
    eventually(lambda: service.unpublished() == 0)
    assert versions(read_log(shared_broker, service.topics.normal))["bad"] == [1, 2, 3]


def test_one_bad_event_in_a_batch_that_the_broker_refuses_is_found(
    service: Any, roles: Any, shared_broker: str, read_log: Any, eventually: Any, versions: Any, monkeypatch: Any
) -> None:
    class Answer:
        real: Any = None

        def get(self, timeout: float) -> Any:
            if self.real is None:
                raise InvalidRecordError
            return self.real.get(timeout=timeout)

    class Strict(kafka.KafkaProducer):  # type: ignore[misc]
        """As if the broker had a rule of its own, and refused the whole of a batch for one record."""

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self._batch: list[tuple[Answer, tuple[Any, ...]]] = []

        def send(self, *record: Any) -> Answer:
            self._batch.append((Answer(), record))
            return self._batch[-1][0]

        def flush(self, timeout: float | None = None) -> None:
            if not any(b"wrong" in record[1] for _, record in self._batch):
                for answer, record in self._batch:
                    answer.real = super().send(*record)
                super().flush(timeout)
            self._batch = []

    monkeypatch.setattr(relay, "KafkaProducer", Strict)
    rows = [service.row(f"k{i % 2}") for i in range(10)]
    rows[4]["data"] = {"n": 3, "text": "wrong"}
    service.write(rows)
    roles.relay(service, shared_broker)
    eventually(lambda: service.unpublished() == 3)
    records = read_log(shared_broker, service.topics.normal)
    assert versions(records) == {"k0": [1, 2], "k1": [1, 2, 3, 4, 5]}
    assert service.query("select key, version, parked_error from $.outbox where parked_at is not null") == [
        ("k0", 3, "InvalidRecordError")
    ]


def test_when_the_broker_is_emptied_everything_is_sent_again_once(
    service: Any, roles: Any, own_broker: Any, read_log: Any, eventually: Any, versions: Any
) -> None:
    own_broker.start()
    roles.relay(service, own_broker.address)
    service.write([service.row(f"k{i % 5}", urgent=i % 10 == 0) for i in range(300)])
    eventually(lambda: service.unpublished() == 0)
    old = [service.row("ancient") for _ in range(400)]  # longer than all that is sent again
    service.write(old)
    eventually(lambda: service.unpublished() == 0)
    service.query("update $.outbox set published_at = now() - interval '8 days' where key = 'ancient'")

    own_broker.kill()
    service.write([service.row(f"k{i % 5}") for i in range(50)])
    time.sleep(0.3)
    own_broker.start()
    eventually(lambda: service.unpublished() == 0, 30)

    def check() -> None:
        for topic, count in ((service.topics.normal, 320), (service.topics.urgent, 30)):
            records = read_log(own_broker.address, topic)
            assert len(records) == count
            assert all(seen == sorted(seen) for seen in versions(records).values())
            [recorded] = service.query(
                'select count(*) from $.outbox where topic = :t and "offset" is not null', t=topic
            )
            assert recorded[0] == count
        assert relay.RESETS.labels(service.name)._value.get() == 2

    check()
    time.sleep(1.2)  # two more checks find nothing amiss
    check()
    own_broker.kill()
    own_broker.start()  # idle: nobody writes, and yet what was lost comes back
    eventually(lambda: relay.RESETS.labels(service.name)._value.get() == 4, 30)
    eventually(lambda: service.unpublished() == 0)
    assert len(read_log(own_broker.address, service.topics.normal)) == 320


def test_a_log_that_began_anew_shows_in_the_offsets_of_what_is_sent(
    service: Any, roles: Any, own_broker: Any, read_log: Any, eventually: Any
) -> None:
    own_broker.start()
    stop = roles.relay(service, own_broker.address)
    service.write([service.row("k") for _ in range(20)])
    eventually(lambda: service.unpublished() == 0)
    stop.set()
    roles.stop()
    own_broker.kill()
    own_broker.start()
    with pytest.MonkeyPatch.context() as patch:  # so that no check beforehand finds it
        patch.setattr(
            relay._Leader, "_send_again_what_was_lost", lambda self: self.broker.create_topics(self.partitions, 1)
        )
        roles.relay(service, own_broker.address)
        service.write([service.row("k")])
        eventually(lambda: service.unpublished() == 0)
        roles.stop()
    ids = [dict(record.headers)["ce_id"].decode() for record in read_log(own_broker.address, service.topics.normal)]
    assert ids[1:] == [str(row[0]) for row in service.query("select event_id from $.outbox order by seq")]
    assert ids[0] == ids[-1]


def test_it_waits_for_a_broker_that_comes_up_late_and_stops_promptly_without_one(
    service: Any, roles: Any, own_broker: Any, read_log: Any, eventually: Any
) -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    service.write([service.row("k", occurred_at=at) for _ in range(3)])
    stop = roles.relay(service, own_broker.address, now=lambda: at + timedelta(hours=1))
    eventually(lambda: relay.FAILURES.labels(service.name)._value.get() >= 1)
    assert relay.UNPUBLISHED.labels(service.name)._value.get() == 3
    assert relay.OLDEST.labels(service.name)._value.get() == 3600  # by the clock it was given
    own_broker.start()
    eventually(lambda: service.unpublished() == 0)
    assert len(read_log(own_broker.address, service.topics.normal)) == 3

    own_broker.kill()
    service.write([service.row("k")])
    time.sleep(0.3)
    asked = time.monotonic()
    stop.set()
    roles.stop()
    assert time.monotonic() - asked < 5
    assert service.unpublished() == 1


def test_an_event_id_is_published_under_one_key_only(service: Any) -> None:
    row = service.row("k", event_id=uuid.uuid4())
    service.write([row])
    with pytest.raises(Exception, match="unique"):
        service.write([{**row, "key": "other"}])
