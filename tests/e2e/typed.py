"""All that can be typed, typed: words in every text that any endpoint takes, at a provider that nobody else has to do with."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import httpx

from deploy.local.personas import Persona
from deploy.local.state import Stack
from deploy.local.tokens import issue_token
from services.contracts.taxonomy import Role
from services.runtime.clock import Clock
from tests.e2e.running import eventually
from tests.integration.test_openapi import resolved
from tests.security.sent import WORDS_THAT_SAY_ENOUGH, Operation, operations
from tests.security.world import AT, World

_ENDS = ("/withdrawal", "/duplicate", "/end", "/retirement")
"""Nothing can be typed afterwards."""
_PLACES = ("POST /providers", "POST /regions", "POST /locations")
"""What these are called is nobody's secret, and told to all services."""


def type_everywhere(stack: Stack, http: httpx.Client, words: str) -> list[tuple[Operation, int]]:
    """Send every write of every service with these words. Answers what was sent, and the status that came back.

    One person in all roles does it in the order of the documents, about the records that this makes.
    """
    world = World()
    # No two providers have a place of one CQC id; a time may not be years away.
    now = Clock.from_file(stack.home.clock).now()
    instead = {
        AT.isoformat(): now.isoformat(),
        f"{AT:%Y-%m-%d}": f"{now:%Y-%m-%d}",
        "1-101667914": f"1-{world.provider_id.int % 10**9:09d}",
    }

    def typed(operation: Operation, *, all_of_it: bool = False) -> dict[str, Any]:
        said = WORDS_THAT_SAY_ENOUGH if operation.name in _PLACES else words
        request = _typed(operation, world, said, all_of_it=all_of_it)
        return {**request, "json": _replaced(request["json"], lambda text: instead.get(text, text))}

    persona = Persona(uuid.uuid4(), world.provider_id, tuple(Role), "*")
    token = issue_token(stack, persona)
    sent: list[tuple[Operation, int]] = []

    def send(operation: Operation, request: dict[str, Any]) -> httpx.Response:
        headers = {**request["headers"], "Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid.uuid4())}
        url = stack.url(operation.service) + request["url"]
        answer = http.request(operation.method, url, headers=headers, json=request["json"])
        if answer.status_code == 412 and "ETag" in answer.headers:
            headers |= {"If-Match": answer.headers["ETag"], "Idempotency-Key": str(uuid.uuid4())}
            answer = http.request(operation.method, url, headers=headers, json=request["json"])
        sent.append((operation, answer.status_code))
        if answer.is_success:
            world.learn({name: UUID(value) for name, value in answer.json().items() if _is_id(name, value)})
        return answer

    for operation in sorted(operations(), key=lambda one: one.path.endswith(_ENDS)):
        if operation.method == "GET" or "json" not in operation.request(world):
            continue
        if operation.name == "POST /incidents":
            # Intake hears of the place a moment later.
            eventually(lambda one=operation: send(one, typed(one)).is_success, "a report to be taken")
        for all_of_it in (False, True):
            send(operation, typed(operation, all_of_it=all_of_it))
    return sent


def _is_id(name: str, value: Any) -> bool:
    return name.endswith("_id") and isinstance(value, str) and len(value) == 36


def _typed(operation: Operation, world: World, words: str, *, all_of_it: bool = False) -> dict[str, Any]:
    """The smallest request with these words for any text; `all_of_it`: with the texts that may be left out."""
    request = operation.request(world)
    body = _replaced(request["json"], lambda text: words if text and WORDS_THAT_SAY_ENOUGH.startswith(text) else text)
    if all_of_it:
        schema = operation.described["requestBody"]["content"]["application/json"]["schema"]
        body |= {name: words for name in _texts(operation.service, schema) if name not in body}
    return {**request, "json": body}


def _replaced(value: Any, by: Callable[[str], str]) -> Any:
    """The same with every text in it replaced."""
    if isinstance(value, dict):
        return {name: _replaced(one, by) for name, one in value.items()}
    if isinstance(value, list):
        return [_replaced(one, by) for one in value]
    return by(value) if isinstance(value, str) else value


def _texts(service: str, schema: dict[str, Any]) -> Iterator[str]:
    """Fields in which people write as they like."""
    for name, one in resolved(service, schema).get("properties", {}).items():
        kinds = [resolved(service, kind) for kind in one.get("anyOf", [one])]
        if any(
            kind.get("type") == "string" and not {"enum", "format", "pattern", "const"} & kind.keys() for kind in kinds
        ):
            yield name
