"""Discipline, police, inquest and claim, apart from the learning."""

from alembic import op

from services.runtime import tables

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.execute(
        """create table intake.proceeding (
            proceeding_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null references intake.incident,
            kind text not null,
            reference text,
            about text not null,
            shared text not null,
            kept_apart text not null,
            begun_at timestamptz not null,
            next_at timestamptz,
            recorded_by uuid not null,
            recorded_at timestamptz not null,
            history jsonb not null default '[]',
            outcome text,
            ended_at timestamptz,
            version integer not null
        )"""
    )
    op.execute("create index proceeding_incident on intake.proceeding (incident_id)")
    op.execute("create index proceeding_next on intake.proceeding (provider_id, next_at) where next_at is not null")
    tables.protect_v1(op, "intake", "proceeding")
