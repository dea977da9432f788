"""What protects people after an incident and must be looked at again."""

from alembic import op

from services.runtime import tables

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.execute(
        """create table intake.protection (
            protection_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null references intake.incident,
            kind text not null,
            concerns text not null,
            what text not null,
            reason text not null,
            least_restrictive text,
            agreed_with text,
            ends_when text not null,
            started_at timestamptz not null,
            look_again_at timestamptz not null,
            placed_by uuid not null,
            placed_at timestamptz not null,
            history jsonb not null default '[]',
            late integer not null default 0,
            ending text,
            end_reason text,
            ended_by uuid,
            ended_at timestamptz,
            version integer not null
        )"""
    )
    op.execute("create index protection_incident on intake.protection (incident_id)")
    op.execute("create index protection_standing on intake.protection (provider_id, look_again_at) where ended_at is null")
    tables.protect_v1(op, "intake", "protection")
