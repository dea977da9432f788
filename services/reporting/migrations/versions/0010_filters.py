"""Filters of the list of incidents that people keep for themselves."""

from alembic import op

from services.runtime import tables

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute(
        """create table reporting.saved_filter (
            filter_id uuid primary key,
            provider_id uuid not null,
            person_id uuid not null,
            name text not null,
            wanted jsonb not null,
            archived boolean not null,
            version integer not null
        )"""
    )
    op.execute("create index saved_filter_person on reporting.saved_filter (person_id, filter_id)")
    tables.protect_v1(op, "reporting", "saved_filter")
