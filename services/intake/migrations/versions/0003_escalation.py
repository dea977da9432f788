"""The ladder: runs, and what became of each call."""

from alembic import op

from services.runtime import tables

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        """create table intake.ladder_run (
            run_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null references intake.incident,
            about text not null,
            reason text not null,
            rule text not null,
            detail text,
            policy_version text not null,
            answer interval not null,
            level integer not null check (level >= 0),
            step integer not null check (step >= 1),
            top_calls integer not null default 0,
            requested_at timestamptz not null,
            acknowledged_at timestamptz,
            acknowledged_by uuid
        )"""
    )
    op.execute("create unique index ladder_run_open on intake.ladder_run (incident_id) where acknowledged_at is null")
    op.execute("create index ladder_run_rule on intake.ladder_run (provider_id, detail, requested_at)")
    tables.protect_v1(op, "intake", "ladder_run")
    op.execute("alter table intake.escalation add column run_id uuid references intake.ladder_run")
    op.execute("alter table intake.escalation add column step integer not null default 1")
    op.execute("alter table intake.escalation add column rule text not null default ''")
    op.execute("alter table intake.escalation add column policy_version text not null default ''")
    op.execute("alter table intake.escalation add column answer_due_at timestamptz")
    op.execute("alter table intake.escalation add column outcome text not null default 'waiting'")
    op.execute("update intake.escalation set outcome = 'acknowledged' where acknowledged_at is not null")
    op.execute("create unique index escalation_step on intake.escalation (run_id, step)")
    op.execute(
        "create index escalation_waiting on intake.escalation (provider_id, to_person, to_role)"
        " where acknowledged_at is null"
    )
