"""Answers asked for by type, attachments, earlier incidents."""

from alembic import op

from services.runtime import tables

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    pass
