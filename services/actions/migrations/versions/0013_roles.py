"""In which roles somebody works; not known of people that directory has not told of since."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute("alter table actions.person add column roles text[]")
