"""What each service says of itself: every endpoint explained, every write repeatable, every refusal documented."""

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from services.runtime.app import build_app
from services.runtime.auth import Authenticator
from services.runtime.clock import Clock
from services.runtime.settings import AuthSettings
from tests.conftest import SERVICES

ROOT = Path(__file__).parents[2]
WHOLE = {
    # Verified as a whole, so given as a whole.
    "/incidents/{incident_id}/audit",
    "/just-culture/{use_id}/audit",
    "/themes/{theme_id}/audit",
    "/locations/{location_id}/audit",
    "/meetings/{meeting_id}/audit",
    "/governance-items/{item_id}/audit",
    "/packs/{record_id}/audit",
    # What ships with the service.
    "/factor-words",
    "/policies/kinds",
    # Parts of one record, of which there are few.
    "/reviews/{review_id}/findings",
    "/incidents/{incident_id}/attachments",
    "/incidents/{incident_id}/escalations",
    "/incidents/{incident_id}/holds",
    "/incidents/{incident_id}/protections",
    "/incidents/{incident_id}/proceedings",
    "/proceedings/{proceeding_id}/audit",
    "/incidents/{incident_id}/checks",
    "/incidents/{incident_id}/recurrences",
    "/incidents/{incident_id}/feedback",
    "/locations/{location_id}/exposures",
    "/incidents/{incident_id}/measures",
    "/incidents/{incident_id}/people",
    # Of one person, and only those that have not ended.
    "/people/{person_id}/absences",
    # The three levels of a hierarchy.
    "/strengths",
    # The newest only, for people who look after the channels.
    "/deliveries",
}
"""Lists that do not come in pages. A new one needs a reason."""

PUBLIC = {"/speak-up", "/speak-up/conversation", "/speak-up/messages"}
"""Without a token, and without a key that would tie the requests of one sender together."""


OF_THEIR_OWN = {
    ("intake", "/incidents/{incident_id}/candour/letter-draft", "409"),
    ("reporting", "/packs/{record_id}/content/{part}", "409"),
}
"""Refusals of reads for what the record is not yet."""


@cache
def document(service: str) -> dict[str, Any]:
    """The OpenAPI document of a service. Nothing is asked of the database or the issuer for it."""
    described = import_module(f"services.{service}.__main__").SERVICE
    app = build_app(
        service=service,
        title=described.title,
        description=described.description,
        routers=described.routers,
        engine=create_engine("postgresql+psycopg://"),
        clock=Clock(),
        authenticator=Authenticator(AuthSettings(oidc_issuer="http://127.0.0.1", oidc_jwks_url="http://127.0.0.1")),
        body_limits=described.body_limits,
    )
    return app.openapi()


def operations(*methods: str) -> list[Any]:
    return [
        pytest.param(service, path, operation[method], id=f"{service} {method.upper()} {path}")
        for service in SERVICES
        for path, operation in document(service)["paths"].items()
        for method in operation
        if not methods or method in methods
    ]


def parameters(operation: dict[str, Any]) -> dict[str, Any]:
    return {parameter["name"]: parameter for parameter in operation.get("parameters", [])}


def resolved(service: str, schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = document(service)["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_what_it_is_for_and_how_it_is_used(service: str) -> None:
    info = document(service)["info"]
    assert info["title"].startswith("Plumbline ")
    for word in ("Idempotency-Key", "ETag", "If-Match", "RFC 9457", "cursor"):
        assert word in info["description"]


@pytest.mark.parametrize(("service", "path", "operation"), operations())
def test_every_endpoint_has_a_summary_and_a_description(service: str, path: str, operation: dict[str, Any]) -> None:
    summary, description = operation["summary"], operation["description"]
    assert summary[0].isupper()
    assert not summary.endswith(".")
    assert 4 <= len(summary) <= 60
    assert len(summary.split()) > 1, "say what is done, and to what"
    assert description.rstrip().endswith(".")
    assert description != summary
    assert operation["tags"]


@pytest.mark.parametrize(("service", "path", "operation"), operations())
def test_every_body_is_explained_and_takes_no_field_it_does_not_know(
    service: str, path: str, operation: dict[str, Any]
) -> None:
    body = operation.get("requestBody")
    if body is not None and "application/json" in body["content"]:
        schema = resolved(service, body["content"]["application/json"]["schema"])
        assert schema["description"]
        assert schema["additionalProperties"] is False


@pytest.mark.parametrize(("service", "path", "operation"), operations("post", "put", "patch", "delete"))
def test_every_write_takes_an_idempotency_key(service: str, path: str, operation: dict[str, Any]) -> None:
    if path in PUBLIC:
        assert "Idempotency-Key" not in parameters(operation)
        return
    header = parameters(operation)["Idempotency-Key"]
    assert header["in"] == "header"
    assert header["required"] is True
    assert header["description"]


@pytest.mark.parametrize(("service", "path", "operation"), operations("get"))
def test_no_read_takes_one(service: str, path: str, operation: dict[str, Any]) -> None:
    assert not {"Idempotency-Key", "If-Match"} & set(parameters(operation))


@pytest.mark.parametrize(("service", "path", "operation"), operations())
def test_every_endpoint_needs_a_token(service: str, path: str, operation: dict[str, Any]) -> None:
    assert operation.get("security") == (None if path in PUBLIC else [{"HTTPBearer": []}])


@pytest.mark.parametrize(("service", "path", "operation"), operations())
def test_problems_are_documented_where_they_can_occur(service: str, path: str, operation: dict[str, Any]) -> None:
    refusals = {status: reply for status, reply in operation["responses"].items() if status >= "400"}
    expected = {"404", "422", "503"} | ({"413"} if path in PUBLIC else {"401", "403"})
    if "x-limit-per-minute" in operation:
        expected |= {"429"}
    if "Idempotency-Key" in parameters(operation):
        expected |= {"409", "413"}
    if "If-Match" in parameters(operation):
        expected |= {"412", "428"}
    if "requestBody" in operation:
        expected |= {"400"}
    expected |= {status for of, at, status in OF_THEIR_OWN if (of, at) == (service, path)}
    assert set(refusals) == expected
    for reply in refusals.values():
        assert reply["description"]
        assert set(reply["content"]) == {"application/problem+json"}
        schema = resolved(service, reply["content"]["application/problem+json"]["schema"])
        assert set(schema["properties"]) == {"type", "title", "status", "detail", "errors"}


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [(service, operation["operationId"]) for service, _, operation in (each.values for each in operations())]
    assert len(names) > 100
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("service", "path", "operation"), operations("get"))
def test_every_list_comes_in_pages(service: str, path: str, operation: dict[str, Any]) -> None:
    content = operation["responses"]["200"]["content"]
    if "application/json" not in content:
        return  # a file
    reply = resolved(service, content["application/json"]["schema"])
    if reply.get("type") == "array":
        assert path in WHOLE, "a list that can grow comes in pages"
    elif operation["summary"].startswith("List ") or "items" in reply.get("properties", {}):
        assert {"limit", "cursor"} <= set(parameters(operation))
        assert {"items", "next"} <= set(reply["properties"])
        limit = parameters(operation)["limit"]["schema"]
        assert (limit["minimum"], limit["maximum"]) == (1, 200)


def test_the_exceptions_are_still_there() -> None:
    assert {path for service in SERVICES for path in document(service)["paths"]} >= WHOLE | PUBLIC


def kinds() -> set[str]:
    """Every problem type that the code can answer with."""
    found = set()
    for path in sorted((ROOT / "services").rglob("*.py")):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = {"ServiceError": 1, "problem_response": 1, "conflict": 0}.get(node.func.id)
                kind = node.args[place] if place is not None and len(node.args) > place else None
                if isinstance(kind, ast.Constant):
                    found.add(str(kind.value))
        if path.name == "errors.py":
            found |= set(re.findall(r'\d{3}: "([a-z]+(?:-[a-z]+)+)"', path.read_text())) | {"http-error"}
    return found


def test_every_problem_type_is_documented_and_no_other() -> None:
    documented = set(re.findall(r"^\| `/problems/([a-z-]+)` \|", (ROOT / "docs/errors.md").read_text(), re.MULTILINE))
    assert kinds() == documented
