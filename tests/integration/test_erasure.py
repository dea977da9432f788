"""Erasing a record: every column of every table that may hold what people wrote is emptied, or is known to hold codes.

A marker is written into every text, list and JSON column of a row in each table that belongs to one record; the service erases it in
its own login. Where the marker is left is compared with a reviewed list: a new column is put there, or is erased.
"""

import itertools
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from services.contracts.taxonomy import RecordKind
from services.runtime import audit, erasure, idempotency
from services.runtime.actor import Actor
from tests.integration.test_tenancy import tables, value_for

MARKER = "Nehemiah Lark"
ERASERS = {
    "directory": "services.directory.erasing",
    "intake": "services.intake.retention.erasing", "review": "services.review.erasing",
    "actions": "services.actions.erasing", "reporting": "services.reporting.erasing",
}  # fmt: skip
KINDS = [(service, kind) for service, module in ERASERS.items() for kind in import_module(module).PARTS]
CODES = Path(__file__).with_name("codes.txt")
"""Columns that hold codes, ids, digests and figures, what is not about a record, or what a trigger keeps beside an erased one:
reviewed, one a line."""
NOW = datetime(2046, 6, 8, 9, tzinfo=UTC)


@pytest.fixture
def owner(database: str) -> Iterator[Connection]:
    """A transaction of the database's owner, rolled back at the end."""
    engine = create_engine(make_url(database).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        transaction = connection.begin()
        yield connection
        transaction.rollback()
    engine.dispose()


def plant(
    connection: Connection, service: str, provider_id: uuid.UUID, records: Mapping[RecordKind, uuid.UUID]
) -> None:
    """One row in each table, all of the same records: ids of one name are the same, every text says the marker.

    What follows from a theme has its id where that of an incident stands.
    """
    connection.execute(text("set local session_replication_role = replica"))
    checks = connection.execute(
        text(
            "select conrelid::regclass, conname from pg_constraint where contype = 'c' and connamespace = to_regnamespace(:s)"
        ),
        {"s": service},
    )
    for table, check in checks.all():
        connection.execute(text(f'alter table {table} drop constraint "{check}"'))
    ids = {"provider_id": provider_id, **{f"{kind}_id": one for kind, one in records.items()}}
    record_id = ids.setdefault("incident_id", ids.get("theme_id", uuid.uuid4()))
    ids["record_id"] = next(iter(records.values()))
    ids["worker_id"] = ids.setdefault("person_id", uuid.uuid4())
    for table in tables(connection, service):
        if table in ("audit_entry", "erasure"):
            continue
        columns = connection.execute(
            text(
                "select attname as name, format_type(atttypid, null) as kind, attnum as place from pg_attribute"
                " where attrelid = cast(:table as regclass) and attnum > 0 and not attisdropped and attidentity = ''"
                " and attgenerated = ''"
            ),
            {"table": f"{service}.{table}"},
        ).all()
        values = {}
        for column in columns:
            value = {"text": MARKER, "jsonb": json.dumps({"said": MARKER}), "text[]": [MARKER]}.get(column.kind)
            if (table, column.name) == ("appraisal", "incident_id"):
                value = ids["record_id"]
            elif column.kind == "uuid":
                value = ids.setdefault(column.name, uuid.uuid4())
            elif (table, column.name) in (("trait", "kind"), ("outbox", "key")):
                value = "person" if column.name == "kind" else str(record_id)
            elif column.name == "incident_ids":
                value = [record_id]
            values[f"c{column.place}"] = value_for(column.kind) if value is None else value
        names = ", ".join(f'"{column.name}"' for column in columns)
        marks = ", ".join(f"cast(:c{column.place} as {column.kind})" for column in columns)
        connection.execute(text(f"insert into {service}.{table} ({names}) values ({marks})"), values)


def marked(connection: Connection, service: str) -> set[str]:
    """Every column in which the marker stands."""
    found = set()
    for table in tables(connection, service):
        rows = connection.execute(
            text(f"select to_jsonb(t) from {service}.{table} t where to_jsonb(t)::text like :m"), {"m": f"%{MARKER}%"}
        )
        for (row,) in rows:
            found |= {f"{service}.{table}.{name}" for name, value in row.items() if MARKER in json.dumps(value)}
    return found


def erase(session: Session, service: str, actor: Actor, kind: RecordKind, record_id: uuid.UUID) -> erasure.Erased:
    """As its activity does."""
    found: erasure.Erased = import_module(ERASERS[service]).erase(session, actor, kind, record_id, NOW)
    return found


def as_service(connection: Connection, service: str, provider_id: uuid.UUID) -> Session:
    connection.execute(text(f"set local role plumbline_{service}"))
    connection.execute(text("select set_config('app.provider_id', :id, true)"), {"id": str(provider_id)})
    return Session(connection, join_transaction_mode="conditional_savepoint")


@pytest.mark.parametrize(("service", "kind"), KINDS)
def test_nothing_that_people_wrote_about_a_record_is_left(
    owner: Connection, service: str, kind: RecordKind, provider_id: uuid.UUID, actor: Callable[..., Actor]
) -> None:
    record_id = uuid.uuid4()
    plant(owner, service, provider_id, {kind: record_id})
    before = marked(owner, service)
    parts = import_module(ERASERS[service]).PARTS[kind]
    session = as_service(owner, service, provider_id)
    made = erase(session, service, actor("service"), kind, record_id)
    session.flush()
    owner.execute(text("reset role"))
    left = marked(owner, service)
    assert before - left >= {f"{service}.{part.table}.{column}" for part in parts for column in part.columns}
    assert made.cells == sum(len(part.columns) + len(part.ids) for part in parts), "each part has found its row"
    assert len(made.digest) == 64


@pytest.mark.parametrize("service", ERASERS)
def test_what_no_erasure_empties_is_known_as_codes(
    owner: Connection, service: str, provider_id: uuid.UUID, actor: Callable[..., Actor]
) -> None:
    records = {kind: uuid.uuid4() for kind in RecordKind}
    plant(owner, service, provider_id, records)
    session = as_service(owner, service, provider_id)
    for kind in import_module(ERASERS[service]).PARTS:
        erase(session, service, actor("service"), kind, records[kind])
    session.flush()
    owner.execute(text("reset role"))
    left = marked(owner, service)

    codes = {line for line in CODES.read_text().splitlines() if line.startswith(f"{service}.")}
    assert left <= codes, f"erase these, or review them as codes and list them: {sorted(left - codes)}"
    assert codes <= left, f"these are not there, or erased: take them off the list: {sorted(codes - left)}"


@pytest.mark.parametrize("service", ERASERS)
def test_no_rule_of_a_table_asks_for_words_where_they_are_erased(owner: Connection, service: str) -> None:
    """What is empty stays absent and what is there becomes empty: a check may ask whether, and not what."""
    for part in itertools.chain.from_iterable(import_module(ERASERS[service]).PARTS.values()):
        rules = owner.scalars(
            text(
                "select pg_get_constraintdef(oid) from pg_constraint where contype in ('c', 'u') and conrelid = cast(:t as regclass)"
            ),
            {"t": f"{service}.{part.table}"},
        )
        for rule in rules:
            for column in part.columns:
                if re.search(rf"\b{column}\b", rule):
                    assert not re.search(r"length|~|<> ''|= ''|UNIQUE", rule), (part.table, rule)


@pytest.mark.parametrize(
    ("service", "change"),
    [
        ("intake", "update intake.candour_letter set content = 'We did nothing wrong.'"),
        ("intake", """update intake.answer_before set value = '"Nothing happened."'"""),
        ("intake", """update intake.fact_sheet set answers = answers || '{"said": "No."}'"""),
        ("intake", """update intake.outbox set data = data || '{"band": "low"}'"""),
        ("review", 'update review.submission set content = \'{"why": "Nobody"}\''),
        ("actions", "update actions.evidence set description = 'It was done.'"),
        ("reporting", """update reporting.timeline set summary = '{"stage": "closed"}'"""),
    ],
)
def test_what_is_only_ever_added_may_be_emptied_and_never_changed(
    owner: Connection, service: str, change: str, provider_id: uuid.UUID
) -> None:
    plant(owner, service, provider_id, {RecordKind.INCIDENT: uuid.uuid4()})
    owner.execute(text("set local session_replication_role = origin"))
    as_service(owner, service, provider_id)
    with pytest.raises(ProgrammingError, match="permission denied"):
        owner.execute(text(change))


def test_erasing_again_answers_the_first_proof_and_the_chain_holds(
    owner: Connection, provider_id: uuid.UUID, actor: Callable[..., Actor]
) -> None:
    record_id = uuid.uuid4()
    plant(owner, "review", provider_id, {RecordKind.INCIDENT: record_id})
    session = as_service(owner, "review", provider_id)
    first = erase(session, "review", actor("service"), RecordKind.INCIDENT, record_id)
    assert erase(session, "review", actor("service"), RecordKind.INCIDENT, record_id) == first
    chain = audit.read(session, "review", record_id)
    assert [entry["action"] for entry in chain] == ["erased"]
    assert chain[0]["data"] == {"cells": first.cells, "files": first.files, "digest": first.digest}
    assert audit.verify(chain) is None


def test_the_digest_tells_other_words(owner: Connection, provider_id: uuid.UUID, actor: Callable[..., Actor]) -> None:
    digests = set()
    for said in ("It was the left arm.", "It was the right arm."):
        part = erasure.Part("learning", ("statement",), "learning_id = :record")
        record_id = uuid.uuid4()
        owner.execute(text("set local session_replication_role = replica"))
        owner.execute(
            text(
                "insert into review.learning (learning_id, provider_id, review_id, place, statement) values (:id, :p, :id, 1, :said)"
            ),
            {"id": record_id, "p": provider_id, "said": said},
        )
        session = as_service(owner, "review", provider_id)
        digests.add(erasure.erase(session, "review", actor("service"), record_id, [part], NOW).digest)
        session.flush()
        owner.execute(text("reset role"))
    assert len(digests) == 2


@pytest.mark.parametrize("service", ERASERS)
def test_replies_are_forgotten_in_time_and_not_before(
    service: str, service_engine: Callable[[str], Engine], database: str, provider_id: uuid.UUID
) -> None:
    engine = create_engine(make_url(database).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        for key, days in (("old", 31), ("new", 29)):
            connection.execute(
                text(
                    f"insert into {service}.idempotency_key (provider_id, actor_id, key, fingerprint, body, created_at)"
                    " values (:p, :p, :key, 'x', '{}', now() - make_interval(days => :days))"
                ),
                {"p": provider_id, "key": key, "days": days},
            )
    assert idempotency.clear_replies(service_engine(f"{service}_system"), service, at_once=1) >= 1
    with engine.connect() as connection:
        asked = text(f"select key from {service}.idempotency_key where provider_id = :p")
        assert list(connection.scalars(asked, {"p": provider_id})) == ["new"]
    engine.dispose()
