"""Clocks and blockers beside the stages; triage decisions that follow one another."""

from alembic import op

from services.runtime import tables

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("alter table intake.triage add column revision integer not null default 1")
    op.execute("alter table intake.triage add column psychological_harm text not null default 'none'")
    op.execute("create unique index triage_revision on intake.triage (incident_id, revision)")
    op.execute(
        """create table intake.clock (
            clock_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null references intake.incident,
            kind text not null,
            subject_id uuid not null,
            revision integer not null,
            due_at timestamptz,
            unique (subject_id, kind)
        )"""
    )
    op.execute("create index clock_incident on intake.clock (incident_id)")
    tables.protect_v1(op, "intake", "clock")
    op.execute(
        """create table intake.blocker (
            blocker_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null references intake.incident,
            kind text not null,
            subject_id uuid not null,
            raised_at timestamptz not null,
            lifted_at timestamptz,
            unique (subject_id, kind)
        )"""
    )
    op.execute("create index blocker_incident on intake.blocker (incident_id) where lifted_at is null")
    tables.protect_v1(op, "intake", "blocker")
