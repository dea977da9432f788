"""Roles that are told beside the ladder: one call, no clock, nothing climbs."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("alter table intake.ladder_run add column told_role text")
    op.execute("drop index intake.ladder_run_open")
    op.execute(
        "create unique index ladder_run_open on intake.ladder_run (incident_id)"
        " where acknowledged_at is null and reason <> 'break_glass' and told_role is null"
    )
    op.execute(
        "create unique index ladder_run_told on intake.ladder_run (incident_id, about) where told_role is not null"
    )
