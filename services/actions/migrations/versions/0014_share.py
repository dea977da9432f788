"""Indicators whose numerator is part of their denominator: shares."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    # What is there was compared as a rate, and stays one: nobody said that it is a share.
    op.execute("alter table actions.indicator add column share boolean not null default false check (counted or not share)")
