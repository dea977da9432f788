"""Statutory and external obligations, duty of candour."""

from alembic import op

from services.runtime import tables

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    pass
