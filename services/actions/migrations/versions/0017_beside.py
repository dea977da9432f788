"""Indicators that are shown beside a cycle's measure."""

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.execute("alter table actions.measure add column beside uuid[] not null default '{}'")
