"""A hold on internal fact-finding: asked, looked at again, answered; meanwhile review takes nothing, and nobody forgets."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from services.contracts import activities as contract
from services.contracts.taxonomy import BlockerKind
from services.intake import clocks
from services.runtime import audit
from services.runtime.actor import system
from services.runtime.db import transaction
from tests.conftest import MovableClock, ServiceClient
from tests.integration.test_restricted import an_allegation, deliver, events
from tests.integration.test_review import DRAFT, Desk

WORDS = "The police want to speak to MT first."


@pytest.fixture
def intake(client: Callable[[str], ServiceClient]) -> ServiceClient:
    return client("intake")


@pytest.fixture
def home(place: Callable[..., uuid.UUID]) -> uuid.UUID:
    return place("intake")


def a_hold(now: datetime, **changes: Any) -> dict[str, Any]:
    return {
        "waits_for": "police", "reason": WORDS, "asked_at": now.isoformat(),
        "look_again_at": (now + timedelta(days=1)).isoformat(), **changes,
    }  # fmt: skip


def reported(intake: ServiceClient, home: uuid.UUID, who: Any, now: datetime) -> str:
    made = intake.post("/incidents", who, an_allegation(home, now))
    assert made.status_code == 201, made.text
    return str(made.json()["incident_id"])


def blocked(engine: Engine, provider: uuid.UUID, incident_id: str) -> bool:
    with transaction(engine, provider) as session:
        return BlockerKind.SAFEGUARDING in {one.kind for one in clocks.blocking(session, uuid.UUID(incident_id))}


def test_asked_looked_at_again_and_answered(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, clock: MovableClock,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    lead, engine = actor("safeguarding_lead"), service_engine("intake")
    incident_id = reported(intake, home, actor("carer"), now)
    none = {"decision": "not_refer", "reason": "Another team referred it."}
    assert intake.post(f"/incidents/{incident_id}/safeguarding/decision", lead, none, version=1).status_code == 200
    assert not blocked(engine, lead.provider_id, incident_id)
    path = f"/incidents/{incident_id}/holds"
    # Restricted: the manager of the place does not know of it, nor of its hold.
    assert intake.post(path, actor("registered_manager"), a_hold(now)).status_code == 404
    assert intake.post(path, actor("carer"), a_hold(now)).status_code == 403
    for field, wrong in (
        ("asked_at", (now + timedelta(hours=1)).isoformat()),
        ("look_again_at", now.isoformat()),
        ("look_again_at", (now + timedelta(days=29)).isoformat()),
        ("reason", ""),
        ("waits_for", "neighbours"),
    ):
        refused = intake.post(path, lead, a_hold(now, **{field: wrong}))
        assert (refused.status_code, [e["field"] for e in refused.json()["errors"]]) == (422, [field])
    made = intake.post(path, lead, a_hold(now))
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"'), made.text
    hold = f"/holds/{made.json()['hold_id']}"
    assert intake.post(path, lead, a_hold(now)).json()["type"] == "/problems/already-on-hold"
    assert intake.post(path, lead, a_hold(now, waits_for="local_authority")).status_code == 201
    assert blocked(engine, lead.provider_id, incident_id)
    later = {"said": "Not before Thursday.", "look_again_at": (now + timedelta(days=3)).isoformat()}
    looked = intake.post(f"{hold}/look", lead, later, version=1)
    assert [one["said"] for one in looked.json()["history"]] == ["Not before Thursday."]
    clock.advance(timedelta(days=2))
    agreed = {"answer": "Nobody asks LS again.", "answered_at": (now - timedelta(days=1)).isoformat()}
    early = intake.post(f"{hold}/agreement", lead, agreed, version=2)
    assert [e["field"] for e in early.json()["errors"]] == ["answered_at"]
    agreed["answered_at"] = clock.now().isoformat()
    assert intake.post(f"{hold}/agreement", lead, agreed, version=1).status_code == 412
    lifted = intake.post(f"{hold}/agreement", lead, agreed, version=2)
    assert (lifted.status_code, lifted.json()["answer"]) == (200, "Nobody asks LS again.")
    assert intake.post(f"{hold}/agreement", lead, agreed, version=3).json()["type"] == "/problems/already-lifted"
    assert blocked(engine, lead.provider_id, incident_id), "the authority has not agreed yet"
    assert intake.get(hold, actor("registered_manager")).status_code == 404
    chain = intake.get(f"/incidents/{incident_id}/audit", lead).json()
    assert audit.verify(chain) is None
    said = str(events(engine, lead.provider_id)) + str(chain)
    for words in (WORDS, "Thursday", "Nobody asks"):
        assert words not in said


def test_nobody_looks_again_so_somebody_is_called(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, clock: MovableClock,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    lead, engine = actor("safeguarding_lead"), service_engine("intake")
    made = intake.post(
        "/incidents", lead, {**an_allegation(home, now), "category": "fall", "narrative": "Found on the floor."}
    )
    incident_id = made.json()["incident_id"]
    hold_id = intake.post(f"/incidents/{incident_id}/holds", lead, a_hold(now)).json()["hold_id"]
    with transaction(engine, lead.provider_id) as session:
        query = text("select * from intake.clock where subject_id = :id")
        (row,) = session.execute(query, {"id": hold_id}).all()
    assert row.due_at == now + timedelta(days=1)
    ring = contract.RingClock(
        command_id="ring", provider_id=lead.provider_id, incident_id=uuid.UUID(incident_id), clock_id=row.clock_id,
        revision=row.revision,
    )  # fmt: skip
    clock.advance(timedelta(days=1))
    for _ in range(2):
        with transaction(engine, lead.provider_id) as session:
            rung = clocks.ring(session, ring, clock.now(), system(lead.provider_id))
        assert rung.due_at == clock.now() + timedelta(days=1), "and again until somebody looks"
    requested = [
        event["data"] for event in events(engine, lead.provider_id)
        if event["type"] == "plumbline.incident.escalation_requested.v1"
    ]  # fmt: skip
    assert [(one["reason"], one["role"]) for one in requested] == [("safeguarding_late", "safeguarding_lead")]


def test_review_takes_nothing_meanwhile_whatever_order_it_hears_in(
    client: Any, intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, clock: MovableClock,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    lead, engine, reviews = actor("safeguarding_lead"), service_engine("intake"), service_engine("review")
    incident_id = reported(intake, home, lead, now)
    hold_id = intake.post(f"/incidents/{incident_id}/holds", lead, a_hold(now)).json()["hold_id"]
    deliver(reviews, "review", events(engine, lead.provider_id))
    desk = Desk(reviews, clock, client("review"), lead.provider_id, actor)
    desk.open(home, incident_id=uuid.UUID(incident_id))
    assert desk.api.put(f"{desk.path}/draft", lead, DRAFT, version=1).status_code == 200
    refused = desk.api.post(f"{desk.path}/submission", lead, version=2)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/fact-finding-on-hold")
    assert "police" in refused.json()["detail"]
    shown = desk.api.get(desk.path, lead).json()
    assert [(one["hold_id"], one["waits_for"]) for one in shown["holds"]] == [(hold_id, "police")]
    assert datetime.fromisoformat(shown["due_at"]) == desk.plan.due_at, "its own clock runs on"
    agreed = {"answer": "Go on.", "answered_at": clock.now().isoformat()}
    assert intake.post(f"/holds/{hold_id}/agreement", lead, agreed, version=1).status_code == 200
    told = [event for event in events(engine, lead.provider_id) if "hold_" in event["type"]]
    assert [event["type"] for event in told] == [
        "plumbline.incident.hold_placed.v1", "plumbline.incident.hold_lifted.v1",
    ]  # fmt: skip
    # The last word first, then the one before it again.
    deliver(reviews, "review", list(reversed(told)))
    assert desk.api.get(desk.path, lead).json()["holds"] == []
    assert desk.api.post(f"{desk.path}/submission", lead, version=2).status_code == 200
