"""The key under which the wording of an action stands in events: equal wordings can be counted, and not read."""

from alembic import op

from services.runtime import tables

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("create table actions.pseudonym_key (provider_id uuid primary key, key bytea not null)")
    tables.protect_v1(op, "actions", "pseudonym_key", grants="select, insert")
