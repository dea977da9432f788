"""The measure of a cycle, frozen and versioned; indicators that people or other systems record; what a verdict saw."""

from alembic import op

from services.runtime import tables

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        """create table actions.indicator (
            indicator_id uuid primary key,
            provider_id uuid not null,
            location_id uuid,
            region_id uuid,
            name text not null,
            about text not null,
            direction text not null,
            counted boolean not null,
            definition integer not null,
            created_by uuid not null,
            created_at timestamptz not null,
            version integer not null
        )"""
    )
    op.execute("create index indicator_page on actions.indicator (provider_id, indicator_id desc)")
    tables.protect_v1(op, "actions", "indicator")
    op.execute(
        """create table actions.indicator_definition (
            indicator_id uuid not null references actions.indicator,
            number integer not null,
            provider_id uuid not null,
            definition text not null,
            numerator text,
            denominator text,
            reason text,
            defined_by uuid not null,
            defined_at timestamptz not null,
            primary key (indicator_id, number)
        )"""
    )
    tables.protect_v1(op, "actions", "indicator_definition", grants="select, insert")
    op.execute(
        """create table actions.indicator_value (
            indicator_id uuid not null references actions.indicator,
            month date not null check (extract(day from month) = 1),
            provider_id uuid not null,
            value double precision,
            numerator integer check (numerator >= 0),
            denominator numeric check (denominator >= 0),
            definition integer not null,
            recorded_by uuid not null,
            recorded_at timestamptz not null,
            revision integer not null,
            primary key (indicator_id, month),
            check (value is not null or (numerator is not null and denominator is not null))
        )"""
    )
    tables.protect_v1(op, "actions", "indicator_value")
    op.execute(
        """create table actions.measure (
            incident_id uuid not null,
            cycle integer not null,
            number integer not null,
            provider_id uuid not null,
            kind text not null,
            scope text not null,
            direction text not null,
            category text,
            unit text,
            indicator_id uuid references actions.indicator,
            definition text,
            numerator text,
            denominator text,
            baseline_first date,
            baseline_until date,
            defined_by uuid,
            defined_at timestamptz not null,
            reason text,
            primary key (incident_id, cycle, number),
            foreign key (incident_id, cycle) references actions.improvement,
            check (baseline_until > baseline_first)
        )"""
    )
    tables.protect_v1(op, "actions", "measure")
    op.execute(
        """insert into actions.measure
            (incident_id, cycle, number, provider_id, kind, scope, direction, category, unit, baseline_first,
             baseline_until, defined_at)
        select incident_id, cycle, 1, provider_id, 'incident_rate', 'provider', 'decrease', category, unit,
               baseline_first, baseline_until, opened_at
        from actions.improvement where opened_at is not null"""
    )
    op.execute(
        """alter table actions.checkpoint
            add column measure_number integer,
            add column warnings text[] not null default '{}',
            add column chart jsonb,
            add column balance jsonb,
            add column reopen_at text"""
    )
