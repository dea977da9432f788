"""When a cycle's measure was frozen, and by which definition of its indicator."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.execute("alter table actions.improvement add column frozen_at timestamptz")
    op.execute("update actions.improvement set frozen_at = opened_at where opened_at is not null")
    # Not known of what was frozen before: its values have to be of one definition, whichever.
    op.execute("alter table actions.measure add column indicator_definition integer")
