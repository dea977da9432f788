"""The key under which people stand in events: a stand-in links incidents and says nothing about whose they are."""

from alembic import op

from services.runtime import tables

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.execute("create table intake.pseudonym_key (provider_id uuid primary key, key bytea not null)")
    tables.protect_v1(op, "intake", "pseudonym_key", grants="select, insert")
