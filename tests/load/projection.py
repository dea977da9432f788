"""Events a second of the reporting consumer, against a bare consumer that inserts the same events into one plain table.

Both read the same backlog: the whole lives of several hundred incidents of one provider, as they overlap in time.
"""

import json
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from services.contracts import actions, intake, review
from services.contracts.event import EventData
from services.contracts.taxonomy import (
    Band,
    Category,
    Kind,
    PhysicalHarm,
    ReviewMethod,
    Role,
    Seips,
    Stage,
    Strength,
    Verdict,
)
from services.contracts.topics import PUBLISHERS
from services.reporting.consumer import project
from services.runtime.consumer import PROCESSED, run_consumer
from services.runtime.kafka import Broker, connect
from services.runtime.outbox import new_id
from tests.load.outcome import Outcome, middle, ratio
from tests.load.rig import Rig

HOLD = 0.60
PUBLISHING = ("intake", "review", "actions")
_PUBLISHER = {event: name for name in PUBLISHING for event in PUBLISHERS[name]}
_OLDEST = datetime(2026, 1, 5, 8, tzinfo=UTC)


def measure(rig: Rig, *, quick: bool) -> Outcome:
    """Publish a backlog, let both read it one after the other, and again with a new one."""
    rounds, incidents = (1, 60) if quick else (4, 400)
    rates: tuple[list[float], list[float]] = ([], [])
    events = 0
    for number in range(rounds):
        backlog = Backlog(rig, incidents)
        events = len(backlog.events)
        readers = [(_ours, rates[0]), (_bare, rates[1])]
        for read, found in readers if number % 2 else reversed(readers):
            found.append(read(rig, backlog))
    share = ratio(*rates)
    return Outcome(
        name="projection",
        result=f"{middle(rates[0]):.0f} events/s, bare {middle(rates[1]):.0f}/s: {share:.2f}",
        holds=f">= {HOLD:.2f} of a bare consumer",
        held=share >= HOLD,
        numbers={
            "events_per_second": middle(rates[0]),
            "bare_per_second": middle(rates[1]),
            "ratio": share,
            "events": events,
            "incidents": incidents,
        },
    )


class Backlog:
    """Topics of their own that hold the events of some incidents, published as a relay does."""

    def __init__(self, rig: Rig, incidents: int) -> None:
        run = uuid.uuid4().hex[:8]
        self.name = f"bench-{run}"
        self.topics = {name: f"bench.{run}.{name}" for name in PUBLISHING}
        chance = random.Random(1)
        lives = (life(chance, _OLDEST + timedelta(minutes=chance.randrange(180 * 24 * 60))) for _ in range(incidents))
        self.events = sorted((told for one in lives for told in one), key=lambda told: told[0])
        with Broker(rig.kafka, {}) as broker:
            broker.create_topics(dict.fromkeys(self.topics.values(), 3), 1)
        producer = connect(KafkaProducer, rig.kafka, acks="all", linger_ms=20, batch_size=200_000)
        try:
            for at, version, event in self.events:
                producer.send(
                    self.topics[_PUBLISHER[type(event)]],
                    json.dumps(event.model_dump(mode="json"), separators=(",", ":")).encode(),
                    event.key.encode(),
                    _headers(rig.provider_id, at, version, event),
                )
            producer.flush(timeout=60)
        finally:
            producer.close()


def _headers(provider_id: uuid.UUID, at: datetime, version: int, event: EventData) -> list[tuple[str, bytes]]:
    values = {
        "ce_specversion": "1.0",
        "ce_id": str(new_id()),
        "ce_type": event.TYPE,
        "ce_source": "/plumbline/bench",
        "ce_subject": event.key,
        "ce_time": at.isoformat(timespec="microseconds"),
        "ce_providerid": str(provider_id),
        "ce_version": str(version),
        "ce_actor": str(uuid.UUID(int=7)),
        "ce_actorrole": "registered_manager",
        "content-type": "application/json",
    }
    return [(name, value.encode()) for name, value in values.items()]


def life(chance: random.Random, reported_at: datetime) -> Iterator[tuple[datetime, int, EventData]]:
    """What the services say of one incident from report to closed: time, version, event. Some have two actions."""
    incident_id, review_id, briefing_id, checkpoint_id = (uuid.uuid4() for _ in range(4))
    location_id = uuid.UUID(int=chance.randrange(100))
    at, version = reported_at, 0

    def told(event: EventData, *, after: float = 0) -> tuple[datetime, int, EventData]:
        nonlocal at, version
        at, version = at + timedelta(hours=after), version + 1
        return at, version, event

    def entered(stage: Stage, next_move: Role | None, days: int) -> tuple[datetime, int, EventData]:
        due_at = at + timedelta(days=days)
        return told(
            intake.StageEntered(incident_id=incident_id, cycle=1, stage=stage, due_at=due_at, next_move=next_move)
        )

    yield told(
        intake.IncidentReported(
            incident_id=incident_id, location_id=location_id, region_id=None, kind=Kind.INCIDENT,
            category=chance.choice(list(Category)), occurred_at=at - timedelta(hours=2), reported_at=at,
            immediate_danger=False, triage_due_at=at + timedelta(days=1),
        )
    )  # fmt: skip
    yield told(
        intake.IncidentTriaged(
            incident_id=incident_id, cycle=1, actual_harm=PhysicalHarm.LOW, consequence=2, likelihood=2, score=4,
            band=Band.LOW, by_default=False, rule="otherwise", policy_version="bench", overridden=False,
        ),
        after=chance.uniform(1, 20),
    )  # fmt: skip
    yield told(
        review.ReviewOpened(
            incident_id=incident_id, review_id=review_id, cycle=1, method=ReviewMethod.BRIEF,
            lead_role=Role.REGISTERED_MANAGER, due_at=at + timedelta(days=7), rule="low", policy_version="bench",
        )
    )  # fmt: skip
    yield entered(Stage.REVIEWING, Role.REGISTERED_MANAGER, 7)
    yield told(
        review.ReviewSubmitted(incident_id=incident_id, review_id=review_id, cycle=1), after=chance.uniform(24, 120)
    )
    action_ids = [uuid.uuid4() for _ in range(chance.choice((1, 1, 2)))]
    for action_id in action_ids:
        yield told(
            actions.ActionAgreed(
                incident_id=incident_id, action_id=action_id, cycle=1, strength=Strength.INTERMEDIATE,
                owner_role=Role.REGISTERED_MANAGER,
            )
        )  # fmt: skip
    yield told(
        review.ReviewApproved(
            incident_id=incident_id, review_id=review_id, cycle=1, factors=[Seips.TASKS], learning_count=1,
            actions_needed=True, briefing_needed=True,
        ),
        after=chance.uniform(1, 48),
    )  # fmt: skip
    for action_id in action_ids:
        yield told(
            actions.ActionOpened(
                incident_id=incident_id, action_id=action_id, cycle=1, owner_role=Role.REGISTERED_MANAGER,
                due_at=at + timedelta(days=28), late=False,
            )
        )  # fmt: skip
    yield entered(Stage.ACTING, Role.REGISTERED_MANAGER, 28)
    for action_id in action_ids:
        yield told(
            actions.ActionDone(
                incident_id=incident_id, action_id=action_id, cycle=1, attempt=1, evidence_count=1,
                verify_due_at=at + timedelta(days=14),
            ),
            after=chance.uniform(24, 400),
        )  # fmt: skip
    yield entered(Stage.VERIFYING, Role.QUALITY_LEAD, 14)
    for action_id in action_ids:
        last = action_id == action_ids[-1]
        plan = [actions.PlannedCheckpoint(checkpoint_id=checkpoint_id, due_at=at + timedelta(days=60))]
        yield told(
            actions.ActionVerified(
                incident_id=incident_id, action_id=action_id, cycle=1, attempt=1, cycle_complete=last,
                checkpoints=plan if last else [],
            ),
            after=chance.uniform(24, 200),
        )  # fmt: skip
    yield told(
        review.BriefingSent(
            incident_id=incident_id, briefing_id=briefing_id, cycle=1, audience=3, target_percent=80,
            due_at=at + timedelta(days=14),
        )
    )  # fmt: skip
    yield entered(Stage.SHARING, Role.REGISTERED_MANAGER, 14)
    for _ in range(3):
        yield told(
            review.BriefingAcknowledged(
                incident_id=incident_id, briefing_id=briefing_id, cycle=1, location_id=location_id, understood=True
            ),
            after=chance.uniform(1, 48),
        )
    yield told(review.BriefingReached(incident_id=incident_id, briefing_id=briefing_id, cycle=1, reach_percent=100))
    yield entered(Stage.CHECKING, Role.QUALITY_LEAD, 60)
    yield told(
        actions.CheckpointMeasured(
            incident_id=incident_id, checkpoint_id=checkpoint_id, cycle=1, events=1, exposure=Decimal(1700),
            baseline_events=9, baseline_exposure=Decimal(5100), proposed=Verdict.SUSTAINED, rule="rate",
            decide_due_at=at + timedelta(days=67),
        ),
        after=60 * 24,
    )  # fmt: skip
    yield told(
        actions.ImpactJudged(
            incident_id=incident_id, checkpoint_id=checkpoint_id, cycle=1, verdict=Verdict.SUSTAINED,
            agreed_with_proposal=True, next_checkpoint=None,
        ),
        after=chance.uniform(1, 72),
    )  # fmt: skip
    yield told(intake.IncidentClosed(incident_id=incident_id, cycle=1, closed_at=at))


def _ours(rig: Rig, backlog: Backlog) -> float:
    engine = rig.engine("reporting")
    counter = PROCESSED.labels("reporting", backlog.name)

    def consume(stop: threading.Event) -> None:
        run_consumer(
            engine=engine, service="reporting", name=backlog.name, topics=list(backlog.topics.values()),
            bootstrap_servers=rig.kafka, stop=stop, batch_handler=project,
        )  # fmt: skip

    try:
        return _rate(consume, lambda: int(counter._value.get()), len(backlog.events))
    finally:
        engine.dispose()


_TABLE = text(
    "create table if not exists bare.event (event_id uuid primary key, provider_id uuid not null, key uuid not null,"
    " at timestamptz not null, type text not null, actor text not null, actor_role text not null, data jsonb not null)"
)
_INSERT = text(
    "insert into bare.event select * from json_populate_recordset(null::bare.event, cast(:rows as json))"
    " on conflict do nothing"
)


def _bare(rig: Rig, backlog: Backlog) -> float:
    engine = create_engine(make_url(rig.admin_url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text("create schema if not exists bare"))
        connection.execute(_TABLE)
    seen = 0

    def consume(stop: threading.Event) -> None:
        nonlocal seen
        consumer = connect(
            KafkaConsumer, rig.kafka, group_id=backlog.name, enable_auto_commit=False, auto_offset_reset="earliest",
            session_timeout_ms=6000, heartbeat_interval_ms=1500, max_poll_records=500, fetch_max_wait_ms=100,
        )  # fmt: skip
        consumer.subscribe(list(backlog.topics.values()))
        while not stop.is_set():
            records = [record for part in consumer.poll(timeout_ms=500).values() for record in part]
            if records:
                with engine.begin() as connection:
                    connection.execute(_INSERT, {"rows": json.dumps([_row(record) for record in records])})
                consumer.commit()
                seen += len(records)
        consumer.close()

    try:
        return _rate(consume, lambda: seen, len(backlog.events))
    finally:
        engine.dispose()


def _row(record: Any) -> dict[str, Any]:
    headers = {name: value.decode() for name, value in record.headers}
    return {
        "event_id": headers["ce_id"],
        "provider_id": headers["ce_providerid"],
        "key": record.key.decode(),
        "at": headers["ce_time"],
        "type": headers["ce_type"],
        "actor": headers["ce_actor"],
        "actor_role": headers["ce_actorrole"],
        "data": json.loads(record.value),
    }


def _rate(consume: Callable[[threading.Event], None], count: Callable[[], int], events: int) -> float:
    """Events a second from the end of the first batch, when the group has formed, to the end of the last."""
    stop = threading.Event()
    thread = threading.Thread(target=consume, args=(stop,), daemon=True)
    thread.start()
    deadline = time.monotonic() + 120
    began, first = 0.0, 0
    while (seen := count()) < events:
        if seen and not first:
            began, first = time.perf_counter(), seen
        if time.monotonic() > deadline or not thread.is_alive():
            raise RuntimeError(f"read {seen} of {events} events")
        time.sleep(0.005)
    took = time.perf_counter() - began
    stop.set()
    thread.join(timeout=20)
    return (events - first) / took
