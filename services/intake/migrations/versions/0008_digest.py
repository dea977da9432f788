"""What waits for whom is listed across providers, for the digest of the day: codes and places, nothing of the incident."""

from alembic import op

from services.runtime import tables

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("grant select (location_id, next_move) on intake.incident to plumbline_intake_system")
    tables.system_access_v1(op, "intake", "restriction", grants="select (record_id)")
    tables.system_access_v1(op, "intake", "obligation", grants="select (incident_id, must_decide, decision)")
