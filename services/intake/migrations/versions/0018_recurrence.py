"""Questions whether a closed case has come back."""

from alembic import op

from services.runtime import tables

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.execute(
        """create table intake.recurrence (
            recurrence_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null references intake.incident,
            closed_incident_id uuid not null references intake.incident,
            closed_cycle integer not null,
            closed_at timestamptz not null,
            grounds jsonb not null,
            score integer not null,
            policy_version text not null,
            asked_role text not null,
            asked_at timestamptz not null,
            due_at timestamptz not null,
            late integer not null,
            answer text,
            reason text,
            stage text,
            answered_by uuid,
            answered_at timestamptz,
            version integer not null,
            unique (incident_id, closed_incident_id)
        )"""
    )
    op.execute("create index recurrence_closed on intake.recurrence (closed_incident_id)")
    op.execute("create index recurrence_open on intake.recurrence (due_at) where answered_at is null")
    op.execute("create index incident_closed on intake.incident (location_id, closed_at) where stage = 'closed'")
    tables.protect_v1(op, "intake", "recurrence")
    # The digest tells whoever is asked, once a day.
    tables.system_access_v1(op, "intake", "recurrence", grants="select (incident_id, asked_role, answered_at)")
