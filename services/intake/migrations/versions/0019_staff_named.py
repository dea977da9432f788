"""Whether a report names staff that an allegation is about."""

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.execute("alter table intake.incident add column staff_named boolean not null default false")
