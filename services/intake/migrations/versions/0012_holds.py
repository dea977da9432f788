"""Internal fact-finding that waits until somebody outside agrees."""

from alembic import op

from services.runtime import tables

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute(
        """create table intake.fact_finding_hold (
            hold_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null references intake.incident,
            waits_for text not null,
            reason text not null,
            asked_at timestamptz not null,
            look_again_at timestamptz not null,
            placed_by uuid not null,
            placed_at timestamptz not null,
            answered_at timestamptz,
            answer text,
            lifted_by uuid,
            lifted_at timestamptz,
            history jsonb not null default '[]',
            version integer not null
        )"""
    )
    op.execute(
        "create unique index fact_finding_hold_standing on intake.fact_finding_hold (incident_id, waits_for)"
        " where lifted_at is null"
    )
    tables.protect_v1(op, "intake", "fact_finding_hold")
