"""One trace from a person's request through outbox, broker and process to the activity that calls somebody: real parts."""

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from kafka import KafkaConsumer
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Engine
from temporalio.testing import WorkflowEnvironment

from services.contracts import activities as contract
from services.directory import activities as directory
from services.intake import __main__ as intake
from services.intake import activities as intake_activities
from services.runtime import tracing
from services.runtime.app import build_app
from services.runtime.auth import Authenticator
from services.runtime.clock import Clock
from services.runtime.consumer import decode
from services.runtime.process import Context
from services.runtime.relay import Topics, run_relay
from services.runtime.settings import TemporalSettings
from services.runtime.temporal import connect, serve_activities
from tests.conftest import Issuer
from tests.workflow.conftest import KEYS, server_binary
from workflows import search_attributes
from workflows.router import run_router
from workflows.worker import serve


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Tracing on, into memory: all parts of this test are in this process."""
    kept = InMemorySpanExporter()
    tracing.begin("test", SimpleSpanProcessor(kept))
    yield kept
    tracing.end()


def test_one_trace_from_the_request_to_the_activity(
    spans: InMemorySpanExporter,
    shared_broker: str,
    service_engine: Callable[[str], Engine],
    database: str,
    issuer: Issuer,
    actor: Callable[..., Any],
    place: Callable[..., uuid.UUID],
) -> None:
    """A dangerous report: the ladder is called. What the activity says in turn carries the trace on."""
    run = uuid.uuid4().hex[:8]
    topics = Topics(f"trace.{run}", f"trace.{run}.urgent")
    with psycopg.connect(database, autocommit=True) as connection:
        # What other tests said in this database is not of this trace.
        connection.execute("update intake.outbox set published_at = now() where published_at is null")
    incident = _report(service_engine("intake"), issuer, actor("carer"), place("intake"))
    stop, threads = threading.Event(), list[threading.Thread]()

    def beside(work: Callable[..., Any], **arguments: Any) -> None:
        threads.append(threading.Thread(target=work, kwargs={**arguments, "stop": stop}, daemon=True))
        threads[-1].start()

    try:
        beside(
            run_relay,
            engine=service_engine("intake_system"),
            service="intake",
            bootstrap_servers=shared_broker,
            topics=topics,
        )
        told = asyncio.run(_led_on(service_engine, shared_broker, topics, f"trace-{run}", stop, beside, spans))
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=20)
    [request] = [span for span in told if span.name == "POST /incidents"]
    assert request.context is not None
    trace = request.context.trace_id
    ours = {span.name for span in told if span.context is not None and span.context.trace_id == trace}
    assert "hand on plumbline.incident.reported.v1" in ours
    assert {
        "RunWorkflow:IncidentWorkflow",
        f"StartActivity:{contract.ESCALATE}",
        f"RunActivity:{contract.ESCALATE}",
    } <= ours
    with psycopg.connect(database) as connection:
        said = connection.execute(
            "select type, traceparent from intake.outbox where key = %s and type in (%s, %s)",
            [incident, "plumbline.incident.reported.v1", "plumbline.incident.escalated.v1"],
        ).fetchall()
    assert {kind for kind, _ in said} == {"plumbline.incident.reported.v1", "plumbline.incident.escalated.v1"}
    assert {carried.split("-")[1] for _, carried in said} == {f"{trace:032x}"}
    assert _in_the_broker(shared_broker, topics, incident) == {f"{trace:032x}"}


def _report(engine: Engine, issuer: Issuer, carer: Any, where: uuid.UUID) -> str:
    service = intake.SERVICE
    app = build_app(
        service=service.name, title=service.title, description=service.description, routers=service.routers, engine=engine,
        clock=Clock(), authenticator=Authenticator(issuer.settings()), body_limits=service.body_limits,
    )  # fmt: skip
    with TestClient(app) as http:
        answer = http.post(
            "/incidents",
            headers={"Authorization": f"Bearer {issuer.token(carer)}", "Idempotency-Key": str(uuid.uuid4())},
            json={
                "location_id": str(where), "kind": "incident", "category": "fall", "immediate_danger": True,
                "occurred_at": datetime.now(UTC).isoformat(), "narrative": "Somebody is on the floor.",
            },
        )  # fmt: skip
    assert answer.status_code == 201, answer.text
    return str(answer.json()["incident_id"])


async def _led_on(
    service_engine: Callable[[str], Engine],
    broker: str,
    topics: Topics,
    task_queue: str,
    stop: threading.Event,
    beside: Callable[..., None],
    spans: InMemorySpanExporter,
) -> list[ReadableSpan]:
    """Router, worker and the activities of intake and directory at work, until somebody was called. Answers all spans."""
    env = await WorkflowEnvironment.start_local(
        search_attributes=list(search_attributes.ALL), dev_server_existing_path=server_binary("temporal"),
        dev_server_log_level="error",
    )  # fmt: skip
    async with env:
        address = env.client.service_client.config.target_host
        settings = TemporalSettings(temporal_address=address, temporal_codec_keys=KEYS)
        for lane, topic in (("normal", topics.normal), ("urgent", topics.urgent)):
            beside(
                run_router, client_of=lambda: connect(settings), bootstrap_servers=broker, topics=[topic], lane=lane,
                task_queue=task_queue,
            )  # fmt: skip
        client = await connect(settings)
        working = [asyncio.create_task(serve(client, task_queue=task_queue, stop=stop))]
        for queue, build in (("intake", intake_activities.build), ("directory", directory.build)):
            context = Context(service_engine(queue), service_engine(f"{queue}_system"), Clock())
            serving = serve_activities(client, task_queue=queue, activities=build(context), stop=stop)
            working.append(asyncio.create_task(serving))
        for _ in range(600):
            if f"RunActivity:{contract.ESCALATE}" in {span.name for span in spans.get_finished_spans()}:
                break
            await asyncio.sleep(0.1)
        stop.set()
        await asyncio.gather(*working)
    return list(spans.get_finished_spans())


def _in_the_broker(broker: str, topics: Topics, incident: str) -> set[str]:
    """The traces that the events of an incident carry in the broker's log."""
    consumer = KafkaConsumer(
        topics.normal, topics.urgent, bootstrap_servers=broker, group_id=None, auto_offset_reset="earliest",
        consumer_timeout_ms=3000,
    )  # fmt: skip
    try:
        events = [decode(record) for record in consumer]
    finally:
        consumer.close()
    found = {event.traceparent.split("-")[1] for event in events if event.key == incident and event.traceparent}
    assert all(event.traceparent for event in events if event.key == incident)
    return found
