"""To whom incidents happened, by stand-ins: whether it is the same person again."""

from alembic import op

from services.runtime import tables

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.execute(
        """create table review.described (
            incident_id uuid primary key,
            provider_id uuid not null,
            people text[] not null,
            revision integer not null
        )"""
    )
    tables.protect_v1(op, "review", "described")
    op.execute("create index known_incident_repeat_anywhere on review.known_incident (provider_id, category, occurred_at)")
