"""`plumbline retention`: records whose time has come, what must not be erased, and the proof of what was, through intake's API."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import httpx
import typer

from deploy.local import tokens
from deploy.local.people import Person
from deploy.local.state import Stack

retention = typer.Typer(
    add_completion=False, no_args_is_help=True, help="How long records are kept: docs/retention.md."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
As = Annotated[str, typer.Option("--as", help="As which persona of the development issuer.")]
Record = Annotated[UUID, typer.Argument(help="The incident, or with --other the record.")]
Other = Annotated[
    bool, typer.Option("--other", help="Of a concern, a theme, a meeting or somebody who has left: not of an incident.")
]
Reason = Annotated[str, typer.Option(help="Why. It is kept with the decision.")]


@retention.command()
def due(other: Other = False, as_json: AsJson = False, who: As = "director") -> None:
    """List records that wait for a decision, or for somebody to confirm it. Concerns are shown to who reviews them only."""
    with _person(who) as person:
        rows = list(_pages(person, "/retention/records/due" if other else "/retention/due"))
    name = "record_id" if other else "incident_id"
    _print(rows, as_json, f"{{{name}}}  kept until {{kept_until}}  by {{rule}} ({{keep_years}} years)")


@retention.command()
def show(record: Record, other: Other = False, as_json: AsJson = False, who: As = "director") -> None:
    """Show for how long a record is kept, what stands against an erasure, and what was decided."""
    with _person(who) as person:
        found = person.get("intake", _read(record, other=other))
    _print([found], as_json, "kept until {kept_until}  by {rule} ({keep_years} years)  due: {due}")


@retention.command()
def appraise(
    record: Record,
    decision: Annotated[str, typer.Argument(help="destroy, keep or preserve.")],
    reason: Reason,
    until: Annotated[datetime | None, typer.Option(help="With keep: until which day.", formats=["%Y-%m-%d"])] = None,
    other: Other = False,
    as_json: AsJson = False,
    who: As = "director",
) -> None:
    """Decide about a record. To destroy one needs a second person: see `confirm`."""
    body = {"decision": decision, "reason": reason, "keep_until": None if until is None else until.date().isoformat()}
    with _person(who) as person:
        before = person.get("intake", _read(record, other=other))["appraisal"]
        version = None if before is None else before["version"]
        made = person.post("intake", f"{_of(record, other=other)}/appraisal", body, version=version)
    _print([made], as_json, "{decision}, version {version}")


@retention.command()
def confirm(record: Record, other: Other = False, as_json: AsJson = False, who: As = "nominated_individual") -> None:
    """Confirm that a record is destroyed, as somebody else than who decided. The next sweep erases it."""
    with _person(who) as person:
        before = person.get("intake", _read(record, other=other))["appraisal"]
        version = None if before is None else before["version"]
        made = person.post("intake", f"{_of(record, other=other)}/appraisal/confirm", version=version)
    _print([made], as_json, "confirmed, version {version}")


@retention.command()
def hold(
    reason: Reason,
    incident: Annotated[UUID | None, typer.Option(help="An incident, or")] = None,
    person_ref: Annotated[UUID | None, typer.Option(help="every incident of a person, or")] = None,
    record: Annotated[UUID | None, typer.Option(help="a record that is not of an incident.")] = None,
    as_json: AsJson = False,
    who: As = "director",
) -> None:
    """Keep anything of an incident, of a person, or of another record from being erased."""
    about = {"incident_id": incident, "person_ref": person_ref, "record_id": record}
    body = {"reason": reason, **{name: str(value) for name, value in about.items() if value is not None}}
    with _person(who) as person:
        made = person.post("intake", "/legal-holds", body)
    _print([made], as_json, "{hold_id}  version {version}")


@retention.command()
def holds(as_json: AsJson = False, who: As = "director") -> None:
    """List the holds that stand."""
    with _person(who) as person:
        rows = list(_pages(person, "/legal-holds"))
    _print(
        rows, as_json, "{hold_id}  incident {incident_id}  person {person_ref}  record {record_id}  since {placed_at}"
    )


@retention.command()
def lift(
    hold_id: Annotated[UUID, typer.Argument(help="The hold.")],
    reason: Reason,
    as_json: AsJson = False,
    who: As = "director",
) -> None:
    """End a hold."""
    with _person(who) as person:
        version = next((one["version"] for one in _pages(person, "/legal-holds") if one["hold_id"] == str(hold_id)), 1)
        made = person.post("intake", f"/legal-holds/{hold_id}/lift", {"reason": reason}, version=version)
    _print([made], as_json, "{hold_id}  lifted at {lifted_at}")


@retention.command()
def erased(as_json: AsJson = False, who: As = "director") -> None:
    """List what was erased, with its proof."""
    with _person(who) as person:
        rows = list(_pages(person, "/retention/erasures"))
    _print(rows, as_json, "{record_id}  {kind}  erased at {erased_at}  finished at {finished_at}")


def _of(record: UUID, *, other: bool) -> str:
    return f"/retention/records/{record}" if other else f"/incidents/{record}"


def _read(record: UUID, *, other: bool) -> str:
    return _of(record, other=other) if other else f"{_of(record, other=other)}/retention"


@contextmanager
def _person(persona: str) -> Iterator[Person]:
    with httpx.Client(timeout=30) as http:
        yield Person(Stack.load(), tokens.persona(persona), http)


def _pages(person: Person, path: str) -> Iterator[dict[str, Any]]:
    cursor: dict[str, str] = {}
    while True:
        page = person.get("intake", path, **cursor)
        yield from page["items"]
        if page["next"] is None:
            return
        cursor = {"cursor": page["next"]}


def _print(rows: list[dict[str, Any]], as_json: bool, line: str) -> None:
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        typer.echo(line.format_map(row))
    if not rows:
        typer.echo("none")
