"""What an answer said before it was changed: the account of the first hours stays."""

from alembic import op

from services.runtime import tables

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.execute(
        """create table intake.answer_before (
            incident_id uuid not null references intake.incident,
            question text not null,
            revision integer not null,
            provider_id uuid not null,
            value jsonb not null,
            answered_by uuid not null,
            answered_at timestamptz not null,
            primary key (incident_id, question, revision)
        )"""
    )
    tables.protect_v1(op, "intake", "answer_before", grants="select, insert")
    op.execute("alter table intake.answer add column revision integer not null default 1")
