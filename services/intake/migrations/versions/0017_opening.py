"""Broken glass under the names by which every service asks for whom a restricted record was opened."""

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.execute(
        "create view intake.opening with (security_invoker = true) as"
        " select break_glass_id as opening_id, provider_id, incident_id as record_id, person_id, ends_at"
        " from intake.break_glass"
    )
    op.execute("grant select on intake.opening to plumbline_intake")
