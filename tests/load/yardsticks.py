"""What the parts alone can do here: workflows, messages and commits a second. Nothing is asked of them."""

import asyncio
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
from kafka import KafkaConsumer, KafkaProducer
from temporalio.client import Client
from temporalio.worker import Worker

from services.runtime.kafka import Broker, connect
from tests.load.outcome import Outcome, middle
from tests.load.rig import Rig
from tests.load.trivial import Empty
from workflows.worker import runner

_MESSAGE = b"x" * 500


def measure(rig: Rig, *, quick: bool) -> Outcome:
    """Each three times; medians."""
    rounds = 1 if quick else 3
    scale = 4 if quick else 1
    workflows = asyncio.run(_workflows(rig, rounds, 100 // scale))
    messages = [_messages(rig, 10_000 // scale) for _ in range(rounds)]
    commits = [_commits(rig, 1, 400 // scale) for _ in range(rounds)]
    together = [_commits(rig, 8, 200 // scale) for _ in range(rounds)]
    numbers = {
        "workflows_per_second": middle(workflows),
        "produced_per_second": middle([produced for produced, _ in messages]),
        "consumed_per_second": middle([consumed for _, consumed in messages]),
        "commits_per_second": middle(commits),
        "commits_per_second_of_8": middle(together),
    }
    return Outcome(
        name="yardsticks",
        result=f"{numbers['workflows_per_second']:.0f} empty workflows/s; {numbers['produced_per_second']:.0f} messages/s"
        f" produced, {numbers['consumed_per_second']:.0f}/s consumed; {numbers['commits_per_second']:.0f} fsync'd"
        f" commits/s, {numbers['commits_per_second_of_8']:.0f}/s by eight",
        numbers=numbers,
    )


async def _workflows(rig: Rig, rounds: int, count: int) -> list[float]:
    client = await Client.connect(rig.temporal)
    queue, rates = "bench-empty", []
    async with Worker(client, task_queue=queue, workflows=[Empty], workflow_runner=runner()):
        for _ in range(rounds):
            began = time.perf_counter()
            await asyncio.gather(
                *(
                    client.execute_workflow(Empty.run, id=f"empty-{uuid.uuid4()}", task_queue=queue)
                    for _ in range(count)
                )
            )
            rates.append(count / (time.perf_counter() - began))
    return rates


def _messages(rig: Rig, count: int) -> tuple[float, float]:
    topic = f"bench.yardstick.{uuid.uuid4().hex[:8]}"
    with Broker(rig.kafka, {}) as broker:
        broker.create_topics({topic: 1}, 1)
    producer = connect(KafkaProducer, rig.kafka, acks="all", linger_ms=20, batch_size=200_000)
    began = time.perf_counter()
    for number in range(count):
        producer.send(topic, _MESSAGE, str(number).encode())
    producer.flush(timeout=60)
    produced = count / (time.perf_counter() - began)
    producer.close()
    consumer = connect(KafkaConsumer, rig.kafka, group_id=None, auto_offset_reset="earliest", max_poll_records=500)
    try:
        consumer.subscribe([topic])
        deadline, first, seen, began = time.monotonic() + 60, 0, 0, 0.0
        while seen < count and time.monotonic() < deadline:
            seen += sum(len(part) for part in consumer.poll(timeout_ms=500).values())
            if seen and not first:
                first, began = seen, time.perf_counter()
        if seen < count:
            raise RuntimeError(f"read {seen} of {count} messages")
        return produced, (count - first) / (time.perf_counter() - began)
    finally:
        consumer.close()


def _commits(rig: Rig, connections: int, count: int) -> float:
    with psycopg.connect(rig.admin_url, autocommit=True) as connection:
        connection.execute("create table if not exists bench_commit (id uuid primary key)")

    def commit(_: int) -> None:
        with psycopg.connect(rig.admin_url, autocommit=True) as own:
            for _ in range(count):
                own.execute("insert into bench_commit values (%s)", [uuid.uuid4()])

    began = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(commit, range(connections)))
    return connections * count / (time.perf_counter() - began)
