"""Events a second into reporting's read models, against a bare consumer that inserts the same batches into one table."""

import itertools
import json
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient

from services.contracts.actions import ActionAgreed, ActionDone, ActionOpened, ActionVerified, CheckpointMeasured
from services.contracts.event import EventData
from services.contracts.intake import IncidentClosed, IncidentReported, IncidentTriaged, StageEntered
from services.contracts.review import BriefingReached, BriefingSent, ReviewApproved, ReviewOpened, ReviewSubmitted
from services.contracts.taxonomy import Band, Category, Kind, PhysicalHarm, ReviewMethod, Role, Stage, Strength, Verdict
from services.reporting import consumer as reporting
from services.runtime.consumer import PROCESSED, run_consumer
from tests.load.outcome import Outcome, middle, ratio
from tests.load.rig import Rig

HOLD = 0.60
BATCH = 500


def _life(location_id: uuid.UUID) -> Iterator[tuple[str, EventData]]:
    """The events of one low-harm incident from report to closed, with the service that says each."""
    now = datetime.now(UTC)
    i, action, review, briefing = (uuid.uuid4() for _ in range(4))

    def stage(name: Stage) -> tuple[str, EventData]:
        due = now + timedelta(days=7)
        event = StageEntered(incident_id=i, cycle=1, stage=name, due_at=due, next_move=Role.REGISTERED_MANAGER)
        return "intake", event

    yield "intake", IncidentReported(
        incident_id=i, location_id=location_id, region_id=None, kind=Kind.INCIDENT, category=Category.MEDICATION,
        occurred_at=now, reported_at=now, immediate_danger=False, triage_due_at=now + timedelta(days=1),
    )  # fmt: skip
    yield "intake", IncidentTriaged(
        incident_id=i, cycle=1, actual_harm=PhysicalHarm.LOW, consequence=2, likelihood=1, score=2, band=Band.LOW,
        by_default=False, rule="otherwise", policy_version="bench", overridden=False,
    )  # fmt: skip
    yield "review", ReviewOpened(
        incident_id=i, review_id=review, cycle=1, method=ReviewMethod.BRIEF, lead_role=Role.REGISTERED_MANAGER,
        due_at=now, rule="otherwise", policy_version="bench",
    )  # fmt: skip
    yield stage(Stage.REVIEWING)
    yield (
        "actions",
        ActionAgreed(
            incident_id=i, action_id=action, cycle=1, strength=Strength.STRONGER, owner_role=Role.REGISTERED_MANAGER
        ),
    )
    yield "review", ReviewSubmitted(incident_id=i, review_id=review, cycle=1)
    yield (
        "review",
        ReviewApproved(
            incident_id=i,
            review_id=review,
            cycle=1,
            factors=[],
            learning_count=1,
            actions_needed=True,
            briefing_needed=True,
        ),
    )
    yield (
        "actions",
        ActionOpened(
            incident_id=i, action_id=action, cycle=1, owner_role=Role.REGISTERED_MANAGER, due_at=now, late=False
        ),
    )
    yield stage(Stage.ACTING)
    yield (
        "actions",
        ActionDone(incident_id=i, action_id=action, cycle=1, attempt=1, evidence_count=1, verify_due_at=now),
    )
    yield stage(Stage.VERIFYING)
    yield (
        "actions",
        ActionVerified(incident_id=i, action_id=action, cycle=1, attempt=1, cycle_complete=True, checkpoints=[]),
    )
    yield (
        "review",
        BriefingSent(incident_id=i, briefing_id=briefing, cycle=1, audience=4, target_percent=80, due_at=now),
    )
    yield stage(Stage.SHARING)
    yield "review", BriefingReached(incident_id=i, briefing_id=briefing, cycle=1, reach_percent=100)
    yield stage(Stage.CHECKING)
    yield "actions", CheckpointMeasured(
        incident_id=i, checkpoint_id=uuid.uuid4(), cycle=1, events=1, exposure=100, baseline_events=9,
        baseline_exposure=1000, proposed=Verdict.SUSTAINED, rule="bench", decide_due_at=now,
    )  # fmt: skip
    yield stage(Stage.CLOSED)
    yield "intake", IncidentClosed(incident_id=i, cycle=1, closed_at=now)


def _mix(rig: Rig, incidents: int) -> list[tuple[str, EventData, int]]:
    """The lives of many incidents, their events taken in turns as in a busy hour, with versions that rise."""
    lives = [list(_life(rig.location_id)) for _ in range(incidents)]
    mixed = []
    for group in itertools.batched(lives, 60) if hasattr(itertools, "batched") else _batched(lives, 60):
        for step in itertools.zip_longest(*group):
            mixed += [event for event in step if event is not None]
    return [(service, event, number) for number, (service, event) in enumerate(mixed, 1)]


def _batched(items: list[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _produce(rig: Rig, topic: str, events: list[tuple[str, EventData, int]]) -> None:
    admin = KafkaAdminClient(bootstrap_servers=rig.kafka)
    admin.create_topics({topic: {"num_partitions": 3, "replication_factor": 1}})
    admin.close()
    producer = KafkaProducer(bootstrap_servers=rig.kafka, acks="all", enable_idempotence=True, linger_ms=5)
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    for service, event, version in events:
        data = event.model_dump(mode="json")
        headers = {
            "ce_specversion": "1.0", "ce_id": str(uuid.uuid4()), "ce_type": event.TYPE,
            "ce_source": f"/plumbline/{service}", "ce_subject": event.key, "ce_time": at,
            "ce_providerid": str(rig.provider_id), "ce_version": str(version), "ce_actor": str(uuid.UUID(int=0)),
            "ce_actorrole": "service", "content-type": "application/json",
        }  # fmt: skip
        producer.send(
            topic, key=event.key.encode(), value=json.dumps(data).encode(),
            headers=[(k, v.encode()) for k, v in headers.items()],
        )  # fmt: skip
    producer.flush()
    producer.close()


def _ours(rig: Rig, topic: str, count: int) -> float:
    """From the first event applied to the last."""
    stop, name = threading.Event(), f"bench-{uuid.uuid4().hex[:8]}"
    engine = rig.engine("reporting")
    applied = PROCESSED.labels("reporting", name)
    thread = threading.Thread(
        target=run_consumer,
        kwargs={
            "engine": engine, "service": "reporting", "name": name, "topics": [topic],
            "batch_handler": reporting.project, "bootstrap_servers": rig.kafka, "stop": stop, "max_records": BATCH,
        },
    )  # fmt: skip
    thread.start()
    try:
        return _rate(lambda: int(applied._value.get()), count)
    finally:
        stop.set()
        thread.join()
        engine.dispose()


def _bare(rig: Rig, topic: str, count: int) -> float:
    """A consumer group member that inserts each batch into a plain table, commits there, then its offsets."""
    done = 0
    stop = threading.Event()

    def consume() -> None:
        nonlocal done
        consumer = KafkaConsumer(
            topic, bootstrap_servers=rig.kafka, group_id=f"bare-{uuid.uuid4().hex[:8]}", enable_auto_commit=False,
            auto_offset_reset="earliest", session_timeout_ms=6000, heartbeat_interval_ms=1500, max_poll_records=BATCH,
            fetch_max_wait_ms=100,
        )  # fmt: skip
        with psycopg.connect(rig.admin_url) as connection:
            connection.execute("create table if not exists bare_event (id uuid, type text, key text, data jsonb)")
            connection.commit()
            while not stop.is_set():
                records = [r for part in consumer.poll(timeout_ms=200).values() for r in part]
                if not records:
                    continue
                rows = []
                for record in records:
                    headers = dict(record.headers)
                    data = json.loads(record.value)
                    rows.append(
                        (headers["ce_id"].decode(), headers["ce_type"].decode(), record.key.decode(), json.dumps(data))
                    )
                with connection.cursor() as cursor:
                    cursor.executemany("insert into bare_event values (%s, %s, %s, %s)", rows)
                connection.commit()
                consumer.commit()
                done += len(rows)
        consumer.close()

    thread = threading.Thread(target=consume)
    thread.start()
    try:
        return _rate(lambda: done, count)
    finally:
        stop.set()
        thread.join()


def _rate(read: Any, count: int) -> float:
    deadline = time.monotonic() + 120
    while read() == 0:
        if time.monotonic() > deadline:
            raise RuntimeError("no event was applied within two minutes")
        time.sleep(0.005)
    began, first = time.perf_counter(), read()
    while read() < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{read()} of {count} events were applied within two minutes")
        time.sleep(0.005)
    return (count - first) / (time.perf_counter() - began)


def measure(rig: Rig, *, quick: bool) -> Outcome:
    """The same events through both, in turns; each round has a topic of its own."""
    rounds, incidents = (2, 120) if quick else (3, 420)
    ours, bare = [], []
    for _ in range(rounds):
        events = _mix(rig, incidents)
        topic = f"bench.{uuid.uuid4().hex[:8]}"
        _produce(rig, topic, events)
        ours.append(_ours(rig, topic, len(events)))
        bare.append(_bare(rig, topic, len(events)))
    share = ratio(ours, bare)
    return Outcome(
        name="projection",
        result=f"{middle(ours):.0f} events/s, bare {middle(bare):.0f}/s: {share:.2f}",
        holds=f">= {HOLD:.2f} of a bare consumer with the same batched insert",
        held=share >= HOLD,
        numbers={
            "events_per_second": middle(ours),
            "bare_per_second": middle(bare),
            "ratio": share,
            "rounds": [[round(a), round(b)] for a, b in zip(ours, bare, strict=True)],
        },
    )
