"""For whom a restricted incident was opened by break-glass, and until when."""

from alembic import op

from services.runtime import tables

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.execute(
        """create table review.opening (
            opening_id uuid primary key,
            provider_id uuid not null,
            record_id uuid not null,
            person_id uuid not null,
            ends_at timestamptz not null
        )"""
    )
    op.execute("create index opening_person on review.opening (person_id, ends_at)")
    tables.protect_v1(op, "review", "opening", grants="select, insert")
