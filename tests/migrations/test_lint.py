"""Schemas only grow within a release: every migration, read by a linter and compared by PostgreSQL's own catalogue."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, create_engine, make_url, text

from tests.conftest import SERVICES
from tests.migrations import lint

FROZEN = {"directory": "0006", "intake": "0025", "review": "0019", "actions": "0018", "reporting": "0017"}
"""The last migrations that may be excepted at all. Never raised once a release is out."""


@pytest.fixture(scope="module")
def connection(postgres: str) -> Iterator[Connection]:
    """A database without anything, but the roles that migrations grant to."""
    name = f"plumbline_{uuid.uuid4().hex[:12]}"
    url = make_url(postgres).set(drivername="postgresql+psycopg")
    owner = create_engine(url, isolation_level="AUTOCOMMIT")
    with owner.connect() as first:
        first.execute(text(f"create database {name}"))
    engine = create_engine(url.set(database=name))
    with engine.connect() as made:
        made.execute(text("set synchronous_commit = off"))
        for role in (f"plumbline_{service}{kind}" for service in SERVICES for kind in ("", "_system")):
            if not made.scalar(text("select 1 from pg_roles where rolname = :role"), {"role": role}):
                made.execute(text(f"create role {role} login"))
        made.commit()
        yield made
    engine.dispose()
    with owner.connect() as last:
        last.execute(text(f"drop database {name} with (force)"))
    owner.dispose()


@pytest.fixture(scope="module")
def found(connection: Connection) -> list[lint.Fault]:
    """Every fault of every migration."""
    faults, known = lint.locks(lint.migrations()), dict[str, lint.Catalogue]()
    for service in SERVICES:
        connection.execute(text(f"create schema {service}"))
    connection.commit()
    context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
    for migration in lint.migrations():
        with context.begin_transaction(_per_migration=True), Operations.context(context):
            migration.module.upgrade()
        after = lint.catalogue(connection, migration.service)
        faults += lint.broken(migration, known.get(migration.service, {}), after)
        connection.commit()
        known[migration.service] = after
    return faults


def test_no_migration_stops_the_release_before(found: list[lint.Fault]) -> None:
    known = lint.before()
    wrong = [str(one) for one in found if f"{one.rule}: {one.about}" not in known.get(one.migration, [])]
    assert not wrong, "\n".join(wrong)


def test_the_list_of_what_was_before_only_becomes_shorter(found: list[lint.Fault]) -> None:
    done = {(one.migration, f"{one.rule}: {one.about}") for one in found}
    for migration, faults in lint.before().items():
        service, _, revision = migration.partition("/")
        assert revision[:4] <= FROZEN[service], f"{migration} is newer than what may be excepted"
        for fault in faults:
            assert (migration, fault) in done, f"{migration} does not do this any more: {fault}"


def made(folder: Path, body: str, *, head: str = "") -> lint.Migration:
    """A migration of intake that nobody wrote."""
    path = folder / "intake" / "migrations" / "versions" / f"{uuid.uuid4().hex[:8]}_made.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"from alembic import op\nfrom services.runtime import tables\n{head}\n\ndef upgrade() -> None:\n    {body}\n"
    )
    return lint.migrations.__wrapped__(folder)[-1]


@pytest.mark.parametrize(
    ("statements", "rule"),
    [
        (["alter table intake.incident drop column narrative"], "dropped-column"),
        (["alter table intake.feedback rename column message to said"], "dropped-column"),
        (["alter table intake.incident rename to happening"], "dropped-table"),
        (["drop table intake.feedback"], "dropped-table"),
        (["alter table intake.incident alter column cycle type bigint"], "changed-type"),
        (["alter table intake.incident alter column band set not null"], "required-column"),
        (["alter table intake.incident add column tone text not null default 'x'",
          "alter table intake.incident alter column tone drop default"], "required-column"),
    ],
)  # fmt: skip
def test_what_the_release_before_would_trip_over_is_found(
    found: list[lint.Fault], connection: Connection, tmp_path: Path, statements: list[str], rule: str
) -> None:
    migration = made(tmp_path, "pass")
    before = lint.catalogue(connection, "intake")
    for statement in statements:
        connection.execute(text(statement))
    faults = list(lint.broken(migration, before, lint.catalogue(connection, "intake")))
    connection.rollback()
    assert rule in {one.rule for one in faults}


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("op.execute('create index reporter on intake.incident (reporter_id)')", "require-concurrent-index-creation"),
        ("op.execute('drop index intake.incident_closed')", "require-concurrent-index-deletion"),
        ("op.execute('alter table intake.incident add column seen text not null')", "adding-required-field"),
        ("op.execute('alter table intake.incident alter column cycle type bigint')", "changing-column-type"),
        ("op.execute('alter table intake.incident add column token uuid default gen_random_uuid()')", "adding-field-with-default"),
        ("op.execute('alter table intake.incident add check (cycle > 0)')", "constraint-missing-not-valid"),
        ("op.execute('alter table intake.incident rename to happening')", "renaming-table"),
    ],
)  # fmt: skip
def test_what_locks_or_rewrites_a_table_is_found(tmp_path: Path, body: str, rule: str) -> None:
    assert rule in {one.rule for one in lint.locks([made(tmp_path, body)])}


def test_what_only_adds_is_taken(tmp_path: Path) -> None:
    body = """op.execute("alter table intake.incident add column colour text, add column seen boolean not null default false")
    op.execute("create table intake.shade (shade_id uuid primary key, provider_id uuid not null, name text not null)")
    op.execute("create index shade_name on intake.shade (name)")
    tables.index_concurrently_v1(op, "intake", "incident_colour", "incident (colour)")"""
    assert lint.locks([made(tmp_path, body)]) == []


def test_a_contraction_names_an_earlier_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {("incident", "colour"): ("text", True, False), ("incident", "cycle"): ("integer", False, False)}
    after = {("incident", "cycle"): ("integer", False, False)}
    monkeypatch.setattr(lint, "version", lambda _: "0.4.0")

    def faults(head: str) -> list[str]:
        return [one.rule for one in lint.broken(made(tmp_path / uuid.uuid4().hex, "pass", head=head), before, after)]

    assert faults("") == ["dropped-column"]
    assert faults('CONTRACTS = {"intake.incident.colour": "0.4.0"}') == ["dropped-column"]
    assert faults('CONTRACTS = {"intake.incident.shade": "0.3.0"}') == ["dropped-column"]
    assert faults('CONTRACTS = {"intake.incident.colour": "0.3.0"}') == []
