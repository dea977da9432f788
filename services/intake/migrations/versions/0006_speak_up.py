"""Concerns raised anonymously or in confidence."""

from alembic import op

from services.runtime import tables

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    pass
