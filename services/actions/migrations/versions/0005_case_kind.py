"""A theme is a case too: its id stands where an incident's does."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("alter table actions.incident add column case_kind text not null default 'incident'")
