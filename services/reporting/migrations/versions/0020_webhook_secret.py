"""A webhook's secret can be renewed: the one before signs beside it for a while."""

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.execute("alter table reporting.webhook add column previous_secret text, add column previous_until timestamptz")
