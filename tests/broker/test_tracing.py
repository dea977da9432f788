"""One trace from a person's request to what the process does because of it: HTTP, outbox, Kafka, workflow, activity."""

import asyncio
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Engine, text
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from services.contracts.topics import topic, urgent_topic
from services.intake import __main__ as intake
from services.intake import activities
from services.runtime import db, tracing
from services.runtime.actor import Actor
from services.runtime.app import build_app
from services.runtime.auth import Authenticator
from services.runtime.clock import Clock
from services.runtime.kafka import poll_batches
from services.runtime.outbox import event_row
from services.runtime.process import Context
from services.runtime.relay import run_relay
from services.runtime.temporal import data_converter, interceptors, serve_activities
from tests.conftest import Issuer
from tests.workflow.conftest import KEYS, server_binary
from workflows import search_attributes
from workflows.router import _decoded, hand_on_all
from workflows.worker import build_worker

NARRATIVE = "Mrs Example was found on the floor"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Tracing on, into memory."""
    kept = InMemorySpanExporter()
    tracing.begin("test", SimpleSpanProcessor(kept))
    yield kept
    tracing.end()


def test_without_a_place_to_send_them_there_are_no_traces(
    monkeypatch: pytest.MonkeyPatch, actor: Callable[..., Actor]
) -> None:
    monkeypatch.delenv(tracing.ENDPOINT, raising=False)
    tracing.configure("intake")
    assert tracing.tracer() is None
    assert interceptors() == []
    carer = actor("carer")

    class Said:
        TYPE, key = "plumbline.test.v1", "k"

        def model_dump(self, *, mode: str) -> dict[str, Any]:
            return {}

    row = event_row(Said(), actor=carer, subject=uuid.uuid4(), version=1, at=datetime.now().astimezone())
    assert "traceparent" not in row


def test_a_report_is_followed_to_what_the_process_does(
    spans: InMemorySpanExporter,
    shared_broker: str,
    service_engine: Callable[[str], Engine],
    issuer: Issuer,
    actor: Callable[..., Actor],
    place: Callable[..., uuid.UUID],
) -> None:
    carer, clock = actor("carer"), Clock()
    incident_id = _report(service_engine("intake"), issuer, carer, place("intake"), clock)
    stop = threading.Event()
    relay = threading.Thread(
        target=run_relay,
        kwargs={
            "engine": service_engine("intake_system"), "service": "intake", "bootstrap_servers": shared_broker,
            "topics": intake.SERVICE.topics, "stop": stop,
        },
    )  # fmt: skip
    relay.start()
    try:
        asyncio.run(_process(shared_broker, service_engine, clock, incident_id, stop))
    finally:
        stop.set()
        relay.join(timeout=30)
    found = {span.name: span for span in spans.get_finished_spans()}
    request = found["POST /incidents"]
    assert request.context is not None
    trace = [span for span in spans.get_finished_spans() if span.context.trace_id == request.context.trace_id]
    by_id = {span.context.span_id: span for span in trace}

    def line(span: ReadableSpan) -> list[str]:
        above = by_id.get(span.parent.span_id) if span.parent is not None else None
        return [*(line(above) if above is not None else []), span.name]

    activity = next(span for span in trace if span.name.startswith("RunActivity:intake."))
    followed = line(activity)
    assert followed[:2] == ["POST /incidents", "hand on plumbline.incident.reported.v1"]
    assert [name.partition(":")[0] for name in followed[2:]] == [
        "SignalWithStartWorkflow", "RunWorkflow", "StartActivity", "RunActivity",
    ]  # fmt: skip
    assert request.attributes == {
        "http.request.method": "POST", "http.route": "/incidents", "http.response.status_code": 201,
    }  # fmt: skip
    said = str([(span.name, dict(span.attributes or {}), span.events, span.status.description) for span in trace])
    assert "Mrs Example" not in said
    assert str(carer.id) not in said


def _report(engine: Engine, issuer: Issuer, carer: Actor, where: uuid.UUID, clock: Clock) -> str:
    service = intake.SERVICE
    app = build_app(
        service=service.name, title=service.title, description=service.description, routers=service.routers, engine=engine,
        clock=clock, authenticator=Authenticator(issuer.settings()), body_limits=service.body_limits,
    )  # fmt: skip
    with TestClient(app) as http:
        answer = http.post(
            "/incidents",
            headers={"Authorization": f"Bearer {issuer.token(carer)}", "Idempotency-Key": str(uuid.uuid4())},
            json={
                "location_id": str(where), "kind": "incident", "category": "fall", "immediate_danger": False,
                "occurred_at": clock.now().isoformat(), "narrative": NARRATIVE,
            },
        )  # fmt: skip
    assert answer.status_code == 201, answer.text
    with db.transaction(engine, carer.provider_id) as session:
        carried = session.scalars(text("select distinct traceparent from intake.outbox")).all()
    assert len(carried) == 1
    assert carried[0] is not None
    return str(answer.json()["incident_id"])


async def _process(
    broker: str, service_engine: Callable[[str], Engine], clock: Clock, incident_id: str, stop: threading.Event
) -> None:
    """Hand on what the relay published, and run the process until it has done something of intake's."""
    env = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=server_binary("temporal-test-server"),
        data_converter=data_converter(KEYS),
        interceptors=interceptors(),
    )
    async with env:
        names = {key.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD for key in search_attributes.ALL}
        await env.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=env.client.namespace, search_attributes=names)
        )
        context = Context(service_engine("intake"), service_engine("intake_system"), clock)
        serving = asyncio.create_task(
            serve_activities(env.client, task_queue="intake", activities=activities.build(context), stop=stop)
        )
        async with build_worker(env.client, task_queue="incident"):
            await asyncio.to_thread(_hand_on, env.client, asyncio.get_running_loop(), broker, incident_id)
            handle = env.client.get_workflow_handle(f"incident-{incident_id}")
            for _ in range(600):
                events = [event async for event in handle.fetch_history_events()]
                if any(event.HasField("activity_task_completed_event_attributes") for event in events):
                    break
                await asyncio.sleep(0.1)
            else:
                raise AssertionError("no activity within a minute")
        stop.set()
        await serving


def _hand_on(client: Client, loop: asyncio.AbstractEventLoop, broker: str, incident_id: str) -> None:
    done = threading.Event()
    for records in poll_batches(
        bootstrap_servers=broker, service=f"test-{uuid.uuid4().hex[:8]}", name="normal",
        topics=[topic("intake"), urgent_topic("intake")], stop=done, patience=1,
    ):  # fmt: skip
        events = [event for event in map(_decoded, records) if event is not None and event.key == incident_id]
        if events:
            asyncio.run_coroutine_threadsafe(
                hand_on_all(client, events, lane="normal", stop=done, task_queue="incident"), loop
            ).result(60)
            done.set()
