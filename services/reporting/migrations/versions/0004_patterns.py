"""What patterns are found in: codes and stand-ins of incidents, what was learned, how actions are worded; and signals.

Reporting speaks for the first time, of what people decided about a signal: so it has an outbox from here on.
"""

from alembic import op

from services.runtime import tables

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        """alter table reporting.incident
            add column review_returned_at timestamptz,
            add column review_approved_at timestamptz,
            add column learning_count integer,
            add column briefing_needed boolean,
            add column briefing_sent_at timestamptz"""
    )
    op.execute("create index incident_told on reporting.incident (provider_id, occurred_at)")
    op.execute(
        "create index timeline_late on reporting.timeline (provider_id, at)"
        " where type in ('plumbline.obligation.late.v1', 'plumbline.candour.late.v1', 'plumbline.safeguarding.late.v1')"
    )
    op.execute(
        """alter table reporting.action
            add column agreed_at timestamptz,
            add column wording text,
            add column weak_wording boolean"""
    )
    op.execute("alter table reporting.location add column types text[] not null default '{}'")
    op.execute("alter table reporting.location alter column types drop default")
    op.execute(
        """create table reporting.trait (
            provider_id uuid not null,
            incident_id uuid not null,
            kind text not null,
            codes text[] not null,
            revision integer not null,
            primary key (provider_id, incident_id, kind)
        )"""
    )
    tables.protect_v1(op, "reporting", "trait")
    op.execute(
        """create table reporting.outbox (
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
        "create index outbox_unpublished on reporting.outbox (urgent desc, seq)"
        " where published_at is null and parked_at is null"
    )
    op.execute("create index outbox_parked on reporting.outbox (key) where parked_at is not null")
    op.execute('create index outbox_position on reporting.outbox (topic, partition, "offset" desc)')
    op.execute("create index outbox_key on reporting.outbox (key, seq)")
    tables.protect_v1(op, "reporting", "outbox", grants="select, insert")
    op.execute("grant update (published_at) on reporting.outbox to plumbline_reporting")
    tables.system_access_v1(op, "reporting", "outbox", grants="select, update")
    op.execute(
        """create table reporting.signal (
            signal_id uuid primary key,
            provider_id uuid not null,
            kind text not null,
            pattern text not null,
            location_id uuid,
            region_id uuid,
            category text,
            trait text,
            code text,
            status text not null,
            rule text not null,
            policy_version text not null,
            figures jsonb not null,
            members integer not null,
            locations integer not null,
            first_at timestamptz not null,
            last_at timestamptz not null,
            raised_at timestamptz not null,
            seen_at timestamptz not null,
            decided_at timestamptz,
            decided_by uuid,
            decision_reason text,
            decision_members integer,
            merged_into uuid references reporting.signal,
            returns integer not null,
            returned_at timestamptz,
            returned_because text,
            returned_figures jsonb,
            version integer not null,
            unique (provider_id, pattern)
        )"""
    )
    op.execute("create index signal_open on reporting.signal (provider_id, status, raised_at desc)")
    tables.protect_v1(op, "reporting", "signal")
    tables.system_access_v1(
        op, "reporting", "signal", grants="select (kind, status, raised_at, returned_at)"
    )
    op.execute(
        """create table reporting.signal_incident (
            provider_id uuid not null,
            signal_id uuid not null references reporting.signal,
            incident_id uuid not null,
            member boolean not null,
            reason text not null,
            added_at timestamptz not null,
            primary key (signal_id, incident_id)
        )"""
    )
    op.execute("create index signal_incident_of on reporting.signal_incident (provider_id, incident_id)")
    tables.protect_v1(op, "reporting", "signal_incident")
    op.execute(
        """create table reporting.signal_decision (
            decision_id uuid primary key,
            provider_id uuid not null,
            signal_id uuid not null references reporting.signal,
            decision text not null,
            reason text not null,
            merged_into uuid,
            members integer not null,
            decided_by uuid not null,
            decided_at timestamptz not null
        )"""
    )
    op.execute("create index signal_decision_of on reporting.signal_decision (signal_id, decided_at)")
    tables.protect_v1(op, "reporting", "signal_decision", grants="select, insert")
    op.execute(
        """create table reporting.search (
            provider_id uuid primary key,
            searched_at timestamptz not null,
            policy_version text not null,
            incidents integer not null,
            found integer not null
        )"""
    )
    tables.protect_v1(op, "reporting", "search")
    # Whom the schedule looks for patterns at: the providers that have locations.
    tables.system_access_v1(op, "reporting", "location", grants="select (provider_id)")
