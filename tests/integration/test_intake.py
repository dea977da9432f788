"""Intake over HTTP on a real database: reports, triage, endings, and everything that can be wrong with them."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from services.contracts import activities as contract
from services.contracts.taxonomy import Role, Stage
from services.intake import commands
from services.intake.activities import build
from services.runtime import audit
from services.runtime.actor import Actor, system
from services.runtime.db import transaction
from services.runtime.process import Context
from tests.conftest import MovableClock, ServiceClient


@pytest.fixture
def intake(client: Callable[[str], ServiceClient]) -> ServiceClient:
    return client("intake")


@pytest.fixture
def home(place: Callable[..., uuid.UUID]) -> uuid.UUID:
    return place("intake")


def a_report(home: uuid.UUID, now: datetime, **changes: Any) -> dict[str, Any]:
    return {
        "location_id": str(home),
        "occurred_at": (now - timedelta(hours=1)).isoformat(),
        "category": "medication",
        "immediate_danger": False,
        "narrative": "Ten millilitres were given, five were on the chart.",
        **changes,
    }


def rows(engine: Engine, provider: uuid.UUID, table: str) -> int:
    with transaction(engine, provider) as session:
        return session.scalar(text(f"select count(*) from intake.{table}")) or 0


def test_a_report_is_kept_with_its_audit_entry_and_its_event(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, service_engine: Callable[[str], Engine]
) -> None:
    carer = actor("carer", locations=[home])
    answer = intake.post("/incidents", carer, a_report(home, now))
    assert answer.status_code == 201, answer.text
    receipt = answer.json()
    assert receipt["stage"] == "reported"
    assert datetime.fromisoformat(receipt["triage_due_at"]) == now + timedelta(hours=24)
    assert answer.headers["ETag"] == '"1"'
    with transaction(service_engine("intake"), carer.provider_id) as session:
        [event] = session.execute(text("select * from intake.outbox")).mappings()
        chain = audit.read(session, "intake", uuid.UUID(receipt["incident_id"]))
    assert event["type"] == "plumbline.incident.reported.v1"
    # A medicines error asks for advice within the hour, so the clock of its checks rings at three quarters of that.
    assert event["data"]["checks_warned_at"] == (now + timedelta(minutes=45)).isoformat().replace("+00:00", "Z")
    assert event["key"] == receipt["incident_id"]
    assert "millilitres" not in str(dict(event)) + str(chain)
    assert audit.verify(chain) is None
    told = intake.get(f"/incidents/{receipt['incident_id']}/feedback", carer).json()
    assert told[0]["message"].startswith("Thank you")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"location_id": "nowhere"}, "location_id"),
        ({"location_id": str(uuid.uuid4())}, "location_id"),
        ({"occurred_at": "2026-06-09T09:00:00+00:00"}, "occurred_at"),
        ({"occurred_at": "1996-06-09T09:00:00+00:00"}, "occurred_at"),
        ({"occurred_at": "2026-06-08T08:00:00"}, "occurred_at"),
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"category": "slip"}, "category"),
        ({"narrative": "x" * 10_001}, "narrative"),
        ({"narrative": "   "}, "narrative"),
        ({"narrative": "a\x00b"}, "narrative"),
        ({"narrative": None}, "narrative"),
        ({"immediate_danger": "perhaps"}, "immediate_danger"),
        ({"severity": "high"}, "severity"),
    ],
)
def test_bad_input_names_the_field_and_the_remedy_and_writes_nothing(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, service_engine: Callable[[str], Engine],
    change: dict[str, Any], field: str,
) -> None:  # fmt: skip
    carer = actor("carer", locations=[home])
    answer = intake.post("/incidents", carer, a_report(home, now, **change))
    assert answer.status_code == 422, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert [e["field"] for e in problem["errors"]] == [field]
    assert all(e["remedy"] for e in problem["errors"])
    for table in ("incident", "outbox", "audit_entry", "idempotency_key"):
        assert rows(service_engine("intake"), carer.provider_id, table) == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"location_id": "\\ud800"}', b"\xff\xfe", b"[" * 5000, b'{"a": 1e999}'],
)
def test_a_body_that_is_no_report_is_refused(intake: ServiceClient, actor: Any, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = intake.call("POST", "/incidents", actor("carer"), headers=headers, content=body)
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["title"]


def test_a_body_over_a_megabyte_is_refused(intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime) -> None:
    answer = intake.post("/incidents", actor("carer"), a_report(home, now, narrative="x" * 1_100_000))
    assert answer.status_code == 413
    assert "1,000,000" in answer.json()["detail"]


def test_tokens(intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime) -> None:
    carer, body = actor("carer"), a_report(home, now)
    at = int(datetime.now().timestamp())  # noqa: DTZ005 - seconds since the epoch

    def answer(token: str | None) -> Any:
        headers = {"Idempotency-Key": str(uuid.uuid4())} | ({"Authorization": f"Bearer {token}"} if token else {})
        return intake.http.post("/incidents", headers=headers, json=body)

    issuer = intake.issuer
    assert answer(issuer.token(carer)).status_code == 201
    for token, title in [
        (None, "No token"),
        ("nonsense", "The token is not valid here"),
        (issuer.token(carer)[:-4] + "AAAA", "The token is not valid here"),
        # replayed after its time
        (issuer.token(carer, iat=at - 7200, exp=at - 3600), "The token has expired"),
        (issuer.token(carer, aud="another"), "The token is not valid here"),
        (issuer.token(carer, iss="https://elsewhere.example"), "The token is not valid here"),
        (issuer.token(carer, exp=at + 90 * 86400), "The token lives too long"),
        (issuer.token(carer, provider_id="x"), "The token lacks what Plumbline needs"),
    ]:
        refused = answer(token)
        assert (refused.status_code, refused.json()["title"]) == (401, title)
        assert refused.json()["detail"]


def test_scope_and_provider(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, place: Callable[..., uuid.UUID]
) -> None:
    elsewhere = place("intake")
    carer = actor("carer", locations=[elsewhere])
    assert intake.post("/incidents", carer, a_report(home, now)).status_code == 403
    manager = actor("registered_manager", locations=[home])
    made = intake.post("/incidents", manager, a_report(home, now)).json()["incident_id"]
    assert intake.get(f"/incidents/{made}", manager).status_code == 200
    assert intake.get(f"/incidents/{made}", carer).status_code == 404
    stranger = actor("registered_manager", provider=uuid.uuid4())
    assert intake.get(f"/incidents/{made}", stranger).status_code == 404
    assert intake.get("/incidents", stranger).json()["items"] == []
    scored = {"actual_harm": "low", "consequence": 2, "likelihood": 3}
    assert intake.post(f"/incidents/{made}/triage", stranger, scored, version=1).status_code == 404
    carer_here = actor("carer", locations=[home])
    assert intake.post(f"/incidents/{made}/triage", carer_here, scored, version=1).status_code == 403


def test_the_same_key_gives_the_same_reply_and_one_incident(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, service_engine: Callable[[str], Engine]
) -> None:
    carer, key = actor("carer"), "the-same-key"
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: intake.post("/incidents", carer, a_report(home, now), key=key), range(6)))
    assert {a.status_code for a in answers} == {201}
    assert len({a.json()["incident_id"] for a in answers}) == 1
    assert rows(service_engine("intake"), carer.provider_id, "incident") == 1
    other = intake.post("/incidents", carer, a_report(home, now, category="fall"), key=key)
    assert other.status_code == 422
    assert other.json()["type"] == "/problems/idempotency-key-reused"
    missing = intake.http.post(
        "/incidents", headers={"Authorization": f"Bearer {intake.issuer.token(carer)}"}, json=a_report(home, now)
    )
    assert [e["field"] for e in missing.json()["errors"]] == ["Idempotency-Key"]


@pytest.mark.parametrize(
    ("kind", "category", "harm", "field"),
    [
        ("incident", "fall", {"actual_harm": "fatal", "consequence": 4}, "consequence"),
        ("incident", "fall", {"actual_harm": "severe", "consequence": 3}, "consequence"),
        ("incident", "fall", {"psychological_harm": "severe", "consequence": 1}, "consequence"),
        ("incident", "fall", {"actual_harm": "moderate", "consequence": 2}, "consequence"),
        ("incident", "fall", {"psychological_harm": "moderate", "consequence": 2}, "consequence"),
        ("incident", "fall", {"actual_harm": "low", "consequence": 1}, "consequence"),
        ("incident", "fall", {"actual_harm": "low", "psychological_harm": "moderate", "consequence": 3}, None),
        ("incident", "fall", {"actual_harm": "low", "consequence": 2}, None),
        ("near_miss", "fall", {"actual_harm": "severe", "consequence": 4}, "actual_harm"),
        ("near_miss", "fall", {"psychological_harm": "low", "consequence": 4}, "psychological_harm"),
        ("good_care", "fall", {"actual_harm": "fatal", "consequence": 5}, "actual_harm"),
        ("good_care", "death", {"psychological_harm": "severe", "consequence": 4}, "psychological_harm"),
        ("incident", "death", {"actual_harm": "none", "consequence": 5}, "actual_harm"),
        ("incident", "death", {"actual_harm": "severe", "consequence": 5}, "actual_harm"),
        ("incident", "fall", {"actual_harm": "severe", "psychological_harm": "severe", "consequence": 4}, None),
        ("near_miss", "death", {"consequence": 5}, None),
        ("incident", "death", {"actual_harm": "fatal", "consequence": 5}, None),
    ],
)
def test_harm_that_contradicts_the_report_or_the_score_is_refused(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, kind: str, category: str, harm: dict[str, Any],
    field: str | None,
) -> None:  # fmt: skip
    manager = actor("registered_manager")
    made = intake.post("/incidents", manager, a_report(home, now, kind=kind, category=category))
    body = {"actual_harm": "none", "likelihood": 1, "reason": "As seen.", **harm}
    answer = intake.post(f"/incidents/{made.json()['incident_id']}/triage", manager, body, version=1)
    assert answer.status_code == (422 if field else 200), answer.text
    if field:
        [error] = answer.json()["errors"]
        assert (error["field"], bool(error["remedy"])) == (field, True)


def test_triage_by_a_person(intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime) -> None:
    manager = actor("registered_manager")
    path = f"/incidents/{intake.post('/incidents', manager, a_report(home, now)).json()['incident_id']}"
    low = {"actual_harm": "none", "consequence": 1, "likelihood": 2}
    suggested = intake.get(f"{path}/triage-suggestion", manager).json()
    assert suggested["consequence"] * suggested["likelihood"] > 2
    assert intake.get(f"{path}/triage-suggestion", actor("carer", locations=[home])).status_code == 403
    unreasoned = intake.post(f"{path}/triage", manager, low, version=1)
    assert [e["field"] for e in unreasoned.json()["errors"]] == ["reason"]
    fatal = {"actual_harm": "fatal", "consequence": 3, "likelihood": 3}
    assert intake.post(f"{path}/triage", manager, fatal, version=1).status_code == 422
    assert intake.post(f"{path}/triage", manager, low, version=9).status_code == 412
    assert intake.call("POST", f"{path}/triage", manager, low).status_code == 428
    done = intake.post(f"{path}/triage", manager, {**low, "reason": "It was a vitamin."}, version=1)
    assert (done.status_code, done.json()["stage"], done.json()["band"]) == (200, "triaged", "low")
    higher = {"actual_harm": "severe", "psychological_harm": "low", "consequence": 5, "likelihood": 4}
    unexplained = intake.post(f"{path}/triage", manager, higher, version=2)
    assert [e["field"] for e in unexplained.json()["errors"]] == ["reason"]
    again = intake.post(f"{path}/triage", manager, {**higher, "reason": "A fracture was found."}, version=2)
    assert (again.status_code, again.json()["stage"], again.json()["band"]) == (200, "triaged", "extreme")
    read = intake.get(path, manager)
    assert read.headers["ETag"] == '"3"'
    first, second = read.json()["triage"]
    assert (first["rule"], first["suggested_consequence"]) == (suggested["rule"], suggested["consequence"])
    assert (read.json()["restricted"], read.json()["seen_as"]) == (False, None)
    assert (first["rule"], first["by_default"], first["score"], first["revision"]) == ("otherwise", False, 2, 1)
    assert (second["actual_harm"], second["psychological_harm"], second["revision"]) == ("severe", "low", 2)


def test_endings_and_reopening(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, service_engine: Callable[[str], Engine]
) -> None:
    manager = actor("quality_lead")
    first, second, third = (
        intake.post("/incidents", manager, a_report(home, now)).json()["incident_id"] for _ in range(3)
    )
    assert (
        intake.post(f"/incidents/{first}/withdrawal", manager, {"reason": "Test."}, version=1).json()["stage"]
        == "withdrawn"
    )
    assert intake.post(f"/incidents/{first}/withdrawal", manager, {"reason": "Test."}, version=2).status_code == 409
    for wrong in (second, first, str(uuid.uuid4())):
        answer = intake.post(f"/incidents/{second}/duplicate", manager, {"duplicate_of": wrong}, version=1)
        assert [e["field"] for e in answer.json()["errors"]] == ["duplicate_of"]
    choking = intake.post("/incidents", manager, a_report(home, now, category="choking")).json()["incident_id"]
    answer = intake.post(f"/incidents/{second}/duplicate", manager, {"duplicate_of": choking}, version=1)
    assert [e["field"] for e in answer.json()["errors"]] == ["duplicate_of"], "of another category"
    assert (
        intake.post(f"/incidents/{second}/duplicate", manager, {"duplicate_of": third}, version=1).json()["stage"]
        == "duplicate"
    )
    reopening = {"stage": "reviewing", "reason": "It happened again."}
    assert intake.post(f"/incidents/{third}/reopening", manager, reopening, version=1).status_code == 409
    engine = service_engine("intake")
    with transaction(engine, manager.provider_id) as session:
        close = contract.EnterStage(
            command_id=f"{third}:1:closed", provider_id=manager.provider_id, incident_id=uuid.UUID(third), cycle=1,
            stage=Stage.CLOSED,
        )  # fmt: skip
        commands.enter_stage(session, close, now, system(manager.provider_id))
    reopened = intake.post(f"/incidents/{third}/reopening", manager, reopening, version=2)
    assert (reopened.status_code, reopened.json()["cycle"], reopened.json()["stage"]) == (200, 2, "reviewing")


def test_activities_happen_once(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, clock: MovableClock,
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    manager: Actor = actor("registered_manager")
    incident_id = uuid.UUID(intake.post("/incidents", manager, a_report(home, now)).json()["incident_id"])
    context = Context(service_engine("intake"), service_engine("intake_system"), clock)
    run = {f.__name__: f for f in build(context)}
    identity = {"provider_id": manager.provider_id, "incident_id": incident_id}
    clock.advance(timedelta(hours=25))
    for _ in range(2):
        run["default_triage"](contract.DefaultTriage(command_id="t", cycle=1, **identity))
    read = intake.get(f"/incidents/{incident_id}", manager).json()
    assert [t["by_default"] for t in read["triage"]] == [True]
    told = intake.get(f"/incidents/{incident_id}/feedback", manager).json()[-1]["message"]
    assert told.startswith("Nobody has looked"), "a rule is not a manager who has looked"
    enter = contract.EnterStage(
        command_id="r",
        cycle=1,
        stage=Stage.REVIEWING,
        next_move=Role.REGISTERED_MANAGER,
        due_at=clock.now(),
        **identity,
    )
    back = contract.EnterStage(command_id="back", cycle=1, stage=Stage.TRIAGED, **identity)
    for command in (enter, enter, back):
        run["enter_stage"](command)
    reminder = contract.Remind(
        command_id="m", cycle=1, stage=Stage.REVIEWING, count=2, next_move=Role.REGISTERED_MANAGER, **identity
    )
    answers = set()
    for _ in range(2):
        reminded = run["remind"](reminder)
        answers.add((reminded.next_at, reminded.escalate))
        clock.advance(timedelta(minutes=1))
    assert len(answers) == 1
    assert next(iter(answers))[1] is True
    read = intake.get(f"/incidents/{incident_id}", manager).json()
    assert read["stage"] == "reviewing"
    engine = service_engine("intake")
    assert rows(engine, manager.provider_id, "reminder") == 1
    page = run["list_open_incidents"](contract.ListOpenIncidents(limit=1000))
    assert incident_id in {i.incident_id for i in page.incidents}
    chain = intake.get(f"/incidents/{incident_id}/audit", manager).json()
    assert audit.verify(chain) is None
    assert [e["action"] for e in chain] == [
        "reported", "triaged", "entered_stage", "reminded",
    ]  # fmt: skip
    sent = run["republish"](contract.Republish(command_id="x", **identity))
    assert sent == rows(engine, manager.provider_id, "outbox"), "all that was ever said of it"


def test_what_waits_for_whom_and_nothing_restricted(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, clock: MovableClock, place: Callable[..., uuid.UUID],
    service_engine: Callable[[str], Engine],
) -> None:  # fmt: skip
    manager: Actor = actor("registered_manager")
    far, allegation = place("intake"), place("intake")
    for at in (home, home, far):
        intake.post("/incidents", manager, a_report(at, now))
    body = a_report(allegation, now, category="abuse_allegation", about_staff=[str(uuid.uuid4())])
    assert intake.post("/incidents", manager, body).status_code == 201
    engines = service_engine("intake"), service_engine("intake_system")
    run = {f.__name__: f for f in build(Context(*engines, clock))}
    found, after = [], None
    while page := run["list_waiting"](contract.ListWaiting(after=after, limit=1)).waiting:
        found, after = [*found, *page], page[-1]
    ours = [(one.role, one.location_id) for one in found if one.provider_id == manager.provider_id]
    assert ours == sorted((Role.REGISTERED_MANAGER, at) for at in (home, far))
    assert found == run["list_waiting"](contract.ListWaiting(limit=10_000)).waiting


def test_the_whole_of_it_is_what_its_parts_are_for_the_same_person(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime
) -> None:
    reporter = actor("carer")
    incident = "/incidents/" + intake.post("/incidents", reporter, a_report(home, now)).json()["incident_id"]
    for reader in (actor("safeguarding_lead"), reporter):
        answer = intake.get(f"{incident}/whole", reader)
        assert answer.status_code == 200, answer.text
        whole = answer.json()
        for part, says in whole.items():
            alone = intake.get(incident if part == "incident" else f"{incident}/{part}", reader)
            assert says == (alone.json() if alone.status_code == 200 else None), part
            assert alone.status_code in (200, 403, 404)
        assert answer.headers["ETag"] == intake.get(incident, reader).headers["ETag"]
    assert whole["safeguarding"] is whole["holds"] is whole["links"] is whole["recurrences"] is None
    assert intake.get(f"{incident}/whole", actor("carer", locations=[uuid.uuid4()])).status_code == 404


def test_import_is_resumable_and_says_what_it_refused(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime, service_engine: Callable[[str], Engine]
) -> None:
    lead = actor("quality_lead")

    def row(ref: str, **changes: Any) -> dict[str, Any]:
        return {
            "source_ref": ref, "location_id": str(home), "category": "fall", "actual_harm": "low",
            "occurred_at": "2025-03-01T10:00:00+00:00", "closed_at": "2025-03-20T10:00:00+00:00",
            "narrative": "Found on the floor.", **changes,
        }  # fmt: skip

    batch = [row("1"), row("2"), row("2"), row("3", location_id=str(uuid.uuid4())), row("4", closed_at=None),
             row("5", closed_at="2025-02-01T10:00:00+00:00")]  # fmt: skip
    body = {"source": "old-system", "incidents": batch}
    first = intake.post("/incident-imports", lead, body).json()
    assert (first["created"], first["unchanged"], set(first["rejected"])) == (3, 1, {"3", "5"})
    assert all(":" in reason for reason in first["rejected"].values())
    second = intake.post("/incident-imports", lead, body).json()
    assert (second["created"], second["unchanged"]) == (0, 4)
    with transaction(service_engine("intake"), lead.provider_id) as session:
        types = session.scalars(text("select type from intake.outbox order by type")).all()
    # Only the one that is still open starts a process.
    assert [t.split(".")[2] for t in types] == ["imported", "imported", "reported"]
    assert intake.post("/incident-imports", actor("carer"), body).status_code == 403


def test_pages_continue_where_they_ended(intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime) -> None:
    carer = actor("carer")
    made = [intake.post("/incidents", carer, a_report(home, now)).json()["incident_id"] for _ in range(5)]
    seen: list[str] = []
    cursor = None
    while True:
        page = intake.get("/incidents", carer, params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [item["incident_id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == made[::-1]
    for cursor in ("x", "bm90IGpzb24=", "W10=", "WzFd"):
        assert intake.get("/incidents", carer, params={"cursor": cursor}).status_code == 422


def test_reporters_hear_what_becomes_of_it_without_asking(
    intake: ServiceClient, home: uuid.UUID, actor: Any, now: datetime
) -> None:
    """The newest word on each own report stands in the inbox; who reported it too hears on, of the one that is looked at."""
    first, second = actor("carer", locations=[home]), actor("carer", locations=[home])
    manager = actor("registered_manager", locations=[home])
    looked_at = intake.post("/incidents", first, a_report(home, now)).json()["incident_id"]
    double = intake.post("/incidents", second, a_report(home, now)).json()["incident_id"]
    assert intake.get("/inbox", first).json()["feedback"] == [], "the receipt has said it"
    marked = intake.post(f"/incidents/{double}/duplicate", manager, {"duplicate_of": looked_at}, version=1)
    assert marked.status_code == 200, marked.text
    [heard] = intake.get("/inbox", second).json()["feedback"]
    assert (heard["incident_id"], heard["stage"]) == (double, "duplicate")
    withdrawn = intake.post(f"/incidents/{looked_at}/withdrawal", manager, {"reason": "Another home."}, version=1)
    assert withdrawn.status_code == 200, withdrawn.text
    [heard] = intake.get("/inbox", first).json()["feedback"]
    assert (heard["incident_id"], heard["stage"]) == (looked_at, "withdrawn")
    assert intake.get("/inbox", manager).json()["feedback"] == [], "it is theirs who reported it"
    told = [one["message"] for one in intake.get(f"/incidents/{double}/feedback", second).json()]
    assert len(told) == 3
    assert told[-1] == heard["message"], "what became of the other one"
