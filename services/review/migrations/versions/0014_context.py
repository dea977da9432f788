"""What decides how deep a review goes beside the triage, and the decision with its inputs."""

from alembic import op

from services.runtime import tables

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.execute(
        """create table review.circumstance (
            incident_id uuid not null,
            fact text not null,
            subject_id uuid not null,
            provider_id uuid not null,
            revision integer not null,
            holds boolean not null,
            primary key (incident_id, fact, subject_id)
        )"""
    )
    tables.protect_v1(op, "review", "circumstance")
    op.execute("create index known_incident_repeat on review.known_incident (location_id, category, occurred_at)")
    op.execute("alter table review.review add column psychological_harm text not null default 'none'")
    op.execute("alter table review.review add column decision jsonb")
