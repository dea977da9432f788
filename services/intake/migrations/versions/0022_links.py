"""Incidents that belong together."""

from alembic import op

from services.runtime import tables

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.execute(
        """create table intake.incident_link (
            link_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null references intake.incident,
            other_id uuid not null references intake.incident,
            relation text not null,
            reason text not null,
            linked_by uuid not null,
            linked_at timestamptz not null,
            check (incident_id <> other_id)
        )"""
    )
    op.execute(
        "create unique index incident_link_once on intake.incident_link"
        " (least(incident_id, other_id), greatest(incident_id, other_id))"
    )
    op.execute("create index incident_link_incident on intake.incident_link (incident_id)")
    op.execute("create index incident_link_other on intake.incident_link (other_id)")
    tables.protect_v1(op, "intake", "incident_link")
