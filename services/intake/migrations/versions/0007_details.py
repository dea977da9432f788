"""Answers asked for by type, people affected, earlier incidents seen, attachments."""

from alembic import op

from services.runtime import tables

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute(
        """create table intake.answer (
            incident_id uuid not null references intake.incident,
            question text not null,
            provider_id uuid not null,
            value jsonb not null,
            answered_by uuid not null,
            answered_at timestamptz not null,
            primary key (incident_id, question)
        )"""
    )
    tables.protect_v1(op, "intake", "answer")
    op.execute(
        """create table intake.affected_person (
            incident_id uuid not null references intake.incident,
            person_ref uuid not null,
            provider_id uuid not null,
            primary key (incident_id, person_ref)
        )"""
    )
    op.execute("create index affected_person_ref on intake.affected_person (provider_id, person_ref)")
    tables.protect_v1(op, "intake", "affected_person", grants="select, insert")
    op.execute("alter table intake.triage add column earlier_seen integer not null default 0")
    op.execute(
        """create table intake.attachment (
            attachment_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null references intake.incident,
            name text not null,
            media_type text not null,
            bytes bigint not null,
            sha256 text not null,
            added_by uuid not null,
            added_at timestamptz not null,
            unique (incident_id, sha256)
        )"""
    )
    tables.protect_v1(op, "intake", "attachment", grants="select, insert")
