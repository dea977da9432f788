"""How many were reported where is counted in an index alone, and the serious ones of a type are found in one."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.execute("drop index reporting.incident_told")
    op.execute(
        "create index incident_told on reporting.incident (provider_id, occurred_at) include (location_id)"
        " where reported_at is not null"
    )
    # The others of a type are so many that a page of the list is full before it has looked at many rows.
    op.execute(
        "create index incident_serious on reporting.incident (provider_id, band, category, incident_id)"
        " where band in ('high', 'extreme')"
    )
