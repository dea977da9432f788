"""How often, and who of a location's line, was told that a briefing is not understood there."""

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.execute(
        """alter table review.briefing_location
            add column reminders integer not null default 0,
            add column reminded_role text,
            add column reminded_at timestamptz"""
    )
