"""How often one client may ask: refused with the remedy, counted, and never because of what somebody else does."""

import ast
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from fastapi.testclient import TestClient
from prometheus_client import REGISTRY
from pydantic import SecretStr

from services.console import sign_in
from services.console.__main__ import ROUTERS
from services.console.app import build_app
from services.console.settings import ConsoleSettings
from services.intake import api as intake_api
from services.intake.speak_up import api as speak_up
from services.reporting.exports import api as exports
from services.runtime.errors import ServiceError
from services.runtime.limit import Limit
from tests.conftest import SERVICES, Issuer, ServiceClient
from tests.integration.test_openapi import document
from tests.integration.test_restricted import an_allegation

ROOT = Path(__file__).parents[2]


def refused(name: str) -> float:
    return REGISTRY.get_sample_value("plumbline_rate_limited_total", {"limit": name}) or 0.0


def test_each_client_has_the_whole_of_it() -> None:
    limit = Limit("one", 3)
    for _ in range(3):
        limit.take("a")
    before = refused("one")
    with pytest.raises(ServiceError) as refusal:
        limit.take("a")
    assert (refusal.value.status, refusal.value.kind) == (429, "too-many")
    assert refusal.value.headers == {"Retry-After": "60"}
    assert "Wait a minute" in refusal.value.detail
    assert refused("one") == before + 1
    for _ in range(3):
        limit.take("b")


def test_a_dangerous_report_is_taken_whatever_others_send(
    client: Callable[[str], ServiceClient], place: Callable[..., uuid.UUID], actor: Any, now: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(intake_api, "REPORTING", Limit("report", 2))
    intake, home = client("intake"), place("intake")
    machine, carer = actor("carer", locations=[home]), actor("carer", locations=[home])
    body = an_allegation(home, now, immediate_danger=True)
    answers = [intake.post("/incidents", machine, body) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    problem = answers[-1]
    assert problem.headers["Content-Type"] == "application/problem+json"
    assert problem.headers["Retry-After"] == "60"
    assert problem.json()["type"] == "/problems/too-many"
    assert "Nothing was saved" in problem.json()["detail"]
    # Somebody else of the same place, in the same minute.
    assert intake.post("/incidents", carer, body).status_code == 201
    assert refused("report") >= 1


def test_nothing_is_left_of_a_report_that_was_refused_and_it_can_be_sent_again(
    client: Callable[[str], ServiceClient], place: Callable[..., uuid.UUID], actor: Any, now: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(intake_api, "REPORTING", Limit("report", 1))
    intake, home = client("intake"), place("intake")
    carer, key = actor("carer", locations=[home]), str(uuid.uuid4())
    assert intake.post("/incidents", carer, an_allegation(home, now)).status_code == 201
    assert intake.post("/incidents", carer, an_allegation(home, now), key=key).status_code == 429
    assert len(intake.get("/incidents", actor("safeguarding_lead")).json()["items"]) == 1
    monkeypatch.setattr(intake_api, "REPORTING", Limit("report", 1))
    assert intake.post("/incidents", carer, an_allegation(home, now), key=key).status_code == 201


def test_who_tries_codes_keeps_nobody_at_another_address_from_speaking_up(
    client: Callable[[str], ServiceClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENING", "RAISING"):
        monkeypatch.setattr(speak_up, name, Limit(name, 1))
    app = client("intake").http.app
    here, there = (TestClient(app, client=(address, 1)) for address in ("192.0.2.1", "192.0.2.2"))
    tried = [here.post("/speak-up/conversation", json={"code": "x"}).status_code for _ in range(2)]
    assert tried == [404, 429]
    assert there.post("/speak-up/conversation", json={"code": "x"}).status_code == 404
    concern = {"provider_id": str(uuid.uuid4()), "mode": "anonymous", "message": "They are locked in at night."}
    raised = [one.post("/speak-up", json=concern).status_code for one in (here, here, there)]
    assert raised == [422, 429, 422]


def test_files_are_made_so_often_for_each_person(
    client: Callable[[str], ServiceClient], actor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "EXPORTING", Limit("export", 1))
    reporting, lead, other = client("reporting"), actor("quality_lead"), actor("quality_lead")
    path = "/incidents/export?format=csv"
    assert [reporting.get(path, one).status_code for one in (lead, lead, other)] == [200, 429, 200]


def test_whoever_signs_in_too_often_is_told_when_to_go_on(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in, "SIGNING_IN", Limit("sign_in", 1))
    place = "http://127.0.0.1:1"
    settings = ConsoleSettings(
        environment="local", oidc_issuer=issuer.url, oidc_jwks_url=issuer.url, console_public_url="http://testserver",
        console_session_keys=SecretStr(Fernet.generate_key().decode()), directory_url=place, intake_url=place,
        review_url=place, actions_url=place, reporting_url=place,
    )  # fmt: skip
    app = build_app(settings, ROUTERS)
    here, there = (TestClient(app, client=(address, 1)) for address in ("192.0.2.1", "192.0.2.2"))
    # Without a sign-in that was begun here, it says so; it asks nobody.
    assert [one.get("/signed-in").status_code for one in (here, here, there)] == [400, 429, 400]
    page = here.get("/signed-in")
    assert page.headers["Retry-After"] == "60"
    assert "Wait a minute" in page.text


def test_the_documents_say_where_there_is_a_limit() -> None:
    said = {
        f"{service} {path}"
        for service in SERVICES
        for path, methods in document(service)["paths"].items()
        for operation in methods.values()
        if "x-limit-per-minute" in operation
    }
    assert said == {
        "intake /incidents", "intake /speak-up", "intake /speak-up/conversation", "intake /speak-up/messages",
        "reporting /incidents/export", "reporting /locations/overview/export", "review /policies/backtests",
    }  # fmt: skip


def test_an_address_is_counted_and_goes_nowhere_else() -> None:
    """Who reads the address of a connection, in all of the code: the digest of the limit, and nobody besides."""
    readers = set()
    for folder in ("services", "workflows"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and ast.unparse(node).endswith(".client.host"):
                    readers.add(path.relative_to(ROOT).as_posix())
    assert readers == {"services/runtime/limit.py"}
