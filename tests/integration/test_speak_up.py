"""Speaking up: who raised it stays unknown, the code cannot be guessed, and those it is about never see it."""

import io
import json
import logging
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from services.contracts import activities as contract
from services.contracts.taxonomy import Role, Stage
from services.intake import commands
from services.intake.speak_up import api
from services.runtime import audit, secret_code
from services.runtime.actor import system
from services.runtime.db import transaction
from services.runtime.limit import Limit
from services.runtime.logs import JsonFormatter
from tests.conftest import MovableClock, ServiceClient


@pytest.fixture(autouse=True)
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAISING", "OPENING"):
        monkeypatch.setattr(api, name, Limit("test", 10_000))


@pytest.fixture
def intake(client: Callable[[str], ServiceClient]) -> ServiceClient:
    return client("intake")


@pytest.fixture
def home(place: Callable[..., uuid.UUID]) -> uuid.UUID:
    return place("intake")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything that any logger of this process says."""
    kept = io.StringIO()
    handler = logging.StreamHandler(kept)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield kept
    root.setLevel(level)
    root.removeHandler(handler)


def public(intake: ServiceClient, path: str, body: Any, **headers: str) -> Any:
    return intake.http.post(path, json=body, headers=headers)


def a_concern(provider: uuid.UUID, **changes: Any) -> dict[str, Any]:
    message = "Residents are got up at five because the rota wants it."
    return {"provider_id": str(provider), "mode": "anonymous", "message": message, **changes}


def everything(engine: Engine, provider: uuid.UUID) -> str:
    """All rows of the provider in every table of intake."""
    found = []
    with transaction(engine, provider) as session:
        tables = session.scalars(
            text(
                "select tablename from pg_tables where schemaname = 'intake'"
                " and has_table_privilege(quote_ident(schemaname) || '.' || quote_ident(tablename), 'select')"
            )
        ).all()
        assert {"concern", "concern_message", "concern_receipt", "idempotency_key"} <= set(tables)
        for table in tables:
            rows = session.scalars(text(f"select to_jsonb(t)::text from intake.{table} t")).all()
            found += [f"{table}: {row}" for row in rows]
    return "\n".join(found)


def test_a_conversation_without_identity(
    intake: ServiceClient, home: uuid.UUID, actor: Any, provider_id: uuid.UUID, clock: MovableClock,
    service_engine: Callable[[str], Engine], lines: io.StringIO,
) -> None:  # fmt: skip
    traces = {"X-Forwarded-For": "203.0.113.77", "User-Agent": "Nightshift-Phone/9.1", "Referer": "http://rota.example"}
    raised = public(intake, "/speak-up", a_concern(provider_id, location_id=str(home)), **traces)
    assert raised.status_code == 201, raised.text
    code = raised.json()["code"]
    assert raised.headers["Cache-Control"] == "no-store"
    assert "blame" in raised.json()["fair_blame"]
    guardian = actor("speak_up_guardian")
    (listed,) = intake.get("/concerns", guardian).json()["items"]
    path = f"/concerns/{listed['concern_id']}"
    clock.advance(timedelta(hours=1))
    assert intake.post(f"{path}/messages", guardian, {"text": "Which wing is it?"}).status_code == 200
    clock.advance(timedelta(hours=1))
    for _ in range(2):
        sloppy = code.lower().replace("-", " ").replace("0", "o")
        more = public(intake, "/speak-up/messages", {"code": sloppy, "text": "The east wing."}, **traces)
    assert more.status_code == 200, more.text
    read = public(intake, "/speak-up/conversation", {"code": code}, **traces).json()
    assert [(m["author"], m["text"][:5]) for m in read["messages"]] == [
        ("sender", "Resid"), ("staff", "Which"), ("sender", "The e"),
    ]  # fmt: skip
    assert str(guardian.id) not in json.dumps(read)
    assert intake.get(path, guardian).json()["contact"] is None
    kept, said = everything(service_engine("intake"), provider_id), lines.getvalue()
    selector, secret = secret_code.parts(code)
    for trace in (*traces.values(), "testclient", code, code.replace("-", ""), secret):
        assert trace not in kept
        assert trace not in said
    assert selector in kept
    with transaction(service_engine("intake"), provider_id) as session:
        spread = session.execute(text("select type, data, actor from intake.outbox order by seq")).all()
        chain = audit.read(session, "intake", uuid.UUID(listed["concern_id"]))
    assert [row.type for row in spread] == ["plumbline.concern.raised.v1", "plumbline.concern.continued.v1"]
    assert "rota" not in str(spread) + str(chain) + said
    assert audit.verify(chain) is None


def test_codes_cannot_be_guessed_and_wrong_ones_look_alike(
    intake: ServiceClient, home: uuid.UUID, provider_id: uuid.UUID, service_engine: Callable[[str], Engine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    code = public(intake, "/speak-up", a_concern(provider_id)).json()["code"]
    selector, secret = secret_code.parts(code)
    assert len(secret_code._ALPHABET) ** len(secret) >= 2**128
    assert len({secret_code.new_code() for _ in range(1000)}) == 1000
    hashed: list[str] = []
    slow = secret_code._slow
    monkeypatch.setattr(secret_code, "_slow", lambda text, salt: (hashed.append(text), slow(text, salt))[1])
    wrong = [selector + secret[:-1] + ("0" if secret[-1] != "0" else "1"), secret_code.new_code(), "", "x", "\0\0", "é" * 50,
             selector, "' or true --", str(uuid.uuid4())]  # fmt: skip
    answers = [public(intake, "/speak-up/conversation", {"code": given}) for given in wrong]
    answers += [public(intake, "/speak-up/messages", {"code": given, "text": "Hello"}) for given in wrong]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert len(hashed) == len(answers), "a wrong code must cost as much as a right one"
    # Without a tenant the database gives out no row but the one that is named, and never a conversation.
    with transaction(service_engine("intake"), uuid.UUID(int=0)) as session:
        assert session.execute(text("select * from intake.concern_receipt")).all() == []
        session.execute(text("select set_config('app.receipt', :s, true)"), {"s": selector})
        assert len(session.execute(text("select * from intake.concern_receipt")).all()) == 1
        assert session.execute(text("select * from intake.concern_message")).all() == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"provider_id": str(uuid.uuid4())}, "provider_id"),
        ({"provider_id": "x"}, "provider_id"),
        ({"location_id": str(uuid.uuid4())}, "location_id"),
        ({"message": " "}, "message"),
        ({"message": "x" * 10_001}, "message"),
        ({"mode": "secret"}, "mode"),
        ({"contact": "07700 900123"}, "contact"),
        ({"mode": "confidential"}, "contact"),
        ({"keep_from": ["safeguarding_lead", "nominated_individual", "speak_up_guardian"]}, "keep_from"),
        ({"keep_from": ["Safeguarding lead"]}, "keep_from"),
        ({"name": "A"}, "name"),
    ],
)
def test_bad_input(
    intake: ServiceClient, home: uuid.UUID, provider_id: uuid.UUID, change: dict[str, Any], field: str
) -> None:
    answer = public(intake, "/speak-up", a_concern(provider_id, **change))
    assert answer.status_code == 422, answer.text
    assert field in json.dumps(answer.json()["errors"])
    assert "07700" not in answer.text


def test_outside_the_line_and_away_from_those_it_is_about(
    intake: ServiceClient, home: uuid.UUID, actor: Any, provider_id: uuid.UUID
) -> None:
    lead, individual, guardian = actor("safeguarding_lead"), actor("nominated_individual"), actor("speak_up_guardian")
    about_the_lead = a_concern(
        provider_id, mode="confidential", contact="07700 900123", keep_from=["safeguarding_lead"], location_id=str(home)
    )
    assert public(intake, "/speak-up", about_the_lead).status_code == 201
    (listed,) = intake.get("/concerns", individual).json()["items"]
    path = f"/concerns/{listed['concern_id']}"
    others = [lead, actor("registered_manager"), actor("director"), actor("carer"), actor("platform_admin"),
              actor("speak_up_guardian", locations=[uuid.uuid4()]), actor("speak_up_guardian", provider=uuid.uuid4())]  # fmt: skip
    for other in others:
        assert intake.get("/concerns", other).json()["items"] == []
        assert intake.get(path, other).status_code == 404
        assert intake.post(f"{path}/messages", other, {"text": "Who are you?"}).status_code == 404
    assert intake.get(path, guardian).json()["contact"] == "07700 900123"
    reviewer = actor("regional_manager", locations=[uuid.uuid4()])
    body = {"reviewer_id": str(reviewer.id), "protection": "A protected disclosure.", "reason": "From another region.",
            "excluded": [str(guardian.id)]}  # fmt: skip
    assert intake.call("POST", f"{path}/review", individual, body).status_code == 428
    wrong = intake.post(f"{path}/review", individual, {**body, "reviewer_id": str(guardian.id)}, version=1)
    assert [e["field"] for e in wrong.json()["errors"]] == ["reviewer_id"]
    assert intake.post(f"{path}/review", individual, body, version=1).status_code == 200
    assert intake.get(path, reviewer).json()["protection"] == "A protected disclosure."
    assert intake.get(path, guardian).status_code == 404
    assert intake.get("/concerns", guardian).json()["items"] == []


def test_an_incident_made_of_it_tells_the_sender_at_each_stage(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, provider_id: uuid.UUID, clock: MovableClock,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    code = public(intake, "/speak-up", a_concern(provider_id)).json()["code"]
    guardian, accused = actor("speak_up_guardian"), actor("nominated_individual")
    (listed,) = intake.get("/concerns", guardian).json()["items"]
    path = f"/concerns/{listed['concern_id']}/incident"
    report = {
        "location_id": str(home), "occurred_at": (now - timedelta(days=1)).isoformat(), "category": "abuse_allegation",
        "immediate_danger": False, "narrative": "People are got up at five.", "about_staff": [str(accused.id)],
    }  # fmt: skip
    mine = intake.post(path, guardian, {**report, "about_staff": [str(guardian.id)]}, version=1)
    assert [e["field"] for e in mine.json()["errors"]] == ["about_staff"]
    clock.advance(timedelta(hours=1))
    made = intake.post(path, guardian, report, version=1)
    assert made.status_code == 201, made.text
    assert intake.post(path, guardian, report, version=2).status_code == 409
    incident_id = made.json()["incident_id"]
    assert intake.get(f"/incidents/{incident_id}", guardian).status_code == 200
    assert intake.get(f"/incidents/{incident_id}", actor("safeguarding_lead")).status_code == 200
    for other in (accused, actor("registered_manager"), actor("director")):
        assert intake.get(f"/incidents/{incident_id}", other).status_code == 404
    clock.advance(timedelta(hours=1))
    enter = contract.EnterStage(
        command_id=f"{incident_id}:r", provider_id=provider_id, incident_id=uuid.UUID(incident_id), cycle=1, stage=Stage.REVIEWING,
        next_move=Role.SAFEGUARDING_LEAD, due_at=clock.now(),
    )  # fmt: skip
    with transaction(service_engine("intake"), provider_id) as session:
        commands.enter_stage(session, enter, clock.now(), system(provider_id))
    told = public(intake, "/speak-up/conversation", {"code": code}).json()["messages"]
    assert [m["author"] for m in told] == ["sender", "system", "system"]
    assert "finding out why" in told[-1]["text"]


def test_too_many_at_once_are_asked_to_wait(
    intake: ServiceClient, provider_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "OPENING", Limit("test", 2))
    answers = [public(intake, "/speak-up/conversation", {"code": "x"}) for _ in range(4)]
    assert [a.status_code for a in answers] == [404, 404, 429, 429]
    assert answers[-1].headers["Retry-After"] == "60"
    assert answers[-1].json()["type"] == "/problems/too-many"
    # Whoever tries codes keeps nobody from raising a concern.
    assert public(intake, "/speak-up", a_concern(provider_id)).json().get("type") != "/problems/too-many"


def test_whoever_is_kept_from_a_concern_is_kept_from_the_incident_made_of_it(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, provider_id: uuid.UUID
) -> None:
    public(intake, "/speak-up", a_concern(provider_id, keep_from=["safeguarding_lead"]))
    guardian, lead = actor("speak_up_guardian"), actor("safeguarding_lead")
    (listed,) = intake.get("/concerns", guardian).json()["items"]
    report = {
        "location_id": str(home), "occurred_at": (now - timedelta(days=1)).isoformat(), "category": "abuse_allegation",
        "immediate_danger": False, "narrative": "The lead laughs at us.",
    }  # fmt: skip
    made = intake.post(f"/concerns/{listed['concern_id']}/incident", guardian, report, version=1)
    incident = f"/incidents/{made.json()['incident_id']}"
    assert intake.get(incident, lead).status_code == 404
    assert intake.get(incident, actor("nominated_individual")).status_code == 200
    assert intake.get(incident, guardian).status_code == 200
