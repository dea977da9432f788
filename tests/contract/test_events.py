"""What services say to one another only ever grows, and the committed documents are true."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from services.contracts.generate import FOLDER, documents, schema_of
from services.contracts.topics import EVENTS

ASYNCAPI = Path(__file__).parent / "asyncapi-3.0.0.schema.json"
"""What AsyncAPI says of its documents, without what it says of bindings."""
RELEASED = Path(__file__).parent / "released.json"
"""Schemas as last released: `python -m tests.contract.release` rewrites it, at a release only."""


def breaking_changes(old: Any, new: Any, path: str = "$") -> list[str]:
    """What a consumer of `old` could not live with. Fields may be added; nothing may vanish, change or widen."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for name in old:
            if name in ("description", "title", "examples", "$id"):
                continue
            if name not in new:
                found.append(f"{path}.{name} is gone")
            elif name == "required":
                found += [f"{path}: {field} may now be absent" for field in old[name] if field not in new[name]]
            else:
                found += breaking_changes(old[name], new[name], f"{path}.{name}")
        return found
    if isinstance(old, list) and isinstance(new, list) and path.endswith(".enum"):
        # A consumer refuses a code that it does not know: a longer list needs a new version of the event.
        return [] if set(old) == set(new) else [f"{path} has other codes"]
    return [] if old == new else [f"{path} changed"]


def test_the_committed_documents_are_generated_from_the_models() -> None:
    committed = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert committed == documents(), "run `make schemas` and commit the result"


def test_the_asyncapi_document_is_valid_and_names_every_event() -> None:
    document = json.loads((FOLDER / "asyncapi.json").read_text())
    valid = jsonschema.Draft7Validator(json.loads(ASYNCAPI.read_text()))
    assert [f"{error.json_path}: {error.message}" for error in valid.iter_errors(document)] == []
    assert list(valid.iter_errors({**document, "channels": {"intake": {"adress": "plumbline.intake"}}}))
    messages = document["components"]["messages"]
    assert set(messages) == set(EVENTS)
    assert all((FOLDER / message["payload"]["$ref"]).is_file() for message in messages.values())
    sent = {name for channel in document["channels"].values() for name in channel["messages"]}
    assert sent == set(EVENTS)
    for channel in document["channels"].values():
        for name, message in channel["messages"].items():
            assert message == {"$ref": f"#/components/messages/{name}"}
    for operation in document["operations"].values():
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in document["channels"]


@pytest.mark.parametrize("event_type", sorted(json.loads(RELEASED.read_text())))
def test_changes_since_the_release_are_additive(event_type: str) -> None:
    released = json.loads(RELEASED.read_text())
    assert event_type in EVENTS, "a released event type may not vanish: publish the new version beside it"
    assert breaking_changes(released[event_type], schema_of(EVENTS[event_type])) == []


def test_what_breaks_is_found() -> None:
    old = schema_of(EVENTS["plumbline.incident.reported.v1"])
    grown = copy.deepcopy(old)
    grown["properties"]["shift"] = {"type": "string"}
    assert breaking_changes(old, grown) == []
    for damage in ("remove", "retype", "optional", "enum"):
        new = copy.deepcopy(old)
        if damage == "remove":
            del new["properties"]["location_id"]
        elif damage == "retype":
            new["properties"]["occurred_at"]["type"] = "integer"
        elif damage == "optional":
            new["required"].remove("category")
        else:
            new["$defs"]["Kind"]["enum"].append("concern")
        assert breaking_changes(old, new), damage


@pytest.mark.parametrize("event_type", sorted(EVENTS))
def test_every_event_says_what_it_means_and_is_a_valid_schema(event_type: str) -> None:
    event = EVENTS[event_type]
    assert event_type.startswith("plumbline.")
    assert event_type.rsplit(".", 1)[1].startswith("v")
    assert event.__doc__
    jsonschema.Draft202012Validator.check_schema(schema_of(event))


@pytest.mark.parametrize("event_type", sorted(EVENTS))
def test_no_event_has_room_for_free_text(event_type: str) -> None:
    """A string field must be an id, a date, a code of a list, a decimal, or one of the few names that are codes by rule."""
    codes = {"rule", "policy_version", "cqc_location_id", "name", "quantity", "exposure", "baseline_exposure"}

    def free(schema: dict[str, Any], name: str, definitions: dict[str, Any]) -> list[str]:
        if "$ref" in schema:
            return free(definitions[schema["$ref"].rsplit("/", 1)[1]], name, definitions)
        found = []
        for branch in schema.get("anyOf", []):
            found += free(branch, name, definitions)
        if schema.get("type") == "array":
            found += free(schema["items"], name, definitions)
        for field, inner in schema.get("properties", {}).items():
            found += free(inner, field, definitions)
        if schema.get("type") == "string" and not ({"format", "enum", "const", "pattern"} & set(schema)):
            found.append(name)
        return found

    schema = schema_of(EVENTS[event_type])
    assert set(free(schema, "", schema.get("$defs", {}))) <= codes
