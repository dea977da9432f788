"""Safeguarding and restricted incidents."""

from alembic import op

from services.runtime import tables

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    pass
