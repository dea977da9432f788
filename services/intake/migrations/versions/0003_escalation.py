"""The ladder and what was sent."""

from alembic import op

from services.runtime import tables

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    pass
