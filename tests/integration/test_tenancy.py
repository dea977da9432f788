"""Nobody sees another provider's rows, in any table of any service: asked of PostgreSQL itself, so of tables to come too.

Rows of a provider are made in every table from what the catalogue says of its columns, inside a transaction that is
rolled back. The service's role is then taken on in that transaction: row-level security holds for it as for a login.
"""

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError

from tests.conftest import SERVICES

# Alembic's own note of which migrations have run; it belongs to nobody and no service may read it.
NOT_OF_A_PROVIDER = {"migration"}

# Other ways in, each by a setting of the transaction that only one use-case makes.
OPENINGS = {
    # The import of CQC's directory writes for the providers of its file.
    **{
        f"directory.{name}": {"import": "app.import_providers"}
        for name in ("provider", "region", "location", "audit_entry", "outbox")
    },
    # Somebody who spoke up without a name has no provider, only a receipt.
    "intake.concern_receipt": {"receipt": "app.receipt"},
    # Somebody outside who reads a pack has no provider, only a code.
    "reporting.pack_code": {"named": "app.pack_code"},
}

# What a system role (relay, reconciler, metrics) may read of all providers: no narrative, no name, no free text.
READ_BY_THE_SYSTEM = {
    "outbox": None,
    "parked_event": None,
    "idempotency_key": {"created_at"},
    "directory.person": {"person_id", "provider_id", "active", "version"},
    "intake.concern": {"concern_id", "provider_id", "answered_at"},
    "intake.kept_record": {"record_id", "kind", "changed_at"},
    "intake.appraisal": {"incident_id", "provider_id", "confirmed_at", "finished_at"},
    "intake.incident": {"incident_id", "provider_id", "stage", "location_id", "next_move"},
    "intake.restriction": {"record_id"},
    "intake.blocker": {"incident_id", "lifted_at"},
    "intake.first_check": {"incident_id", "late_at", "recorded_at"},
    "intake.obligation": {
        "incident_id", "must_decide", "decision", "submitted_at", "warn_at", "target_at", "statutory_due_at",
    },
    "intake.recurrence": {"incident_id", "asked_role", "answered_at"},
    "reporting.incident": {
        "stage", "band", "reported_at", "ended_at", "actions_done", "escalations_unacknowledged", "clock_triage",
        "origin", "earliest_due_at", "clock_review", "clock_action", "clock_verification", "clock_briefing", "clock_impact",
        "last_verdict", "briefing_sent_at", "briefing_due_at", "briefing_reached_at",
    },
    "review.theme": {"theme_id", "provider_id", "stage", "closed_at", "commissioned_at"},
    "review.theme_member": {"theme_id", "incident_id", "decision"},
    "reporting.progress": {"last_event_at", "lag_seconds"},
    "reporting.webhook": {"provider_id", "webhook_id", "active", "next_at", "sent_at"},
    "reporting.location": {"provider_id"},
    "reporting.meeting": {"meeting_id", "provider_id", "level", "compiled_at", "hold_by", "held_at", "previous_id"},
    "reporting.governance_item": {
        "meeting_id", "kind", "level", "status", "raised_at", "due_at", "climbs", "settled_at",
    },
    "reporting.signal": {"kind", "status", "raised_at", "returned_at"},
}  # fmt: skip


@pytest.fixture
def owner(database: str) -> Iterator[Connection]:
    """A transaction of the database's owner, rolled back at the end."""
    engine = create_engine(make_url(database).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        transaction = connection.begin()
        yield connection
        transaction.rollback()
    engine.dispose()


def tables(connection: Connection, service: str) -> list[str]:
    rows = connection.execute(
        text(
            "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = :schema and c.relkind in ('r', 'p') order by 1"
        ),
        {"schema": service},
    ).scalars()
    found = [name for name in rows if name not in NOT_OF_A_PROVIDER]
    assert len(found) >= 5
    return found


def value_for(kind: str) -> Any:
    """Something that a column of this type takes."""
    match kind:
        case "uuid":
            return uuid.uuid4()
        case "text":
            return f"x{uuid.uuid4().hex}"
        case "integer" | "bigint" | "smallint" | "numeric" | "double precision" | "real":
            return 1
        case "boolean":
            return False
        case "date":
            return date(2026, 6, 1)
        case "timestamp with time zone":
            return datetime(2026, 6, 8, 9, tzinfo=UTC)
        case "interval":
            return timedelta(hours=1)
        case "jsonb":
            return "{}"
        case "bytea":
            return b"x"
        case array if array.endswith("[]"):
            return []
    pytest.fail(f"say in `value_for` what a column of type {kind} takes")


def insert_a_row(connection: Connection, service: str, table: str, provider_id: uuid.UUID) -> None:
    """A row of this provider with every column filled that must be."""
    columns = connection.execute(
        text(
            "select a.attname as name, format_type(a.atttypid, null) as kind, a.attnum as place from pg_attribute a"
            " where a.attrelid = cast(:table as regclass) and a.attnum > 0 and not a.attisdropped"
            " and a.attnotnull and not a.atthasdef and a.attidentity = ''"
        ),
        {"table": f"{service}.{table}"},
    ).all()
    values = {f"c{column.place}": value_for(column.kind) for column in columns}
    (tenant,) = [column for column in columns if column.name == "provider_id"]
    values[f"c{tenant.place}"] = provider_id
    names = ", ".join(f'"{column.name}"' for column in columns)
    marks = ", ".join(f"cast(:c{column.place} as {column.kind})" for column in columns)
    connection.execute(text(f"insert into {service}.{table} ({names}) values ({marks})"), values)


def fill(connection: Connection, service: str, provider_id: uuid.UUID) -> None:
    """One row in every table. Only whose it is matters: references and checks are off for this transaction."""
    connection.execute(text("set local session_replication_role = replica"))
    checks = connection.execute(
        text(
            "select conrelid::regclass, conname from pg_constraint where contype = 'c' and connamespace = to_regnamespace(:s)"
        ),
        {"s": service},
    )
    for table, check in checks.all():
        connection.execute(text(f'alter table {table} drop constraint "{check}"'))
    for table in tables(connection, service):
        insert_a_row(connection, service, table, provider_id)


def become(connection: Connection, service: str) -> None:
    connection.execute(text(f"set local role plumbline_{service}"))


def look_as(connection: Connection, provider_id: uuid.UUID | None) -> None:
    if provider_id is not None:
        connection.execute(text("select set_config('app.provider_id', :id, true)"), {"id": str(provider_id)})


def seen(connection: Connection, service: str, names: list[str]) -> dict[str, int]:
    return {name: connection.scalar(text(f"select count(*) from {service}.{name}")) or 0 for name in names}


@pytest.mark.parametrize("service", SERVICES)
def test_a_provider_sees_its_rows_and_nobody_else_sees_any(owner: Connection, service: str) -> None:
    ours, theirs = uuid.uuid4(), uuid.uuid4()
    fill(owner, service, ours)
    names = tables(owner, service)
    become(owner, service)
    assert set(seen(owner, service, names).values()) == {0}, "without a provider nothing is visible"
    look_as(owner, theirs)
    assert set(seen(owner, service, names).values()) == {0}
    look_as(owner, ours)
    assert set(seen(owner, service, names).values()) == {1}, "the rows are there, and of this provider"


@pytest.mark.parametrize("service", SERVICES)
def test_nobody_changes_or_makes_rows_of_another_provider(owner: Connection, service: str) -> None:
    ours, theirs = uuid.uuid4(), uuid.uuid4()
    fill(owner, service, ours)
    names = tables(owner, service)
    become(owner, service)
    look_as(owner, theirs)
    for name in names:
        for attempt in (
            f"update {service}.{name} set provider_id = provider_id",
            f"delete from {service}.{name}",
        ):
            savepoint = owner.begin_nested()
            changed, refusal = 0, ""
            try:
                changed = owner.execute(text(attempt)).rowcount
            except ProgrammingError as error:
                refusal = _sqlstate(error) or ""
            assert changed == 0
            assert refusal in ("", "42501"), "the role may not even ask"
            savepoint.rollback()
        savepoint = owner.begin_nested()
        with pytest.raises(ProgrammingError) as refused:
            insert_a_row(owner, service, name, ours)
        assert _sqlstate(refused.value) == "42501"
        savepoint.rollback()


def _sqlstate(error: ProgrammingError) -> str | None:
    assert isinstance(error.orig, psycopg.Error)
    return error.orig.sqlstate


@pytest.mark.parametrize("service", SERVICES)
def test_every_table_is_protected_and_forced(owner: Connection, service: str) -> None:
    for name in tables(owner, service):
        table = f"{service}.{name}"
        protection = owner.execute(
            text("select relrowsecurity, relforcerowsecurity from pg_class where oid = cast(:table as regclass)"),
            {"table": table},
        ).one()
        assert tuple(protection) == (True, True), table
        policies = owner.execute(
            text(
                "select policyname, roles, qual, with_check from pg_policies where schemaname = :s and tablename = :t"
            ),
            {"s": service, "t": name},
        ).all()
        by_name = {policy.policyname: policy for policy in policies}
        provider = by_name.pop("provider")
        assert "app.provider_id" in provider.qual, table
        assert provider.with_check == provider.qual, table
        if by_name.pop("system", None) is not None:
            assert _system_columns(service, name) != set(), f"{table} is open to the system role without a reason"
        for policy, setting in OPENINGS.get(table, {}).items():
            assert setting in by_name.pop(policy).qual, table
        assert by_name == {}, f"{table} has a policy that this test does not know"


def _system_columns(service: str, table: str) -> set[str] | None:
    """The columns that a system role may read; None stands for all, an empty set for none."""
    for name in (f"{service}.{table}", table):
        if name in READ_BY_THE_SYSTEM:
            return READ_BY_THE_SYSTEM[name]
    return set()


@pytest.mark.parametrize("service", SERVICES)
def test_the_system_role_reads_codes_and_clocks_of_all_providers_and_nothing_else(
    owner: Connection, service: str
) -> None:
    for name in tables(owner, service):
        readable = set(
            owner.execute(
                text(
                    "select attname from pg_attribute where attrelid = cast(:table as regclass) and attnum > 0"
                    " and not attisdropped and has_column_privilege(:role, attrelid, attnum, 'select')"
                ),
                {"table": f"{service}.{name}", "role": f"plumbline_{service}_system"},
            ).scalars()
        )
        allowed = _system_columns(service, name)
        assert allowed is None or readable == allowed, f"{service}.{name}"


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("kind", ["", "_system"])
def test_a_service_is_neither_owner_nor_superuser_and_cannot_pass_by(
    owner: Connection, service: str, kind: str
) -> None:
    role = f"plumbline_{service}{kind}"
    rights = owner.execute(
        text(
            "select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication from pg_roles where rolname = :r"
        ),
        {"r": role},
    ).one()
    assert not any(rights)
    memberships = owner.execute(
        text("select count(*) from pg_auth_members where member = (select oid from pg_roles where rolname = :r)"),
        {"r": role},
    ).scalar_one()
    assert memberships == 0
    assert owner.scalar(text("select has_schema_privilege(:r, :s, 'usage')"), {"r": role, "s": service})
    for schema in SERVICES:
        assert not owner.scalar(text("select has_schema_privilege(:r, :s, 'create')"), {"r": role, "s": schema})
        if schema != service:
            assert not owner.scalar(text("select has_schema_privilege(:r, :s, 'usage')"), {"r": role, "s": schema})
    for name in [*tables(owner, service), *NOT_OF_A_PROVIDER]:
        table = f"{service}.{name}"
        owned = owner.scalar(
            text("select pg_get_userbyid(relowner) = :r from pg_class where oid = cast(:t as regclass)"),
            {"r": role, "t": table},
        )
        assert owned is False
        for right in ("truncate", "trigger", "references"):
            assert not owner.scalar(
                text("select has_table_privilege(:r, :t, :right)"), {"r": role, "t": table, "right": right}
            )
    for right in ("select", "insert", "update", "delete"):
        allowed = owner.scalar(
            text("select has_table_privilege(:r, :t, :right)"), {"r": role, "t": f"{service}.migration", "right": right}
        )
        assert not allowed, "a service has no business with its own migrations"


@pytest.mark.parametrize("service", SERVICES)
def test_audit_entries_stay_as_written_whoever_asks(owner: Connection, service: str) -> None:
    insert_a_row(owner, service, "audit_entry", uuid.uuid4())
    for attempt in (
        f"update {service}.audit_entry set action = 'nothing happened'",
        f"update {service}.audit_entry set hash = hash where false",
        f"delete from {service}.audit_entry",
        f"truncate {service}.audit_entry",
    ):
        savepoint = owner.begin_nested()
        with pytest.raises(ProgrammingError, match="append-only") as refusal:
            owner.execute(text(attempt))
        assert _sqlstate(refusal.value) == "42501"
        savepoint.rollback()
    role = f"plumbline_{service}"
    for right in ("update", "delete", "truncate"):
        assert not owner.scalar(
            text("select has_table_privilege(:r, :t, :right)"),
            {"r": role, "t": f"{service}.audit_entry", "right": right},
        )


@pytest.mark.parametrize("service", SERVICES)
def test_the_provider_of_a_transaction_is_gone_with_it(
    service_engine: Any, service: str, provider_id: uuid.UUID
) -> None:
    """A pooled connection must not carry one request's provider into the next."""
    engine: Engine = service_engine(service)
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        with connection.begin():
            look_as(connection, provider_id)
            assert connection.scalar(text("select current_setting('app.provider_id', true)")) == str(provider_id)
        assert connection.connection.driver_connection is driver
        with connection.begin():
            assert not connection.scalar(text("select current_setting('app.provider_id', true)"))
            for name in tables(connection, service):
                assert connection.scalar(text(f"select count(*) from {service}.{name}")) == 0
