"""The word in which a factor was named; five whys and barriers as aids of a review."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("alter table review.factor add column word text")
    op.execute("alter table review.review add column five_whys jsonb, add column barriers jsonb")
