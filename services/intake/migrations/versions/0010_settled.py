"""Safeguarding decisions that follow one another; warnings; a location's CQC id; what is unsettled, for the digest."""

from alembic import op

from services.runtime import tables

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("alter table intake.safeguarding_adult add column round_id uuid")
    op.execute("update intake.safeguarding_adult set round_id = adult_id")
    op.execute("alter table intake.safeguarding_adult alter column round_id set not null")
    op.execute("alter table intake.safeguarding_adult add column earlier_decisions jsonb not null default '[]'")
    op.execute("alter table intake.safeguarding_adult add column warned_at timestamptz")
    op.execute("alter table intake.location add column cqc_location_id text")
    op.execute("alter table intake.location add column name text")
    tables.system_access_v1(op, "intake", "blocker", grants="select (incident_id, lifted_at)")
    op.execute("revoke select (incident_id, must_decide, decision) on intake.obligation from plumbline_intake_system")
    op.execute("drop policy system on intake.obligation")
