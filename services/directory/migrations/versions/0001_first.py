"""Providers, regions, locations, people, rota, exposure."""

from alembic import op

from services.runtime import tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    tables.install_v1(op, "directory")
    op.execute(
        """create table directory.provider (
            provider_id uuid primary key,
            cqc_provider_id text,
            name text not null,
            version integer not null default 1
        )"""
    )
    tables.protect_v1(op, "directory", "provider")
    op.execute(
        """create table directory.region (
            region_id uuid primary key,
            provider_id uuid not null references directory.provider,
            name text not null,
            unique (provider_id, name)
        )"""
    )
    tables.protect_v1(op, "directory", "region", grants="select, insert")
    op.execute(
        """create table directory.location (
            location_id uuid primary key,
            provider_id uuid not null references directory.provider,
            cqc_location_id text not null unique,
            name text not null,
            region_id uuid references directory.region,
            local_authority text,
            service_types text[] not null,
            beds integer not null check (beds >= 0),
            registered_on date,
            deregistered_on date,
            active boolean not null,
            version integer not null default 1
        )"""
    )
    op.execute("create index location_page on directory.location (provider_id, location_id)")
    tables.protect_v1(op, "directory", "location")
    op.execute(
        """create table directory.person (
            person_id uuid primary key,
            provider_id uuid not null references directory.provider,
            display_name text not null,
            active boolean not null default true,
            version integer not null default 1
        )"""
    )
    op.execute("create index person_page on directory.person (provider_id, person_id)")
    tables.protect_v1(op, "directory", "person")
    op.execute(
        """create table directory.assignment (
            assignment_id uuid primary key,
            provider_id uuid not null,
            person_id uuid not null references directory.person,
            role text not null,
            location_id uuid references directory.location,
            region_id uuid references directory.region,
            check (num_nonnulls(location_id, region_id) <= 1)
        )"""
    )
    op.execute("create index assignment_person on directory.assignment (person_id)")
    op.execute("create index assignment_role on directory.assignment (provider_id, role)")
    tables.protect_v1(op, "directory", "assignment", grants="select, insert, delete")
    op.execute(
        """create table directory.rota_entry (
            entry_id uuid primary key,
            provider_id uuid not null,
            role text not null,
            location_id uuid references directory.location,
            region_id uuid references directory.region,
            person_id uuid not null references directory.person,
            starts_at timestamptz not null,
            ends_at timestamptz not null,
            version integer not null default 1,
            check (num_nonnulls(location_id, region_id) <= 1),
            check (starts_at < ends_at)
        )"""
    )
    op.execute("create index rota_entry_in_force on directory.rota_entry (provider_id, role, ends_at)")
    tables.protect_v1(op, "directory", "rota_entry")
    op.execute(
        """create table directory.exposure (
            location_id uuid not null references directory.location,
            month date not null check (extract(day from month) = 1),
            unit text not null,
            provider_id uuid not null,
            quantity numeric(11, 2) not null check (quantity >= 0),
            version integer not null default 1,
            primary key (location_id, month, unit)
        )"""
    )
    tables.protect_v1(op, "directory", "exposure")
    # The import of CQC's directory writes for many providers in one statement: it names them in a setting of its own.
    for table in ("provider", "region", "location", "audit_entry", "outbox"):
        op.execute(
            f"create policy import on directory.{table} to plumbline_directory using (provider_id = any (("
            "select string_to_array(nullif(current_setting('app.import_providers', true), ''), ',')::uuid[])::uuid[]))"
        )
