"""The tables every service has in its own schema, and the rules that protect all tables.

Functions named `_v1` are called by committed migrations: never change one, add the next.
"""

from typing import Any, Protocol

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB


class Operations(Protocol):
    """The part of Alembic's `op` that is used here."""

    def execute(self, sqltext: str) -> None:
        """Run one statement."""

    def get_context(self) -> Any:
        """Alembic's context of this run."""


def outbox_table(schema: str) -> Table:
    """What the service has said: written with the change it tells of, published by the relay, kept as the event log."""
    return Table(
        "outbox",
        MetaData(),
        Column("seq", BigInteger, primary_key=True),
        Column("event_id", Uuid, nullable=False),
        Column("provider_id", Uuid, nullable=False),
        Column("type", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("version", Integer, nullable=False),
        Column("occurred_at", DateTime(timezone=True), nullable=False),
        Column("urgent", Boolean, nullable=False),
        Column("actor", Text, nullable=False),
        Column("actor_role", Text, nullable=False),
        Column("data", JSONB, nullable=False),
        Column("traceparent", Text),
        Column("published_at", DateTime(timezone=True)),
        Column("topic", Text),
        Column("partition", Integer),
        Column("offset", BigInteger),
        Column("parked_at", DateTime(timezone=True)),
        Column("parked_error", Text),
        schema=schema,
    )


def protect_v1(op: Operations, service: str, table: str, *, grants: str = "select, insert, update") -> None:
    """Force row-level security by provider on a table and grant the service's role what it needs."""
    op.execute(f"alter table {service}.{table} enable row level security")
    op.execute(f"alter table {service}.{table} force row level security")
    op.execute(
        f"create policy provider on {service}.{table}"
        " using (provider_id = (select nullif(current_setting('app.provider_id', true), '')::uuid))"
        " with check (provider_id = (select nullif(current_setting('app.provider_id', true), '')::uuid))"
    )
    op.execute(f"grant {grants} on {service}.{table} to plumbline_{service}")


def system_access_v1(op: Operations, service: str, table: str, *, grants: str) -> None:
    """Let the service's system role see a table across providers; `grants` may name columns."""
    op.execute(
        f"create policy system on {service}.{table} to plumbline_{service}_system using (true) with check (true)"
    )
    op.execute(f"grant {grants} on {service}.{table} to plumbline_{service}_system")


def index_concurrently_v1(op: Operations, service: str, name: str, on: str, *, unique: bool = False) -> None:
    """Make an index while rows are written, however long it takes. What the migrations before it did is committed first.

    Safe to run again: what an attempt that was broken off left behind goes first.
    """
    with op.get_context().autocommit_block():
        op.execute("set statement_timeout = 0")
        op.execute(f"drop index concurrently if exists {service}.{name}")
        op.execute(f"create {'unique ' if unique else ''}index concurrently {name} on {service}.{on}")
        op.execute("reset statement_timeout")


def append_only_v1(op: Operations, service: str, table: str) -> None:
    """Refuse UPDATE, DELETE and TRUNCATE on a table, whoever asks."""
    op.execute(
        f"create trigger append_only before update or delete or truncate on {service}.{table}"
        f" for each statement execute function {service}.refuse_change()"
    )


def erasure_v1(op: Operations, service: str) -> None:
    """Create the proof of what was erased: that it was, when, how much, and a digest of it. Never what it said."""
    op.execute(
        f"""create table {service}.erasure (
            record_id uuid primary key,
            provider_id uuid not null,
            erased_at timestamptz not null,
            cells integer not null check (cells >= 0),
            files text[] not null,
            digest text not null check (digest ~ '^[0-9a-f]{{64}}$')
        )"""
    )
    protect_v1(op, service, "erasure", grants="select, insert")


def only_emptied_v1(op: Operations, service: str) -> None:
    """Create the rule for columns that were only ever written once: they may become empty, and nothing else.

    An id of somebody, which the trigger names, may become another; in a JSON object each field may become empty.
    """
    op.execute(
        f"""create function {service}.only_emptied() returns trigger language plpgsql as $$
        declare
            field record;
            empty constant jsonb[] := array['""', '{{}}', '[]', 'null']::jsonb[];
        begin
            for field in
                select n.key, o.value as was, n.value as is
                from jsonb_each(to_jsonb(new)) n join jsonb_each(to_jsonb(old)) o using (key)
                where n.value is distinct from o.value
            loop
                continue when field.is = any(empty) or field.key = any(tg_argv);
                continue when jsonb_typeof(field.was) = 'object' and jsonb_typeof(field.is) = 'object'
                    and not exists (
                        select from jsonb_each(field.is) n full join jsonb_each(field.was) o using (key)
                        where n.value is distinct from o.value and not coalesce(n.value = any(empty), false)
                    );
                raise exception 'permission denied: %.% may only be emptied', tg_table_name, field.key
                    using errcode = 'insufficient_privilege';
            end loop;
            return new;
        end $$"""
    )


def erasable_v1(op: Operations, service: str, table: str, columns: str, *, ids: str = "") -> None:
    """Let the service empty columns of a table that it may not change otherwise; `ids` may become other ids."""
    given = ", ".join(filter(None, (columns, ids)))
    op.execute(f"grant update ({given}) on {service}.{table} to plumbline_{service}")
    names = ", ".join(f"'{name.strip()}'" for name in ids.split(",") if name.strip())
    op.execute(
        f"create trigger only_emptied before update of {given} on {service}.{table}"
        f" for each row execute function {service}.only_emptied({names})"
    )


def clearable_replies_v1(op: Operations, service: str) -> None:
    """Let the system role clear replies that nobody can ask for again, found by an index that is made beside writes."""
    system_access_v1(op, service, "idempotency_key", grants="select (created_at), delete")
    index_concurrently_v1(op, service, "idempotency_key_created", "idempotency_key (created_at)")


def install_v1(op: Operations, service: str, *, publishes: bool = True) -> None:
    """Create outbox, inbox, parked events, idempotency keys and the audit chain in a service's schema."""
    op.execute(f"grant usage on schema {service} to plumbline_{service}, plumbline_{service}_system")
    op.execute(
        f"""create function {service}.refuse_change() returns trigger language plpgsql as
        $$ begin raise exception 'rows of % are append-only', tg_table_name using errcode = 'insufficient_privilege';
        end $$"""
    )
    if publishes:
        op.execute(
            f"""create table {service}.outbox (
                seq bigint generated always as identity primary key,
                event_id uuid not null unique,
                provider_id uuid not null,
                type text not null,
                subject text not null,
                key text not null,
                version integer not null,
                occurred_at timestamptz not null,
                urgent boolean not null default false,
                actor text not null,
                actor_role text not null,
                data jsonb not null,
                traceparent text,
                published_at timestamptz,
                topic text,
                partition integer,
                "offset" bigint,
                parked_at timestamptz,
                parked_error text
            ) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02)"""
        )
        op.execute(
            f"create index outbox_unpublished on {service}.outbox (urgent desc, seq)"
            " where published_at is null and parked_at is null"
        )
        op.execute(f"create index outbox_parked on {service}.outbox (key) where parked_at is not null")
        op.execute(f'create index outbox_position on {service}.outbox (topic, partition, "offset" desc)')
        op.execute(f"create index outbox_key on {service}.outbox (key, seq)")
        protect_v1(op, service, "outbox", grants="select, insert")
        op.execute(f"grant update (published_at) on {service}.outbox to plumbline_{service}")
        system_access_v1(op, service, "outbox", grants="select, update")
    op.execute(
        f"""create table {service}.inbox (
            consumer text not null,
            event_id uuid not null,
            provider_id uuid not null,
            received_at timestamptz not null default now(),
            primary key (consumer, event_id)
        )"""
    )
    protect_v1(op, service, "inbox", grants="select, insert")
    op.execute(
        f"""create table {service}.parked_event (
            seq bigint generated always as identity,
            consumer text not null,
            event_id text not null,
            key text not null,
            provider_id uuid not null,
            topic text not null,
            partition integer not null,
            "offset" bigint not null,
            type text,
            headers jsonb,
            body text,
            error text not null,
            parked_at timestamptz not null default now(),
            primary key (consumer, event_id)
        )"""
    )
    protect_v1(op, service, "parked_event", grants="select, insert, delete")
    system_access_v1(op, service, "parked_event", grants="select")
    op.execute(
        f"""create table {service}.idempotency_key (
            provider_id uuid not null,
            actor_id uuid not null,
            key text not null,
            fingerprint bytea not null,
            status integer,
            body jsonb,
            etag text,
            created_at timestamptz not null default now(),
            primary key (provider_id, actor_id, key)
        )"""
    )
    protect_v1(op, service, "idempotency_key")
    op.execute(
        f"""create table {service}.audit_entry (
            chain uuid not null,
            seq integer not null,
            provider_id uuid not null,
            at timestamptz not null,
            actor text not null,
            actor_role text not null,
            action text not null,
            subject text not null,
            data jsonb not null,
            previous_hash text not null,
            hash text not null,
            primary key (chain, seq)
        )"""
    )
    protect_v1(op, service, "audit_entry", grants="select, insert")
    append_only_v1(op, service, "audit_entry")
