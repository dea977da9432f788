"""What the project relies on and only Apache Kafka has: records that outlive a crash, replicas, and groups of several."""

import random
import threading
import time
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from services.runtime import consumer, relay
from services.runtime.kafka import Broker

CONSUMER_PROCESS = """
import threading
from sqlalchemy import text
from services.runtime import consumer, db

def handle(session, event):
    session.execute(text(f"insert into {$service}.effect (event_id, key, version, type) values (:i, :k, :v, :t)"),
                    {"i": event.event_id, "k": event.key, "v": event.version, "t": event.type})
    print("applied", flush=True)

consumer.run_consumer(engine=db.connect($url, application="child"), system_engine=db.connect($system, application="child"),
                      service=$service, name="main", topics=[$topic], bootstrap_servers=$address,
                      handlers={"test.happened.v1": handle}, stop=threading.Event(), check_interval=0.5)
"""


def _write_on(service: Any, stop: threading.Event, keys: int = 12) -> threading.Thread:
    """Writes events of many keys until told to stop, as a service does."""

    def write() -> None:
        dice = random.Random(7)
        while not stop.is_set():
            service.write([service.row(f"k{dice.randrange(keys)}", urgent=False) for _ in range(20)])
            stop.wait(0.05)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def _everything_once_in_order(service: Any) -> bool:
    written = dict(tuple(row) for row in service.query("select key, count(*) from $.outbox group by key"))
    return bool(service.effects() == {key: list(range(1, count + 1)) for key, count in written.items()})


def test_what_was_acknowledged_outlives_a_crash_and_nothing_is_sent_again(
    service: Any, roles: Any, own_kafka: Any, read_log: Any, eventually: Any
) -> None:
    own_kafka.start()
    roles.relay(service, own_kafka.address)
    roles.consumer(service, own_kafka.address)
    service.write([service.row(f"k{i % 12}") for i in range(300)])
    eventually(lambda: service.count("effect") == 300)
    with Broker(own_kafka.address, {}) as broker:
        before = broker.topic_ids([service.topics.normal])

    own_kafka.kill()
    service.write([service.row(f"k{i % 12}") for i in range(300)])
    own_kafka.start()
    eventually(lambda: service.count("effect") == 600, 60)
    roles.stop()
    assert _everything_once_in_order(service)
    with Broker(own_kafka.address, {}) as broker:
        assert broker.topic_ids([service.topics.normal]) == before
    assert relay.RESETS.labels(service.name)._value.get() == 0
    assert len(read_log(own_kafka.address, service.topics.normal)) == 600


def test_emptied_it_gets_everything_again_and_each_event_has_its_effect_once(
    service: Any, roles: Any, own_kafka: Any, read_log: Any, eventually: Any
) -> None:
    own_kafka.start()
    roles.relay(service, own_kafka.address)
    roles.consumer(service, own_kafka.address)
    service.write([service.row(f"k{i % 12}") for i in range(300)])
    eventually(lambda: service.count("effect") == 300)
    own_kafka.kill()
    own_kafka.empty()
    service.write([service.row(f"k{i % 12}") for i in range(60)])
    own_kafka.start()
    eventually(lambda: service.count("effect") == 360, 60)
    eventually(lambda: service.unpublished() == 0, 60)
    roles.stop()
    assert relay.RESETS.labels(service.name)._value.get() >= 1
    assert _everything_once_in_order(service)
    assert len(read_log(own_kafka.address, service.topics.normal)) == 360


def test_a_send_that_is_tried_again_is_written_once(
    service: Any, roles: Any, own_kafka: Any, read_log: Any, eventually: Any
) -> None:
    own_kafka.start()
    roles.relay(service, own_kafka.address)
    service.write([service.row("first")])
    eventually(lambda: service.unpublished() == 0)
    own_kafka.pause(0)
    service.write([service.row(f"k{i % 3}") for i in range(90)])
    # Longer than a request may take, shorter than a delivery: the same producer sends the same batch a second time.
    time.sleep(6)
    own_kafka.resume(0)
    eventually(lambda: service.unpublished() == 0, 60)
    roles.stop()
    assert len(read_log(own_kafka.address, service.topics.normal)) == 91


def test_a_member_that_is_killed_is_replaced_and_offsets_stay_where_they_were(
    service: Any, roles: Any, shared_kafka: Any, child: Any, eventually: Any
) -> None:
    address, topic = shared_kafka.address, service.topics.normal
    service.write([service.row(f"k{i % 30}") for i in range(60)])
    relaying = roles.relay(service, address)
    eventually(lambda: service.unpublished() == 0)
    named = {
        "url": service.engine.url.render_as_string(hide_password=False), "topic": topic, "address": address,
        "system": service.system_engine.url.render_as_string(hide_password=False), "service": service.name,
    }  # fmt: skip
    members = [child(CONSUMER_PROCESS, **named) for _ in range(3)]
    eventually(lambda: service.count("effect") == 60, 60)
    group = f"plumbline.{service.name}.main"
    admin = KafkaAdminClient(bootstrap_servers=address.split(","))
    try:
        # Wait until each has a partition of its own, then end one as a loss of power would.
        eventually(lambda: _owners(admin, group) == [1, 1, 1], 60)
        members[0].kill()
        members[0].wait()
        service.write([service.row(f"k{i % 30}") for i in range(600)])
        eventually(lambda: service.count("effect") == 660, 90)
        assert _everything_once_in_order(service)
        places = [TopicPartition(topic, n) for n in range(3)]
        reader = KafkaConsumer(bootstrap_servers=address, metrics_enabled=False)
        ends = reader.end_offsets(places)
        reader.close()
        eventually(lambda: {p: o.offset for p, o in admin.list_group_offsets(group)[group].items()} == ends, 30)
    finally:
        admin.close()
    for member in members[1:]:
        member.kill()
        member.wait()

    # Whoever comes later begins where they stopped: nothing is delivered again.
    roles.consumer(service, address, topics=[topic])
    service.write([service.row("later")])
    eventually(lambda: service.count("effect") == 661, 60)
    assert consumer.DUPLICATES.labels(service.name, "main")._value.get() == 0
    relaying.set()


def _owners(admin: Any, group: str) -> list[int]:
    """How many partitions each member of a group has, fewest first; nothing while it joins."""
    [found] = admin.describe_groups([group]).values()
    given = [one["member_assignment"] for one in found["members"]]
    if not all(isinstance(one, dict) for one in given):
        return []
    return sorted(sum(len(part["partitions"]) for part in one["assigned_partitions"]) for one in given)


def test_of_three_brokers_each_may_be_lost_while_events_flow(
    service: Any, roles: Any, three_nodes: Any, read_log: Any, eventually: Any
) -> None:
    roles.relay(service, three_nodes.address, replication_factor=3)
    roles.consumer(service, three_nodes.address)
    stop = threading.Event()
    writer = _write_on(service, stop)
    try:
        eventually(lambda: service.count("effect") > 100, 60)
        for node in range(3):
            three_nodes.kill(node)
            reached = service.count("effect")
            eventually(lambda above=reached: service.count("effect") > above + 200, 90)
            three_nodes.start(node)
    finally:
        stop.set()
        writer.join()
    eventually(lambda: service.unpublished() == 0, 90)
    eventually(lambda: service.count("effect") == service.count("outbox"), 90)
    roles.stop()
    assert _everything_once_in_order(service)
    assert relay.RESETS.labels(service.name)._value.get() == 0
    held = {dict(record.headers)["ce_id"] for record in read_log(three_nodes.address, service.topics.normal)}
    assert len(held) == service.count("outbox")
