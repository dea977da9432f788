"""Where people can be reached, and what became of each notice."""

from alembic import op

from services.runtime import tables

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """create table directory.contact (
            person_id uuid primary key references directory.person,
            provider_id uuid not null,
            email text,
            mobile text,
            version integer not null
        )"""
    )
    tables.protect_v1(op, "directory", "contact")
    op.execute(
        """create table directory.delivery (
            notice_id uuid not null,
            channel text not null,
            provider_id uuid not null,
            incident_id uuid not null,
            person_id uuid not null,
            urgent boolean not null,
            status text not null,
            error text,
            attempt integer not null,
            first_at timestamptz not null,
            last_at timestamptz not null,
            primary key (notice_id, channel)
        )"""
    )
    op.execute("create index delivery_unsent on directory.delivery (provider_id, last_at) where status <> 'sent'")
    op.execute("create index delivery_newest on directory.delivery (provider_id, last_at)")
    tables.protect_v1(op, "directory", "delivery")
