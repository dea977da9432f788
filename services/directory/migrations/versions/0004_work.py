"""How people work: shift, employment, and when they began."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        "alter table directory.person add column shift text, add column employment text, add column started_on date"
    )
