"""Incidents, triage, escalation, feedback."""

from alembic import op

from services.runtime import tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    tables.install_v1(op, "intake")
    op.execute(
        """create table intake.location (
            location_id uuid primary key,
            provider_id uuid not null,
            region_id uuid,
            active boolean not null,
            revision integer not null
        )"""
    )
    tables.protect_v1(op, "intake", "location")
    op.execute(
        """create table intake.incident (
            incident_id uuid primary key,
            provider_id uuid not null,
            location_id uuid not null,
            region_id uuid,
            kind text not null,
            category text not null,
            narrative text not null,
            immediate_danger boolean not null,
            occurred_at timestamptz not null,
            reported_at timestamptz not null,
            reporter_id uuid not null,
            triage_due_at timestamptz,
            stage text not null,
            stage_entered_at timestamptz not null,
            cycle integer not null default 1,
            next_move text,
            next_due_at timestamptz,
            band text,
            duplicate_of uuid references intake.incident,
            end_reason text,
            closed_at timestamptz,
            import_source text,
            import_ref text,
            version integer not null default 1,
            unique (provider_id, import_source, import_ref)
        )"""
    )
    op.execute("create index incident_page on intake.incident (provider_id, incident_id desc)")
    op.execute("create index incident_place on intake.incident (provider_id, location_id, occurred_at)")
    op.execute(
        "create index incident_open on intake.incident (incident_id)"
        " where stage not in ('closed', 'withdrawn', 'duplicate')"
    )
    tables.protect_v1(op, "intake", "incident")
    tables.system_access_v1(op, "intake", "incident", grants="select (incident_id, provider_id, stage)")
    op.execute(
        """create table intake.triage (
            triage_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null references intake.incident,
            cycle integer not null,
            actual_harm text not null,
            consequence integer not null check (consequence between 1 and 5),
            likelihood integer not null check (likelihood between 1 and 5),
            score integer not null,
            band text not null,
            suggested_consequence integer not null,
            suggested_likelihood integer not null,
            rule text not null,
            policy_version text not null,
            by_default boolean not null,
            reason text,
            decided_by uuid not null,
            decided_at timestamptz not null
        )"""
    )
    op.execute("create index triage_incident on intake.triage (incident_id, decided_at)")
    tables.protect_v1(op, "intake", "triage", grants="select, insert")
    op.execute(
        """create table intake.stage_entry (
            command_id text primary key,
            provider_id uuid not null,
            incident_id uuid not null references intake.incident,
            cycle integer not null,
            stage text not null,
            entered_at timestamptz not null,
            due_at timestamptz,
            next_move text,
            actor text not null
        )"""
    )
    op.execute("create index stage_entry_incident on intake.stage_entry (incident_id, entered_at)")
    tables.protect_v1(op, "intake", "stage_entry", grants="select, insert")
    op.execute(
        """create table intake.escalation (
            escalation_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null references intake.incident,
            command_id text not null unique,
            level integer not null,
            reason text not null,
            to_role text not null,
            to_person uuid,
            sent_at timestamptz not null,
            acknowledged_at timestamptz,
            acknowledged_by uuid
        )"""
    )
    op.execute("create index escalation_incident on intake.escalation (incident_id, sent_at)")
    tables.protect_v1(op, "intake", "escalation")
    op.execute(
        """create table intake.reminder (
            command_id text primary key,
            provider_id uuid not null,
            incident_id uuid not null references intake.incident,
            cycle integer not null,
            stage text not null,
            count integer not null,
            to_role text not null,
            sent_at timestamptz not null,
            next_at timestamptz not null
        )"""
    )
    op.execute("create index reminder_incident on intake.reminder (incident_id, sent_at)")
    tables.protect_v1(op, "intake", "reminder", grants="select, insert")
    op.execute(
        """create table intake.feedback (
            feedback_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null references intake.incident,
            message text not null,
            sent_at timestamptz not null
        )"""
    )
    op.execute("create index feedback_incident on intake.feedback (incident_id, sent_at)")
    tables.protect_v1(op, "intake", "feedback", grants="select, insert")
