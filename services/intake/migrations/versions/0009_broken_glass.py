"""Each broken glass has a ladder of its own beside the one that others join."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute("drop index intake.ladder_run_open")
    op.execute(
        "create unique index ladder_run_open on intake.ladder_run (incident_id)"
        " where acknowledged_at is null and reason <> 'break_glass'"
    )
    op.execute(
        "create index ladder_run_glass on intake.ladder_run (incident_id)"
        " where acknowledged_at is null and reason = 'break_glass'"
    )
