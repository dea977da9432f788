"""The audit of `make chaos` sees what it is for: whatever is planted is named, and what is whole is left alone."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, text

from deploy.local.projection import rebuild
from services.contracts.topics import PUBLISHERS
from services.runtime import db
from tests.chaos import audit
from tests.chaos.audit import Difference, Event, Kind, Process
from tests.chaos.ledger import Answer, Ledger, Line
from tests.conftest import MovableClock, ServiceClient
from workflows.facts import NEEDED


@dataclass
class Told:
    """A report that was triaged and heard by all, what its people were told, and the database as its owner sees it."""

    incident: str
    ledger: Ledger
    connection: psycopg.Connection[Any]
    engines: Callable[[str], Engine]
    provider_id: uuid.UUID
    clock: MovableClock

    @property
    def events(self) -> list[Event]:
        """What was said of it."""
        return audit.said(self.connection, self.provider_id)

    def differences(self) -> set[tuple[Kind, str]]:
        """What the audit finds: kind and place."""
        events, ledger, where = self.events, self.ledger, (self.connection, self.provider_id)
        found: list[Difference] = [
            *audit.commands(ledger, events, *where), *audit.records(ledger, self.connection), *audit.chains(*where),
            *audit.outboxes(events), *audit.inboxes(events, *where), *audit.lines(events, *where),
        ]  # fmt: skip
        return {(one.kind, one.where) for one in found}

    def execute(self, statement: str, **values: Any) -> None:
        """Change what the services hold behind their backs."""
        done = self.connection.execute(statement, {"incident": self.incident, **values})
        assert done.rowcount > 0


def _hear(engine: Engine, service: str, event: Event) -> None:
    composed = import_module(f"services.{service}.__main__").SERVICE
    if f"plumbline.{event.service}" not in {*composed.consumes, *composed.consumes_urgent}:
        return
    handler = composed.handlers.get(event.type)
    if composed.batch_handler is None and handler is None:
        return
    with db.transaction(engine, event.provider_id) as session:
        row = "insert into {}.inbox (consumer, event_id, provider_id) values ('main', :event, :provider)"
        session.execute(text(row.format(service)), {"event": event.event_id, "provider": event.provider_id})
        if handler is not None:
            handler(session, event.received)
        else:
            composed.batch_handler(session, [event.received])


@pytest.fixture
def told(
    client: Callable[[str], ServiceClient],
    actor: Callable[..., Any],
    place: Callable[..., uuid.UUID],
    service_engine: Callable[[str], Engine],
    database: str,
    provider_id: uuid.UUID,
    clock: MovableClock,
) -> Iterator[Told]:
    """Everything as it should be."""
    intake, carer, manager = client("intake"), actor("carer"), actor("registered_manager")
    where, ledger = place("intake"), Ledger()

    def send(who: Any, path: str, body: Any, version: int | None = None) -> Any:
        key = str(uuid.uuid4())
        answer = intake.post(path, who, body, key=key, version=version)
        assert answer.is_success, answer.text
        line = Line(provider_id, who.id, "intake", "POST", path, key, Answer.ACCEPTED, answer.status_code)
        line.body, line.etag = answer.json(), answer.headers.get("ETag")
        ledger.intend(line)
        return line.body

    report = {
        "location_id": str(where), "occurred_at": clock.now().isoformat(), "category": "environment",
        "immediate_danger": False, "narrative": "A door stood open.",
    }  # fmt: skip
    incident = send(carer, "/incidents", report)["incident_id"]
    scores = {"actual_harm": "none", "consequence": 1, "likelihood": 2, "reason": "Nobody was near.", "earlier_seen": 0}
    send(manager, f"/incidents/{incident}/triage", scores, version=1)
    with psycopg.connect(database, autocommit=True) as connection:
        made = Told(incident, ledger, connection, service_engine, provider_id, clock)
        made.execute("update intake.outbox set published_at = now() where key = %(incident)s")
        for event in made.events:
            for service in audit.SERVICES:
                _hear(service_engine(service), service, event)
        yield made


def test_what_is_whole_differs_in_nothing(told: Told) -> None:
    assert told.differences() == set()
    assert {"plumbline.incident.reported.v1", TRIAGED} <= {event.type for event in told.events}


TRIAGED = "plumbline.incident.triaged.v1"


def test_an_event_that_is_lost_is_named(told: Told) -> None:
    told.execute("delete from intake.outbox where key = %(incident)s and type = %(type)s", type=TRIAGED)
    assert (Kind.LOST, "event") in told.differences()


def test_an_event_that_is_said_twice_is_named(told: Told) -> None:
    told.execute(
        "insert into intake.outbox (event_id, provider_id, type, subject, key, version, occurred_at, urgent, actor,"
        " actor_role, data, published_at) select gen_random_uuid(), provider_id, type, subject, key, version + 1,"
        " occurred_at, urgent, actor, actor_role, data, now() from intake.outbox where key = %(incident)s and type = %(type)s",
        type=TRIAGED,
    )
    assert {(Kind.DOUBLED, "event"), (Kind.LOST, "inbox")} <= told.differences()


def test_what_is_late_is_said_again_but_not_twice_as_the_same(told: Told) -> None:
    """A clock that nobody stops goes on calling: each call is another version."""
    said = replace(told.events[0], type="plumbline.check.late.v1", version=3)
    again, twice = replace(said, event_id=uuid.uuid4(), version=4), replace(said, event_id=uuid.uuid4())
    assert list(audit.outboxes([said, again])) == []
    assert list(audit.outboxes([said, again, twice])) == [Difference(Kind.DOUBLED, "event", twice.name)]


def test_an_event_that_waits_or_is_held_is_named(told: Told) -> None:
    told.execute(
        "update intake.outbox set published_at = null where key = %(incident)s and type = %(type)s", type=TRIAGED
    )
    assert told.differences() == {(Kind.LOST, "outbox")}
    told.execute(
        "update intake.outbox set parked_at = now() where key = %(incident)s and type = %(type)s", type=TRIAGED
    )
    assert told.differences() == {(Kind.LOST, "outbox")}


def test_an_event_that_a_service_did_not_apply_is_named(told: Told) -> None:
    [event] = [event for event in told.events if event.type == TRIAGED]
    told.execute("delete from actions.inbox where event_id = %(event)s", event=event.event_id)
    assert told.differences() == {(Kind.LOST, "inbox")}


def test_what_the_broker_lost_or_made_up_is_named(told: Told) -> None:
    first, second, *_ = told.events
    assert list(audit.log([first, second], {first.event_id, second.event_id})) == []
    assert list(audit.log([first, second], {first.event_id})) == [Difference(Kind.LOST, "log", second.name)]
    made_up = uuid.uuid4()
    [orphan] = audit.log([first], {first.event_id, made_up})
    assert (orphan.kind, str(made_up) in orphan.what) == (Kind.ORPHAN, True)


def test_a_projection_that_is_doubled_is_named(told: Told) -> None:
    told.execute(
        "insert into reporting.timeline overriding system value select (jsonb_populate_record(line, jsonb_build_object('event_id',"
        " gen_random_uuid(), 'line_no', line.line_no + 1000000000))).* from reporting.timeline line where incident_id = %(incident)s and type = %(type)s",
        type=TRIAGED,
    )
    assert told.differences() == {(Kind.DOUBLED, "projection")}


def test_a_projection_that_lacks_something_is_named(told: Told) -> None:
    logs = {publisher: told.engines(f"{publisher}_system") for publisher in PUBLISHERS}

    def compared() -> tuple[int, list[str]]:
        found = rebuild(logs, told.engines("reporting"), told.clock.now(), check=True, only=told.provider_id)
        return found.missing, found.different_cases

    assert compared() == (0, [])
    told.execute("update reporting.incident set band = 'extreme' where incident_id = %(incident)s")
    assert compared() == (0, [told.incident])
    told.execute("delete from reporting.timeline where incident_id = %(incident)s and type = %(type)s", type=TRIAGED)
    assert compared() == (1, [told.incident])


def test_a_reply_that_is_forgotten_or_different_is_named(told: Told) -> None:
    report, triage = told.ledger.lines
    told.execute(
        "update intake.idempotency_key set body = %(body)s where key = %(key)s", body=json.dumps({}), key=triage.key
    )
    assert told.differences() == {(Kind.CHANGED, "reply")}
    told.execute("delete from intake.idempotency_key where key = %(key)s", key=report.key)
    assert (Kind.LOST, "reply") in told.differences()


def test_what_was_refused_and_done_and_what_nobody_sent_is_named(told: Told) -> None:
    report, triage = told.ledger.lines
    told.ledger.lines[1] = replace(triage, answer=Answer.REFUSED)
    assert told.differences() == {(Kind.ORPHAN, "reply")}
    told.ledger.lines[:] = [triage]
    found = list(audit.commands(told.ledger, told.events, told.connection))
    assert [(one.kind, report.key in one.what) for one in found] == [(Kind.ORPHAN, True)]
    found = list(audit.records(told.ledger, told.connection))
    assert found == [Difference(Kind.DOUBLED, "record", f"incident {told.incident}")]


def test_a_record_that_is_lost_is_named(told: Told) -> None:
    report, _ = told.ledger.lines
    lost = str(uuid.uuid4())
    told.ledger.intend(replace(report, key=str(uuid.uuid4()), body={**report.body, "incident_id": lost}))
    found = list(audit.records(told.ledger, told.connection))
    assert found == [Difference(Kind.LOST, "record", f"incident {lost}")]


def test_what_was_refused_at_first_and_sent_again_with_its_key_is_one_command(told: Told) -> None:
    told.ledger.lines.insert(1, replace(told.ledger.lines[1], answer=Answer.REFUSED, status=404))
    assert told.differences() == set()
    assert (told.ledger.count(Answer.ACCEPTED), told.ledger.count(Answer.REFUSED)) == (2, 0)


def test_an_answer_that_never_came_may_be_either(told: Told) -> None:
    """Done, and held to the same as all others; or not done."""
    told.ledger.lines[0].answer = Answer.UNKNOWN
    told.ledger.intend(replace(told.ledger.lines[0], key=str(uuid.uuid4()), body=None))
    assert told.differences() == set()


def test_an_audit_entry_that_is_gone_or_changed_is_named(told: Told) -> None:
    entry = "where chain = %(incident)s and action = 'triaged'"
    told.connection.execute("alter table intake.audit_entry disable trigger append_only")
    try:
        told.execute(f"update intake.audit_entry set actor_role = 'director' {entry}")
        assert told.differences() == {(Kind.CHANGED, "audit chain")}
        told.execute(f"delete from intake.audit_entry {entry}")
        assert (Kind.LOST, "audit entry") in told.differences()
    finally:
        told.connection.execute("alter table intake.audit_entry enable trigger append_only")


def test_a_process_that_is_missing_left_over_or_behind_is_named(told: Told) -> None:
    knows = frozenset(str(event.event_id) for event in told.events)
    at, whole = ("triaged", 1), Process(runs=True, place=("triaged", 1), seen=knows)

    def found(processes: dict[str, Process], place: tuple[str, int] = at) -> list[Kind]:
        return [one.kind for one in audit.processes({told.incident: place}, told.events, processes)]

    assert found({told.incident: whole}) == []
    assert found({}) == [Kind.LOST]
    assert found({told.incident: Process(runs=False)}) == [Kind.LOST]
    assert found({told.incident: replace(whole, place=("reported", 1))}) == [Kind.CHANGED]
    assert found({told.incident: replace(whole, seen=frozenset())}) == [Kind.LOST] * len(
        [e for e in told.events if e.type in NEEDED]
    )
    assert found({told.incident: whole}, ("withdrawn", 1)) == [Kind.ORPHAN]
    assert found({}, ("closed", 1)) == []
    assert found({told.incident: whole, str(uuid.uuid4()): Process(runs=True)}) == [Kind.ORPHAN]
    assert found({told.incident: whole, str(uuid.uuid4()): Process(runs=False)}) == [Kind.ORPHAN]
