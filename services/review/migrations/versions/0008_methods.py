"""A review carries the version of its form; answers by question; what was submitted is kept."""

from alembic import op

from services.runtime import tables

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("alter table review.review add column template text")
    op.execute(
        """create table review.answer (
            review_id uuid not null references review.review,
            question text not null,
            provider_id uuid not null,
            answer text,
            not_applicable_reason text,
            answered_by uuid not null,
            answered_at timestamptz not null,
            version integer not null,
            primary key (review_id, question),
            check ((answer is null) <> (not_applicable_reason is null))
        )"""
    )
    tables.protect_v1(op, "review", "answer")
    op.execute(
        """create table review.submission (
            submission_id uuid primary key,
            review_id uuid not null references review.review,
            number integer not null,
            provider_id uuid not null,
            content jsonb not null,
            findings text[] not null,
            submitted_by uuid not null,
            submitted_at timestamptz not null,
            unique (review_id, number)
        )"""
    )
    tables.protect_v1(op, "review", "submission", grants="select, insert")
