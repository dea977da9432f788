"""Webhooks: signed, in order, at least once, tried again, and never of what is restricted."""

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from services.contracts import intake
from services.contracts.taxonomy import Role, Stage
from services.reporting.webhooks import sending
from services.reporting.webhooks.settings import WebhookSettings
from services.runtime.outbox import new_id
from tests.integration.test_reporting import Book
from tests.workflow.conftest import KEYS


class Outside:
    """A system outside that keeps what it is told, and answers as a test says."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, Any], str, bytes]] = []
        self.status = 204
        outside = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outside.calls.append((json.loads(body), self.headers["Plumbline-Signature"], body))
                self.send_response(outside.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/told"

    def told(self) -> list[tuple[str, str]]:
        """Types and incidents, and forgets them."""
        found = [(call["type"].split(".", 1)[1], call["subject"]) for call, _, _ in self.calls]
        self.calls.clear()
        return found


@pytest.fixture
def outside() -> Iterator[Outside]:
    made = Outside()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch, no_other_webhooks: None) -> None:
    """What secrets are sealed with."""
    monkeypatch.setenv("PLUMBLINE_TEMPORAL_CODEC_KEYS", KEYS.get_secret_value())


@pytest.fixture
def book(service_engine: Callable[[str], Engine], provider_id: UUID, clock: Any) -> Book:
    return Book(service_engine("reporting"), provider_id, clock)


def test_a_system_outside_is_told_in_order_until_it_has_taken_everything(
    book: Book, client: Any, actor: Any, outside: Outside, service_engine: Callable[[str], Engine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    api, admin, home = client("reporting"), actor("platform_admin"), book.location()
    body = {"url": outside.url, "event_types": []}
    path = f"/webhooks/{uuid4()}"
    refused = api.put(path, admin, body)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "url"), "only https leaves the house"
    monkeypatch.setenv("PLUMBLINE_WEBHOOKS_ANYWHERE", "true")
    for wrong in (
        {"url": "https://me:secret@system.example/"}, {"url": "ftp://system.example/"}, {"url": "https://[::1/"},
        {"event_types": ["plumbline.location.recorded.v1"]}, {"secret": "mine"},
    ):  # fmt: skip
        assert api.put(path, admin, {**body, **wrong}).status_code == 422, wrong
    for role in ("quality_lead", "registered_manager", "carer"):
        assert api.put(path, actor(role), body).status_code == 403
        assert api.get("/webhooks", actor(role)).status_code == 403

    before = book.report(home)
    book.project()
    made = api.put(path, admin, body)
    assert made.status_code == 200, made.text
    secret = made.json()["secret"]
    narrow = api.put(f"/webhooks/{uuid4()}", admin, {**body, "event_types": [intake.IncidentTriaged.TYPE]})
    assert narrow.json()["secret"] != secret
    [one, _] = api.get("/webhooks", admin).json()["items"]
    assert "secret" not in one
    assert api.get("/webhooks", actor("director", provider=uuid4())).json()["items"] == []
    stranger = actor("platform_admin", provider=uuid4())
    assert api.put(path, stranger, body).json()["type"] == "/problems/id-taken"

    def send(anywhere: bool = True) -> tuple[int, int]:
        found = sending.send_all(
            book.engine, service_engine("reporting_system"), book.clock.now, WebhookSettings(webhooks_anywhere=anywhere)
        )
        return found.events, found.unanswered

    assert send() == (0, 0), "what was known before is read, not told"
    first = book.report(home)
    hidden = book.report(home, restricted=True)
    book.triage(hidden)
    book.triage(first)
    book.project()
    assert send(anywhere=False) == (0, 2), "an address inside is not called, whoever asks"
    assert outside.calls == []
    book.clock.advance(timedelta(minutes=1))
    assert send() == (3, 0)
    call, signed, raw = outside.calls[0]
    assert call["data"]["incident_id"] == call["subject"] == str(first)
    at, _, digest = signed.removeprefix("t=").partition(",v1=")
    keys = (secret, narrow.json()["secret"])
    assert digest in [hmac.new(key.encode(), f"{at}.".encode() + raw, hashlib.sha256).hexdigest() for key in keys]
    assert sorted(outside.told()) == sorted(
        [("incident.reported.v1", str(first)), ("incident.triaged.v1", str(first)), ("incident.triaged.v1", str(first))]
    )
    assert send() == (0, 0)

    current = api.get("/webhooks", admin).json()["items"]
    version = next(one["version"] for one in current if one["webhook_id"] == narrow.json()["webhook_id"])
    off = {**body, "active": False}
    assert api.put(f"/webhooks/{narrow.json()['webhook_id']}", admin, off).status_code == 428
    assert api.put(f"/webhooks/{narrow.json()['webhook_id']}", admin, off, version=version).status_code == 200

    book.tell(intake.IncidentDescribed(incident_id=first, people=["ab" * 16], medicine="insulin", revision=1), 2)
    book.project()
    assert send() == (1, 0)
    assert outside.calls[0][0]["data"]["medicine"] == "insulin"
    assert b"ab" * 16 not in outside.calls[0][2], "what stands for a person stays in the house"
    outside.calls.clear()

    outside.status = 500
    book.enter(first, Stage.REVIEWING, 3, due_days=3)
    book.enter(before, Stage.REVIEWING, 3, due_days=3)
    book.project()
    assert send() == (0, 1)
    assert len(outside.told()) == 1, "the second waits for the first"
    assert send() == (0, 0), "not again at once"
    outside.status = 302
    book.clock.advance(timedelta(minutes=1))
    assert send() == (0, 1), "nobody is followed elsewhere"
    failing = next(one for one in api.get("/webhooks", admin).json()["items"] if one["active"])
    assert failing["failures"] == 2
    assert failing["failing_since"] == "2026-06-08T09:01:00Z"
    outside.calls.clear()
    outside.status = 200
    book.clock.advance(timedelta(minutes=10))
    assert send() == (2, 0)
    assert outside.told() == [("incident.stage_entered.v1", str(first)), ("incident.stage_entered.v1", str(before))]
    assert next(one for one in api.get("/webhooks", admin).json()["items"] if one["active"])["failures"] == 0

    # An urgent event overtakes the report that says the incident is restricted.
    secretly = book.report(home, restricted=True)
    report = book.told[-1]
    book.tell(
        intake.IncidentEscalated(
            incident_id=secretly, escalation_id=new_id(), level=1, reason="high_risk", to_role=Role.DIRECTOR,
            to_person=None,
        )
    )  # fmt: skip
    book.project([book.told[-1]])
    book.triage(before, version=4)
    book.project([book.told[-1]])
    assert send() == (0, 0)
    book.project([report])
    assert send() == (1, 0)
    assert outside.told() == [("incident.triaged.v1", str(before))]
