"""What happened to a person, and what somebody reported, are found without reading everything."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.execute("create index trait_person on reporting.trait using gin (codes) where kind = 'person'")
    op.execute(
        "create index timeline_reporter on reporting.timeline (provider_id, actor)"
        " where type = 'plumbline.incident.reported.v1'"
    )
