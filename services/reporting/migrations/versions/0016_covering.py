"""Indexes that answer alone: how many were reported where, where a time is in the timeline, the serious ones of a type."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.execute("drop index reporting.incident_told")
    op.execute(
        "create index incident_told on reporting.incident (provider_id, occurred_at) include (location_id, incident_id)"
        " where reported_at is not null"
    )
    # The others of a type are so many that a page of the list is full before it has looked at many rows.
    op.execute(
        "create index incident_serious on reporting.incident (provider_id, band, category, incident_id)"
        " where band in ('high', 'extreme')"
    )
    op.execute("drop index reporting.timeline_line")
    op.execute("create index timeline_line on reporting.timeline (provider_id, line_no) include (at)")
    op.execute(
        "create index timeline_obligation on reporting.timeline (incident_id) where type in"
        " ('plumbline.obligation.late.v1', 'plumbline.candour.late.v1', 'plumbline.safeguarding.late.v1')"
    )
