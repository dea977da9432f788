"""A request for every operation that the OpenAPI documents describe, with the smallest body that its schema takes."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tests.conftest import SERVICES
from tests.integration.test_openapi import document, parameters, resolved
from tests.security.world import AT, PNG, STAND_IN, World

WORDS = {
    "month": "2026-05", "rule": "shift-lead-told", "kind": "triage", "name": "triage", "weakness": "blame", "question": "known_before", "part": "pdf",
    "format": "csv", "stand_in": STAND_IN,
}  # fmt: skip
"""Parameters that are no id."""

WORDS_THAT_SAY_ENOUGH = "Some words that say enough."
"""Any text that people write."""

BODIES: dict[str, dict[str, Any]] = {
    "PUT /rota/{entry_id}": {"role": "registered_manager", "ends_at": "2026-06-20T08:00:00+00:00"},
    "PUT /reviews/{review_id}/answers/{question}": {"answer": "Yes"},
    "POST /reviews/{review_id}/people": {"reference": "R 1"},
    "PUT /reviews/{review_id}/people/{involved_id}": {"reference": "R 1"},
    "PUT /locations/{location_id}/contracts/{contract_id}": {"commissioner": "norfolk"},
    "PUT /people/{person_id}/contact": {"email": "somebody@example.org"},
    "PUT /people/{person_id}/absences/{absence_id}": {"ends_at": "2026-06-20T08:00:00+00:00"},
    "POST /reviews/{review_id}/contributions": {"described": "Somebody who was there"},
    "PUT /reviews/{review_id}/contributions/{contribution_id}": {"described": "Somebody who was there"},
    "POST /actions/{action_id}/draws": {"frame_size": 9},
    "PUT /webhooks/{webhook_id}": {"url": "https://system.example/plumbline"},
    "POST /legal-holds": {"incident_id": ...},
    "POST /meetings": {"level": "executive"},
}
"""What a body must say beyond its schema, by operation; an ellipsis is the id of the record."""


@dataclass(frozen=True)
class Operation:
    """One operation of one service."""

    service: str
    method: str
    path: str

    @property
    def name(self) -> str:
        """As the table writes it."""
        return f"{self.method} {self.path}"

    @property
    def described(self) -> dict[str, Any]:
        """What the OpenAPI document says of it."""
        found: dict[str, Any] = document(self.service)["paths"][self.path][self.method.lower()]
        return found

    @property
    def public(self) -> bool:
        """Whether it takes no token."""
        return "security" not in self.described

    @property
    def names(self) -> list[str]:
        """The parameters of its path."""
        return re.findall(r"\{(\w+)\}", self.path)

    def request(self, world: World) -> dict[str, Any]:
        """What to send, but for who sends it: about the records of a world."""
        known = parameters(self.described)
        path = re.sub(r"\{(\w+)\}", lambda found: str(self.parameter(found[1], world)), self.path)
        query = {
            name: str(self.parameter(name, world))
            for name, one in known.items()
            if one["in"] == "query" and one.get("required")
        }
        made: dict[str, Any] = {"method": self.method, "url": path, "params": query, "headers": {}}
        if "Idempotency-Key" in known:
            made["headers"]["Idempotency-Key"] = str(uuid.uuid4())
        if "If-Match" in known:
            made["headers"]["If-Match"] = '"1"'
        content = self.described.get("requestBody", {}).get("content", {})
        if "multipart/form-data" in content:
            made["files"] = {"file": ("photograph.png", PNG, "image/png")}
        elif "text/csv" in content:
            made["content"] = b"a,b\n1,2\n"
            made["headers"]["Content-Type"] = "text/csv"
        elif "application/json" in content:
            body = smallest(self.service, content["application/json"]["schema"], "", world)
            more = BODIES.get(self.name, {})
            ids = {name: str(world.id(name)) for name, value in more.items() if value is ...}
            made["json"] = {**body, **more, **ids}
        return made

    def parameter(self, name: str, world: World) -> str | UUID:
        """The value of a parameter: the id of a record of a world, or a word."""
        return WORDS.get(name) or world.id(name)


def operations() -> Iterator[Operation]:
    """Every operation of every service."""
    for service in SERVICES:
        for path, methods in document(service)["paths"].items():
            for method in methods:
                yield Operation(service, method.upper(), path)


def smallest(service: str, schema: dict[str, Any], name: str, world: World) -> Any:
    """The smallest value that a schema takes; an id is that of the world."""
    schema = resolved(service, schema)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            chosen = next(one for one in schema[several] if one.get("type") != "null")
            return smallest(service, chosen, name, world)
    if "allOf" in schema:
        return smallest(service, schema["allOf"][0], name, world)
    for given in ("const", "enum", "examples"):
        if given in schema:
            return schema[given] if given == "const" else schema[given][0]
    match schema.get("type"):
        case "object":
            wanted = schema.get("properties", {})
            return {key: smallest(service, wanted[key], key, world) for key in schema.get("required", [])}
        case "array":
            singular = name.removesuffix("s")
            return [smallest(service, schema["items"], singular, world) for _ in range(schema.get("minItems", 0))]
        case "integer" | "number":
            return max(schema.get("minimum", 1), 1)
        case "boolean":
            return False
    match schema.get("format"):
        case "uuid":
            return str(world.id(name))
        case "date-time":
            return AT.isoformat()
        case "date":
            return f"{AT:%Y-%m-%d}"
    return WORDS_THAT_SAY_ENOUGH[: schema.get("maxLength", 30)]
