"""Concerns raised anonymously or in confidence."""

from alembic import op

from services.runtime import tables

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute(
        """create table intake.concern (
            concern_id uuid primary key,
            provider_id uuid not null,
            location_id uuid,
            region_id uuid,
            mode text not null,
            contact text,
            raised_at timestamptz not null,
            answer_due_at timestamptz not null,
            answered_at timestamptz,
            reviewer_id uuid,
            protection text,
            incident_id uuid references intake.incident,
            version integer not null,
            check (mode = 'confidential' or contact is null)
        )"""
    )
    op.execute("create index concern_page on intake.concern (provider_id, concern_id desc)")
    tables.protect_v1(op, "intake", "concern")
    op.execute(
        """create table intake.concern_message (
            message_id uuid primary key,
            provider_id uuid not null,
            concern_id uuid not null references intake.concern,
            author text not null,
            author_id uuid,
            text text not null,
            sent_at timestamptz not null,
            check (author = 'staff' or author_id is null)
        )"""
    )
    op.execute("create index concern_message_concern on intake.concern_message (concern_id, sent_at)")
    tables.protect_v1(op, "intake", "concern_message", grants="select, insert")
    # The sender has no token and so no provider: the first part of the receipt code finds the row, the second, of
    # which a slow hash is kept, opens it. Without a tenant only the row that was named can be read.
    op.execute(
        """create table intake.concern_receipt (
            selector text primary key,
            provider_id uuid not null,
            concern_id uuid not null references intake.concern,
            salt bytea not null,
            hash bytea not null
        )"""
    )
    tables.protect_v1(op, "intake", "concern_receipt", grants="select, insert")
    op.execute(
        "create policy receipt on intake.concern_receipt for select to plumbline_intake"
        " using (selector = (select nullif(current_setting('app.receipt', true), '')))"
    )
