"""A review may conclude that its cause is known, and link what was learned and the improvement work."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute("alter table review.review add column known_cause jsonb")
