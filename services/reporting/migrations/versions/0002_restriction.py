"""Who may see what follows from a restricted incident."""

from alembic import op

from services.runtime import tables

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """create table reporting.restriction (
            record_id uuid primary key,
            provider_id uuid not null,
            revision integer not null,
            roles text[] not null,
            people uuid[] not null,
            excluded uuid[] not null
        )"""
    )
    tables.protect_v1(op, "reporting", "restriction")
