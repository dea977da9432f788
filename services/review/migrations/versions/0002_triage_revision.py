"""A review follows the newest triage until it is approved."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("alter table review.review add column triage_revision integer not null default 1")
