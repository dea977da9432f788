"""An action at several locations, and for several incidents."""

from alembic import op

from services.runtime import tables

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute(
        """create table actions.location (
            location_id uuid primary key,
            provider_id uuid not null,
            region_id uuid,
            name text not null,
            active boolean not null,
            revision integer not null
        )"""
    )
    tables.protect_v1(op, "actions", "location")
    op.execute(
        """create table actions.site (
            action_id uuid not null references actions.action,
            location_id uuid not null,
            provider_id uuid not null,
            region_id uuid,
            state text not null check (state in ('open', 'done', 'not_applicable')),
            note text,
            recorded_by uuid,
            recorded_at timestamptz,
            primary key (action_id, location_id),
            check (state <> 'not_applicable' or note is not null)
        )"""
    )
    op.execute("create index site_location on actions.site (location_id, action_id)")
    op.execute("create index site_region on actions.site (region_id, action_id)")
    tables.protect_v1(op, "actions", "site")
    op.execute(
        """create table actions.served (
            action_id uuid not null references actions.action,
            incident_id uuid not null,
            provider_id uuid not null,
            primary key (action_id, incident_id)
        )"""
    )
    op.execute("create index served_incident on actions.served (incident_id, action_id)")
    tables.protect_v1(op, "actions", "served", grants="select, insert")
