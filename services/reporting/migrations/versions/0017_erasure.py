"""What stands for people of an incident, and what was asked about it, can be erased when its time has come."""

from alembic import op

from services.runtime import tables

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    tables.erasure_v1(op, "reporting")
    op.execute("grant update (summary) on reporting.timeline to plumbline_reporting")
    tables.clearable_replies_v1(op, "reporting")
