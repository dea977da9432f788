"""What stands for people of an incident, and what was asked about it, can be erased when its time has come."""

from alembic import op

from services.runtime import tables

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    tables.erasure_v1(op, "reporting")
    tables.only_emptied_v1(op, "reporting")
    tables.erasable_v1(op, "reporting", "timeline", "summary")
    tables.clearable_replies_v1(op, "reporting")
