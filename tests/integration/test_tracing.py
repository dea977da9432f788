"""A trace from a person's request to the outbox, and nothing where nobody wants traces."""

import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Engine, text

from services.intake import __main__ as intake
from services.runtime import db, tracing
from services.runtime.actor import Actor
from services.runtime.app import build_app
from services.runtime.auth import Authenticator
from services.runtime.clock import Clock
from services.runtime.outbox import event_row
from services.runtime.temporal import interceptors
from tests.conftest import Issuer

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


def test_a_report_carries_its_trace_to_the_outbox(
    spans: InMemorySpanExporter,
    service_engine: Callable[[str], Engine],
    issuer: Issuer,
    actor: Callable[..., Actor],
    place: Callable[..., uuid.UUID],
) -> None:
    carer = actor("carer")
    carried = _report(service_engine("intake"), issuer, carer, place("intake"), Clock())
    found = {span.name: span for span in spans.get_finished_spans()}
    request = found["POST /incidents"]
    assert request.context is not None
    assert carried.split("-")[1] == f"{request.context.trace_id:032x}"
    assert request.attributes == {
        "http.request.method": "POST", "http.route": "/incidents", "http.response.status_code": 201,
    }  # fmt: skip
    said = str([(span.name, dict(span.attributes or {}), span.events) for span in found.values()])
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
    return str(carried[0])
