"""An action may change hands: the newest word on its owner counts."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("alter table reporting.action add column owner_version integer not null default 0")
