"""Checks of the first hours, with a ladder of their own beside the one that an incident has."""

from alembic import op

from services.runtime import tables

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.execute(
        """create table intake.first_check (
            check_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null references intake.incident,
            rule text not null,
            policy_version text not null,
            required_at timestamptz not null,
            warn_at timestamptz not null,
            warned_at timestamptz,
            late_at timestamptz,
            calls integer not null default 0,
            done_at timestamptz,
            how text,
            answers jsonb not null default '{}',
            set_aside_reason text,
            recorded_at timestamptz,
            recorded_by uuid,
            recorded_role text,
            unique (incident_id, rule)
        )"""
    )
    op.execute(
        "create index first_check_unrecorded on intake.first_check (provider_id, required_at)"
        " where recorded_at is null"
    )
    tables.protect_v1(op, "intake", "first_check")
    tables.system_access_v1(
        op, "intake", "first_check", grants="select (incident_id, late_at, recorded_at)"
    )
    op.execute("drop index intake.ladder_run_open")
    op.execute(
        "create unique index ladder_run_open on intake.ladder_run (incident_id, (reason = 'check_late'))"
        " where acknowledged_at is null and reason <> 'break_glass' and told_role is null"
    )
