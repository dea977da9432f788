"""How many obligations are open is counted over all providers: codes and clocks only."""

from alembic import op

from services.runtime import tables

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    tables.system_access_v1(
        op,
        "intake",
        "obligation",
        grants="select (incident_id, must_decide, decision, submitted_at, warn_at, target_at, statutory_due_at)",
    )
    op.execute(
        "create index obligation_unsettled on intake.obligation (incident_id) where submitted_at is null"
        " and decision is distinct from 'not_notify' and (decision is not null or must_decide)"
    )
