"""Replies that are kept for repeated requests are cleared in time: they hold names and contacts."""

from alembic import op

from services.runtime import tables

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    tables.clearable_replies_v1(op, "directory")
