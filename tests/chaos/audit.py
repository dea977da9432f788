"""What was accepted against what is there, one by one: replies, records, audit chains, events, log, inboxes, projections, processes.

Everything is read as the operator could read it, past the services. A difference is named; none is tolerated.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from importlib import import_module
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from temporalio.client import Client, WorkflowExecutionStatus

from services.contracts.topics import PUBLISHERS
from services.runtime import audit
from services.runtime.consumer import Received
from tests.chaos.ledger import Answer, Ledger, Line
from workflows import briefing, router
from workflows.facts import NEEDED
from workflows.incident import WORKFLOW, workflow_id

SERVICES = tuple(PUBLISHERS)
ENDED = frozenset({"closed", "withdrawn", "duplicate"})


class Kind(StrEnum):
    """How two things differ."""

    LOST = "lost"
    DOUBLED = "doubled"
    ORPHAN = "orphan"
    CHANGED = "changed"


@dataclass(frozen=True)
class Difference:
    """Something that is not as it was accepted. `where` says between which two; `what` names it by ids."""

    kind: Kind
    where: str
    what: str


@dataclass(frozen=True)
class Event:
    """A row of an outbox: something that a service said."""

    service: str
    event_id: UUID
    provider_id: UUID
    type: str
    subject: str
    key: str
    version: int
    occurred_at: datetime
    actor: str
    actor_role: str
    data: Mapping[str, Any]
    published: bool
    parked: bool

    @property
    def name(self) -> str:
        """How a difference names it."""
        return f"{self.type} {self.event_id} of {self.key}"

    @property
    def received(self) -> Received:
        """As a consumer gets it."""
        return Received(
            event_id=self.event_id, type=self.type, provider_id=self.provider_id, subject=self.subject, key=self.key,
            version=self.version, occurred_at=self.occurred_at, actor=self.actor, actor_role=self.actor_role,
            data=dict(self.data), topic="", partition=0, offset=0,
        )  # fmt: skip


Connection = psycopg.Connection[Any]


def _rows(
    connection: Connection, columns: str, table: str, only: UUID | None, order: str = "1"
) -> list[dict[str, Any]]:
    """All rows of a table, as the owner of the database sees them, or those of one provider."""
    where = "" if only is None else " where provider_id = %(only)s"
    statement = f"select {columns} from {table}{where} order by {order}"
    return connection.cursor(row_factory=dict_row).execute(statement, {"only": only}).fetchall()


def said(connection: Connection, only: UUID | None = None) -> list[Event]:
    """All outboxes, each in its order; here as below of all providers, or of one."""
    columns = (
        "event_id, provider_id, type, subject, key, version, occurred_at, actor, actor_role, data,"
        " published_at is not null as published, parked_at is not null as parked"
    )
    return [
        Event(service=service, **row)
        for service in SERVICES
        for row in _rows(connection, columns, f"{service}.outbox", only, "seq")
    ]


# What people did


@dataclass(frozen=True)
class Effect:
    """What a command leaves: an event, of one of `types`, and an audit entry, one of `actions`, about the id that `about` names.

    `about` is a field of the reply, or `path` for the id in the path. `shared`: several commands may leave one between
    them, as all calls of a ladder are answered by answering one.
    """

    service: str
    path: str
    about: str
    types: frozenset[str]
    actions: frozenset[str]
    shared: bool = False


def _effect(service: str, path: str, about: str, actions: str, types: str = "", *, shared: bool = False) -> Effect:
    pattern = f"^{path.replace('ID', '([0-9a-f-]{36})')}$"
    said = frozenset(f"plumbline.{name}.v1" for name in types.split())
    return Effect(service, pattern, about, said, frozenset(actions.split()), shared)


EFFECTS = (
    _effect("directory", "/providers", "provider_id", "provider_registered"),
    _effect("directory", "/regions", "region_id", "region_registered"),
    _effect("directory", "/locations", "location_id", "location_registered", "location.recorded"),
    _effect("directory", "/people", "person_id", "person_registered", "person.recorded"),
    _effect("directory", "/rota/ID", "path", "put_on_call"),
    _effect("intake", "/incidents", "incident_id", "reported", "incident.reported"),
    _effect("intake", "/incidents/ID/triage", "path", "triaged", "incident.triaged"),
    _effect("intake", "/incidents/ID/withdrawal", "path", "withdrawn", "incident.withdrawn"),
    _effect("intake", "/incidents/ID/duplicate", "path", "marked_duplicate", "incident.marked_duplicate"),
    _effect("intake", "/incidents/ID/reopening", "path", "reopened", "incident.reopened"),
    _effect("intake", "/incidents/ID/checks/[a-z-]+/set-aside", "path", "check_set_aside", "check.recorded"),
    _effect("intake", "/incidents/(ID)/escalations/ID/acknowledgement", "path", "escalation_acknowledged", "incident.escalation_acknowledged", shared=True),
    _effect("intake", "/recurrences/ID/answer", "path", "recurrence_answered", "incident.recurrence_answered"),
    _effect("review", "/reviews/ID/draft", "path", "review_drafted"),
    _effect("review", "/reviews/ID/contributions", "path", "contribution_recorded"),
    _effect("review", "/reviews/ID/submission", "path", "review_submitted", "review.submitted"),
    _effect("review", "/reviews/ID/approval", "path", "review_approved", "review.approved"),
    _effect("review", "/briefings/ID/acknowledgements", "path", "briefing_acknowledged", "briefing.acknowledged"),
    _effect("actions", "/actions", "action_id", "agreed", "action.agreed"),
    _effect("actions", "/actions/ID/evidence", "path", "evidence_added"),
    _effect("actions", "/actions/ID/completion", "path", "done", "action.done"),
    _effect("actions", "/actions/ID/verification", "path", "verified returned", "action.verified action.returned"),
)  # fmt: skip
"""Every command that the desks send."""


def commands(
    ledger: Ledger, events: Sequence[Event], connection: Connection, only: UUID | None = None
) -> Iterator[Difference]:
    """Each command: its reply is remembered as it was given, it left its event and its audit entry, and left them once.

    One whose answer never came may have happened or not; if it did, it is held to the same.
    """
    happened = []
    for line in ledger.commands:
        kept = _remembered(connection, line)
        name = f"{line.method} {line.service}{line.path}, key {line.key}"
        if kept is None:
            if line.answer is Answer.ACCEPTED:
                yield Difference(Kind.LOST, "reply", name)
            continue
        if line.answer is Answer.ACCEPTED and kept != (line.status, line.body, line.etag):
            yield Difference(Kind.CHANGED, "reply", name)
        elif line.answer is Answer.REFUSED:
            yield Difference(Kind.ORPHAN, "reply", f"{name}: refused, and done")
        happened.append((line, kept[1]))
    sent = {(line.service, line.key) for line in ledger.lines}
    providers = list({line.provider_id for line in ledger.lines})
    for service in SERVICES:
        asked = f"select key from {service}.idempotency_key where provider_id = any(%s)"
        for (key,) in connection.execute(asked, [providers]):
            if (service, key) not in sent:
                yield Difference(Kind.ORPHAN, "reply", f"{service} remembers a command that nobody sent, key {key}")
    yield from _left(happened, events, connection, only)


def _remembered(connection: Connection, line: Line) -> tuple[int, Any, str | None] | None:
    return connection.execute(
        f"select status, body, etag from {line.service}.idempotency_key"
        " where provider_id = %s and actor_id = %s and key = %s",
        [line.provider_id, line.actor_id, line.key],
    ).fetchone()


def _left(
    happened: Iterable[tuple[Line, Any]], events: Sequence[Event], connection: Connection, only: UUID | None
) -> Iterator[Difference]:
    wanted: Counter[tuple[Effect, str, str]] = Counter()
    for line, body in happened:
        effect, match = next(
            (e, m) for e in EFFECTS if e.service == line.service and (m := re.match(e.path, line.path))
        )
        wanted[effect, str(line.actor_id), match[1] if effect.about == "path" else body[effect.about]] += 1
    spoken: Counter[tuple[str, str, str, str]] = Counter()
    for event in events:
        for about in {event.subject, event.key}:
            spoken[event.service, event.type, event.actor, about] += 1
    entries: Counter[tuple[str, str, str, str]] = Counter()
    for service in SERVICES:
        for row in _rows(connection, "action, actor, subject, chain", f"{service}.audit_entry", only):
            for about in {row["subject"], str(row["chain"])}:
                entries[service, row["action"], row["actor"], about] += 1
    for (effect, actor, about), count in wanted.items():
        for where, names, found in (("event", effect.types, spoken), ("audit entry", effect.actions, entries)):
            there = sum(found[effect.service, name, actor, about] for name in names)
            if names and not (1 if effect.shared else count) <= there <= count:
                kind = Kind.LOST if there < count else Kind.DOUBLED
                yield Difference(kind, where, f"{'/'.join(sorted(names))} of {about}: {count} accepted, {there} there")


def records(ledger: Ledger, connection: Connection) -> Iterator[Difference]:
    """Each accepted report and action is a record, and no record is there that nobody asked for."""
    for service, path, table, column in (
        ("intake", "/incidents", "incident", "incident_id"), ("actions", "/actions", "action", "action_id"),
    ):  # fmt: skip
        asked = [line for line in ledger.commands if (line.service, line.path) == (service, path)]
        kept = [(line, _remembered(connection, line)) for line in asked]
        wanted = {body[1][column] for line, body in kept if body is not None}
        wanted |= {line.body[column] for line in asked if line.answer is Answer.ACCEPTED}
        providers = list({line.provider_id for line in ledger.lines})
        there = {
            str(row[0])
            for row in connection.execute(f"select {column} from {service}.{table} where provider_id = any(%s)", [providers])
        }  # fmt: skip
        yield from (Difference(Kind.LOST, "record", f"{table} {one}") for one in sorted(wanted - there))
        yield from (Difference(Kind.DOUBLED, "record", f"{table} {one}") for one in sorted(there - wanted))


def chains(connection: Connection, only: UUID | None = None) -> Iterator[Difference]:
    """Each audit chain holds."""
    columns = "chain, seq, provider_id, at, actor, actor_role, action, subject, data, previous_hash, hash"
    for service in SERVICES:
        entries: dict[UUID, list[dict[str, Any]]] = {}
        for row in _rows(connection, columns, f"{service}.audit_entry", only, "chain, seq"):
            entries.setdefault(row["chain"], []).append(row)
        for chain, rows in entries.items():
            if (fault := audit.verify(rows)) is not None:
                yield Difference(Kind.CHANGED, "audit chain", f"{service} {chain}: {fault}")


# What was said of it

_OWN = frozenset({"escalation_id"})
"""Ids that a second effect would have of its own."""


def outboxes(events: Sequence[Event]) -> Iterator[Difference]:
    """Each event was published, and says something that was not said before.

    A stage may be entered again, but not twice in a row. What is late is said again until somebody has done it, each time
    as another version. All else is said once of a subject: whatever is counted has its count in it.
    """
    seen: set[tuple[str, str, str]] = set()
    entered: dict[str, tuple[Any, ...]] = {}
    for event in events:
        if event.parked:
            yield Difference(Kind.LOST, "outbox", f"held back: {event.name}")
        elif not event.published:
            yield Difference(Kind.LOST, "outbox", f"not published: {event.name}")
        says = {name: value for name, value in event.data.items() if not name.endswith("_at") and name not in _OWN}
        if event.type == "plumbline.incident.stage_entered.v1":
            stage = (says["cycle"], says["stage"], says["next_move"], event.data.get("due_at"))
            if entered.get(event.key, ())[:2] == stage[:2]:
                yield Difference(Kind.DOUBLED, "event", event.name)
            entered[event.key] = stage
            continue
        if event.type.endswith(".late.v1"):
            says["version"] = event.version
        content = (event.type, event.subject, repr(sorted(says.items(), key=lambda item: item[0])))
        if content in seen:
            yield Difference(Kind.DOUBLED, "event", event.name)
        seen.add(content)


def log(events: Sequence[Event], in_log: Collection[UUID]) -> Iterator[Difference]:
    """Each event is in the broker's log, which may hold it more than once, and nothing else is."""
    known = {event.event_id: event for event in events}
    yield from (Difference(Kind.LOST, "log", known[one].name) for one in known.keys() - set(in_log))
    yield from (Difference(Kind.ORPHAN, "log", f"nobody said {one}") for one in set(in_log) - known.keys())


def inboxes(events: Sequence[Event], connection: Connection, only: UUID | None = None) -> Iterator[Difference]:
    """Each event was applied by every service that has a use for it. An inbox row and its effect are one transaction."""
    known = {event.event_id for event in events}
    for service in SERVICES:
        for row in _rows(connection, "consumer, event_id, error", f"{service}.parked_event", only):
            yield Difference(Kind.LOST, "inbox", f"{service} {row['consumer']} holds {row['event_id']}: {row['error']}")
        applied = {row["event_id"] for row in _rows(connection, "event_id", f"{service}.inbox", only)}
        yield from (Difference(Kind.ORPHAN, "inbox", f"{service} applied {one}") for one in applied - known)
        composed = import_module(f"services.{service}.__main__").SERVICE
        topics = {*composed.consumes, *composed.consumes_urgent}
        for event in events:
            heard = f"plumbline.{event.service}" in topics
            wants = composed.batch_handler is not None or event.type in composed.handlers
            if heard and wants and event.event_id not in applied:
                yield Difference(Kind.LOST, "inbox", f"{service} has not applied {event.name}")


def lines(events: Sequence[Event], connection: Connection, only: UUID | None = None) -> Iterator[Difference]:
    """Each line of a timeline in reporting is of an event that was said, of the case that it was said of."""
    known = {event.event_id: event for event in events}
    for row in _rows(connection, "event_id, incident_id, type", "reporting.timeline", only):
        event, name = known.get(row["event_id"]), f"{row['type']} {row['event_id']} of {row['incident_id']}"
        if event is None:
            yield Difference(Kind.DOUBLED, "projection", f"a line that no event says: {name}")
        elif event.type != row["type"]:
            yield Difference(Kind.CHANGED, "projection", f"a line of another event: {name}")


# What leads it on


@dataclass(frozen=True)
class Process:
    """An incident's process: whether it runs, where it is, and the events that it knows of."""

    runs: bool
    place: tuple[str, int] | None = None
    seen: frozenset[str] = frozenset()


async def processes_of(client: Client, incidents: Iterable[str]) -> dict[str, Process]:
    """Every incident's process that the engine has, and of the `incidents` among them what it knows."""
    wanted, found = set(incidents), dict[str, Process]()
    async for execution in client.list_workflows(f"WorkflowType = '{WORKFLOW}'"):
        incident = execution.id.removeprefix("incident-")
        if execution.status is WorkflowExecutionStatus.RUNNING:
            found[incident] = Process(runs=True)
        elif execution.status is not WorkflowExecutionStatus.CONTINUED_AS_NEW:
            found.setdefault(incident, Process(runs=False))
    for incident in wanted & found.keys():
        if found[incident].runs:
            case = await client.get_workflow_handle(workflow_id(incident)).query("case")
            place = (case["position"]["stage"], case["position"]["cycle"])
            found[incident] = Process(runs=True, place=place, seen=frozenset(case["seen"]))
    return found


def open_and_ended(connection: Connection) -> dict[str, tuple[str, int]]:
    """The stage and cycle that the record of each incident is in."""
    rows = connection.execute("select incident_id::text, stage, cycle from intake.incident")
    return {incident: (stage, cycle) for incident, stage, cycle in rows}


def processes(
    records: Mapping[str, tuple[str, int]], events: Sequence[Event], found: Mapping[str, Process]
) -> Iterator[Difference]:
    """Each open record has one running process that is where the record is and knows all that was said; nothing else runs."""
    needed: dict[str, list[Event]] = {}
    for event in events:
        if event.type in NEEDED and router.wanted(event.received):
            needed.setdefault(event.key, []).append(event)
    for incident, place in records.items():
        process = found.get(incident)
        if place[0] in ENDED:
            if process is not None and process.runs:
                yield Difference(Kind.ORPHAN, "process", f"{incident} has ended, and its process runs")
            continue
        if process is None or not process.runs:
            yield Difference(Kind.LOST, "process", f"{incident} is open ({place[0]}), and no process runs")
            continue
        if process.place != place:
            yield Difference(Kind.CHANGED, "process", f"{incident} is in {place}, its process in {process.place}")
        for event in needed.get(incident, ()):
            if str(event.event_id) not in process.seen:
                yield Difference(Kind.LOST, "process", f"{incident}: its process does not know {event.name}")
    for incident in found.keys() - records.keys():
        yield Difference(Kind.ORPHAN, "process", f"{incident}: a process without a record")


async def followed(client: Client, events: Sequence[Event]) -> list[Difference]:
    """Each briefing that has something to follow up has a process that does."""
    found = []
    known = {execution.id async for execution in client.list_workflows(f"WorkflowType = '{briefing.WORKFLOW}'")}
    for event in events:
        if event.type == "plumbline.briefing.sent.v1" and event.data.get("follow_up_at") is not None:
            name = briefing.workflow_id(event.data["briefing_id"])
            if name not in known:
                found.append(Difference(Kind.LOST, "process", f"nothing follows {event.name}"))
    return found
