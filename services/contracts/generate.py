"""Write the JSON Schema of every event and the AsyncAPI document: `python -m services.contracts.generate [--check]`.

The files are committed; a test fails when they differ from the models.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from services.contracts.event import EventData
from services.contracts.topics import PUBLISHERS, topic, urgent_topic

FOLDER = Path(__file__).parent / "schemas"

_HEADERS = {
    "ce_specversion": "CloudEvents version, 1.0.",
    "ce_id": "Unique id of the event (UUID version 7). Consumers de-duplicate by it.",
    "ce_type": "The event type; its last part is the major version.",
    "ce_source": "The service that says it.",
    "ce_subject": "The id of the record that changed.",
    "ce_time": "When it happened, UTC, on the system's clock.",
    "ce_providerid": "The provider it belongs to.",
    "ce_version": "The record's version after the change.",
    "ce_actor": "Opaque id of who did it; the nil UUID is the process engine.",
    "ce_actorrole": "The role they did it in.",
}


def schema_of(event: type[EventData]) -> dict[str, Any]:
    """The JSON Schema of an event's payload as it is written."""
    schema = event.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": event.TYPE, **schema}


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3.0: channels are topics, messages are events, each service sends on its own."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for service, events in PUBLISHERS.items():
        references = {}
        for event in events:
            messages[event.TYPE] = {
                "name": event.TYPE,
                "summary": (event.__doc__ or "").strip().splitlines()[0],
                "contentType": "application/json",
                "headers": {"$ref": "#/components/schemas/CloudEventHeaders"},
                "payload": {"$ref": f"./{event.TYPE}.json"},
            }
            references[event.TYPE] = {"$ref": f"#/components/messages/{event.TYPE}"}
        for name, address in ((service, topic(service)), (f"{service}-urgent", urgent_topic(service))):
            channels[name] = {"address": address, "messages": references}
            operations[f"send-{name}"] = {"action": "send", "channel": {"$ref": f"#/channels/{name}"}}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Plumbline events",
            "version": "1",
            "description": "CloudEvents 1.0 in binary mode over Kafka. The key is the incident's id, or the location's"
            " for events of directory; events of one key keep their order within a topic. Urgent events travel in a"
            " topic of their own and may arrive before older ones. No event holds personal data.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": {
                "CloudEventHeaders": {
                    "type": "object",
                    "required": list(_HEADERS),
                    "properties": {k: {"type": "string", "description": v} for k, v in _HEADERS.items()},
                }
            },
        },
    }


def documents() -> dict[str, str]:
    """File name and content of all that is generated."""
    made = {f"{e.TYPE}.json": schema_of(e) for events in PUBLISHERS.values() for e in events}
    made["asyncapi.json"] = asyncapi()
    return {name: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for name, document in made.items()}


def main() -> int:
    """Write the files, or with `--check` say which differ."""
    parser = argparse.ArgumentParser(prog="python -m services.contracts.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a committed file differs")
    check = parser.parse_args().check
    wanted = documents()
    FOLDER.mkdir(exist_ok=True)
    current = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    changed = sorted(name for name in wanted.keys() | current.keys() if wanted.get(name) != current.get(name))
    if check:
        for name in changed:
            sys.stderr.write(f"{name} differs: run `make schemas` and commit the result\n")
        return 1 if changed else 0
    for name in changed:
        if name in wanted:
            (FOLDER / name).write_text(wanted[name])
        else:
            (FOLDER / name).unlink()
    sys.stdout.write(f"{len(wanted)} documents, {len(changed)} changed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
