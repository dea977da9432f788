"""Holds on the fact-finding of an incident."""

from alembic import op

from services.runtime import tables

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute(
        """create table review.fact_finding_hold (
            hold_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null,
            revision integer not null,
            waits_for text not null,
            placed_at timestamptz not null,
            look_again_at timestamptz,
            lifted_at timestamptz
        )"""
    )
    op.execute("create index fact_finding_hold_incident on review.fact_finding_hold (incident_id)")
    tables.protect_v1(op, "review", "fact_finding_hold")
