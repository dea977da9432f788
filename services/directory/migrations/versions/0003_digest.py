"""A notice may be about no incident: the one of the day is about all that waits."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("alter table directory.delivery alter column incident_id drop not null")
