"""Themes: what is their own beside the row that they share with incidents, which has no report."""

from alembic import op

from services.runtime import tables

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        """create table reporting.theme (
            provider_id uuid not null,
            incident_id uuid not null,
            lead_id uuid,
            signal_id uuid,
            locations integer not null,
            commissioned_at timestamptz,
            accepted_at timestamptz,
            terms_version integer not null,
            linked integer not null,
            excluded integer not null,
            members_version integer not null,
            watch_at timestamptz,
            primary key (provider_id, incident_id)
        )"""
    )
    tables.protect_v1(op, "reporting", "theme")
    op.execute("create index incident_theme on reporting.incident (provider_id, incident_id) where origin = 'theme'")
    op.execute("grant select (origin, earliest_due_at) on reporting.incident to plumbline_reporting_system")
