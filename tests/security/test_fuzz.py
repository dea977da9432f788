"""Whatever is sent, a service answers what its OpenAPI document says: no 5xx, a problem where it refuses, else its schema.

Schemathesis makes requests out of the documents, fitting and not; `odd` puts single odd values into requests that are
otherwise good. Sent in process, on a real database, about records that are there and that are not, by people of the
roles that may. The same requests each time: `make test` sends a few of each kind, `make security` many more.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from services.contracts.taxonomy import Role
from services.runtime.actor import Actor
from services.runtime.errors import MEDIA_TYPE
from tests.conftest import SERVICES
from tests.integration.test_openapi import document, parameters
from tests.security.conftest import Served, person
from tests.security.odd import IN_HEADERS, IN_PATHS, RAW, TYPES, odd, somewhere
from tests.security.sent import Operation, operations
from tests.security.test_access import table

EVERY = [pytest.param(operation, id=f"{operation.service} {operation.name}") for operation in operations()]
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
NOT_HERE = {"POST /packs": "/problems/no-pack-sources"}
"""A pack is read from other services over the network, and their addresses are not set here."""
FEW, MANY = 3, 20


@cache
def described(operation: Operation) -> APIOperation[Any, Any, Any, Any]:
    """The operation as Schemathesis reads it in the document."""
    found: APIOperation[Any, Any, Any, Any] = _schema(operation.service)[operation.path][operation.method]
    return found


@cache
def _schema(service: str) -> Any:
    return schemathesis.openapi.from_dict(document(service))


def people(operation: Operation, served: Served) -> list[Actor]:
    """Somebody in all roles, and people of each role that may, of the whole provider and of the place of its records."""
    may = sorted(table()[operation.service, operation.name].roles - {"no role"})
    everything = replace(person("no role", served), roles=frozenset(Role))
    return [everything, *(person(role, served, scope) for role in may for scope in ("whole", "place"))]


def send(operation: Operation, served: Served, who: Actor, request: Mapping[str, Any]) -> httpx.Response:
    """The answer to a request by somebody, unless it has a token; nobody's requests count for another's limit."""
    headers = httpx.Headers(request["headers"])
    if "Authorization" not in headers and not operation.public:
        limited = "x-limit-per-minute" in operation.described
        headers["Authorization"] = f"Bearer {served.token(replace(who, id=uuid.uuid4()) if limited else who)}"
    answer, _ = served.send(operation.service, {**request, "headers": headers}, sender=somewhere())
    return answer


def refused_well(operation: Operation, answer: httpx.Response, sent: Any) -> None:
    """No 5xx, and a problem where it is refused; also by what stands before the operation, which no document describes."""
    kind = answer.headers.get("content-type")
    if answer.status_code >= 400:
        assert kind == MEDIA_TYPE, f"{answer.status_code} as {kind} for {sent!r}"
        if answer.json()["type"] == NOT_HERE.get(operation.name):
            return
    assert answer.status_code < 500, f"{answer.text} for {sent!r}"


def conforms(case: Any, operation: Operation, served: Served, who: Actor, *, known: bool) -> None:
    """Send what Schemathesis made, with `known` about the records that are there, and hold the answer against the document."""
    if known:
        case.path_parameters = {name: str(operation.parameter(name, served.ours)) for name in operation.names}
        if isinstance(case.body, dict | list):
            case.body = _about(case.body, served)
    made = requests.Request(**case.as_transport_kwargs(base_url="http://test")).prepare()
    headers = {
        name: value.encode("latin-1") if isinstance(value, str) else value for name, value in made.headers.items()
    }
    described = parameters(operation.described)
    if known and "Idempotency-Key" in described:
        headers["Idempotency-Key"] = str(uuid.uuid4()).encode()
    if known and "If-Match" in described:
        headers["If-Match"] = b'"1"'
    request = {"method": made.method, "url": made.url, "headers": headers, "content": made.body}
    answer = send(operation, served, who, request)
    refused_well(operation, answer, request)
    if answer.status_code < 500:
        case.validate_response(answer, checks=CHECKS)


def _about(value: Any, served: Served, name: str = "") -> Any:
    """The same with ids of records that are there in place of ids."""
    if isinstance(value, dict):
        return {key: _about(one, served, key) for key, one in value.items()}
    if isinstance(value, list):
        return [_about(one, served, name.removesuffix("s")) for one in value]
    is_id = isinstance(value, str) and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value)
    return str(served.ours.id(name)) if is_id else value


def fuzz(operation: Operation, served: Served, examples: int) -> None:
    """So many requests, fitting and not."""
    modes = [described(operation).as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode]

    @given(st.one_of(modes), st.sampled_from(people(operation, served)), st.sampled_from([True, True, True, False]))
    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def run(case: Any, who: Actor, known: bool) -> None:
        conforms(case, operation, served, who, known=known)

    run()


@pytest.mark.parametrize("operation", EVERY)
def test_every_answer_is_one_that_the_document_describes(served: Served, operation: Operation) -> None:
    fuzz(operation, served, FEW)


@pytest.mark.deep
@pytest.mark.parametrize("operation", EVERY)
def test_every_one_of_many_answers_is_one_that_the_document_describes(served: Served, operation: Operation) -> None:
    fuzz(operation, served, MANY)
    schema, everything = _schema(operation.service), people(operation, served)[0]
    # Each field at its limits and beyond, each left out, each of another type; other methods.
    for case in schema.iter_coverage_cases(
        described(operation),
        generation_modes=list(schemathesis.GenerationMode),
        generation_config=schema.config.generation_for(operation=described(operation)),
    ):
        conforms(case, operation, served, everything, known=True)


def requests_with(operation: Operation, served: Served, *, worst: bool) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Requests about what is there, each with one odd value, and what that is."""
    good = operation.request(served.ours)
    for name, one in parameters(operation.described).items():
        if one["in"] == "query":
            for value in odd(operation.service, one["schema"], served.ours, worst=worst):
                if "\ud800" not in str(value):  # nothing that has an address
                    yield (name, value), {**good, "params": {**good["params"], name: value}}
        if one["in"] == "path":
            other = re.sub(r"\{(\w+)\}", lambda found: str(operation.parameter(found[1], served.ours)),
                           operation.path.replace(f"{{{name}}}", "@"))  # fmt: skip
            for value in IN_PATHS[: 2 if worst else None]:
                yield (name, value), {**good, "url": other.replace("@", value)}
    if "json" in good:
        schema = operation.described["requestBody"]["content"]["application/json"]["schema"]
        for body in odd(operation.service, schema, served.ours, worst=worst):
            yield body, {**good, "json": {**good["json"], **body}}
    if "requestBody" in operation.described and not worst:
        bare = {name: value for name, value in good.items() if name not in ("json", "files", "content")}
        usual = next(iter(operation.described["requestBody"]["content"])).encode()
        for raw in RAW:
            for kind in (usual, *TYPES):
                yield (raw[:20], kind), {**bare, "content": raw, "headers": {**good["headers"], "Content-Type": kind}}


def _as_it_is(request: dict[str, Any]) -> dict[str, Any]:
    """The body as bytes: a JSON document can say what httpx would not write."""
    if "json" not in request:
        return request
    rest = {name: value for name, value in request.items() if name != "json"}
    headers = {**request["headers"], "Content-Type": "application/json"}
    return {**rest, "content": json.dumps(request["json"]).encode(), "headers": headers}


def odd_values(operation: Operation, served: Served, *, worst: bool) -> None:
    """Each is taken or refused."""
    everything = people(operation, served)[0]
    for what, request in requests_with(operation, served, worst=worst):
        if "Idempotency-Key" in request["headers"]:
            request["headers"]["Idempotency-Key"] = str(uuid.uuid4())
        refused_well(operation, send(operation, served, everything, _as_it_is(request)), what)


@pytest.mark.parametrize("operation", EVERY)
def test_a_value_at_which_something_ends_is_taken_or_refused(served: Served, operation: Operation) -> None:
    odd_values(operation, served, worst=True)


@pytest.mark.deep
@pytest.mark.parametrize("operation", EVERY)
def test_any_odd_value_is_taken_or_refused(served: Served, operation: Operation) -> None:
    odd_values(operation, served, worst=False)


@pytest.mark.parametrize("service", SERVICES)
def test_an_odd_header_is_taken_or_refused(served: Served, service: str) -> None:
    operation = next(one for one in operations() if one.service == service and "If-Match" in parameters(one.described))
    good = _as_it_is(operation.request(served.ours))
    for name in (
        "Idempotency-Key",
        "If-Match",
        "Authorization",
        "Content-Type",
        "Accept",
        "traceparent",
        "Content-Length",
    ):
        for value in IN_HEADERS:
            answer = send(
                operation, served, people(operation, served)[0], {**good, "headers": {**good["headers"], name: value}}
            )
            refused_well(operation, answer, (name, value))


BAD: dict[str, Callable[[], httpx.Response]] = {
    "a 5xx": lambda: httpx.Response(500, json={"type": "/problems/unexpected"}, headers={"content-type": MEDIA_TYPE}),
    "a refusal that is no problem": lambda: httpx.Response(422, json={"detail": []}),
    "a status that is not described": lambda: httpx.Response(
        418, json={"type": "x"}, headers={"content-type": MEDIA_TYPE}
    ),
    "a type that is not described": lambda: httpx.Response(200, text="items"),
    "a body of another schema": lambda: httpx.Response(200, json={"items": [{"location_id": 1}]}),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_answer_would_be_found(served: Served, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of this file: the same check, given an answer that no service gives."""
    operation = Operation("directory", "GET", "/locations")

    def answer(*_: Any, **__: Any) -> tuple[httpx.Response, int]:
        made = BAD[fault]()
        made.request, made.elapsed = httpx.Request("GET", "http://test/locations"), timedelta()
        return made, 0

    fuzz(operation, served, 1)
    monkeypatch.setattr(served, "send", answer)
    with pytest.raises((AssertionError, FailureGroup)):
        fuzz(operation, served, 1)
