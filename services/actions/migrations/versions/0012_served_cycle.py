"""In which cycle of another incident an action counts; what was agreed before counts in the first."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("alter table actions.served add column cycle integer not null default 1")
    op.execute("alter table actions.served alter column cycle drop default")
