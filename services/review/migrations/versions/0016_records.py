"""What a review is drawn from: terms, timeline, people involved, contributions; and an answer to each finding."""

from alembic import op

from services.runtime import tables

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.execute(
        """create table review.terms (
            review_id uuid primary key references review.review,
            provider_id uuid not null,
            to_find_out text not null,
            scope text,
            covers_from timestamptz,
            covers_until timestamptz,
            left_out text,
            agreed_with text,
            agreed_on date,
            written_by uuid not null,
            written_at timestamptz not null,
            version integer not null
        )"""
    )
    op.execute(
        """create table review.timeline_entry (
            entry_id uuid primary key,
            review_id uuid not null references review.review,
            provider_id uuid not null,
            at timestamptz not null,
            what text not null,
            nature text not null,
            source text not null,
            source_detail text,
            analysis text,
            marks text,
            withdrawn_reason text,
            written_by uuid not null,
            written_at timestamptz not null,
            version integer not null
        )"""
    )
    op.execute("create index timeline_entry_review on review.timeline_entry (review_id, at)")
    op.execute(
        """create table review.involved (
            involved_id uuid primary key,
            review_id uuid not null references review.review,
            provider_id uuid not null,
            who text not null,
            reference text not null,
            part text,
            approach text not null,
            asked_at timestamptz,
            asked_how text,
            reason text,
            questions text,
            account text,
            account_given text,
            told jsonb not null,
            withdrawn_reason text,
            written_by uuid not null,
            written_at timestamptz not null,
            version integer not null
        )"""
    )
    op.execute("create index involved_review on review.involved (review_id)")
    op.execute(
        """create table review.contribution (
            contribution_id uuid primary key,
            review_id uuid not null references review.review,
            provider_id uuid not null,
            part text not null,
            person_id uuid,
            described text,
            how text not null,
            asks text,
            outcome text not null,
            reason text,
            said text,
            asked_by uuid not null,
            asked_at timestamptz not null,
            said_by uuid,
            contributed_at timestamptz,
            written_by uuid not null,
            written_at timestamptz not null,
            version integer not null,
            check (person_id is not null or described is not null)
        )"""
    )
    op.execute("create index contribution_review on review.contribution (review_id)")
    op.execute("create index contribution_person on review.contribution (person_id, contribution_id)")
    tables.protect_v1(op, "review", "terms")
    tables.protect_v1(op, "review", "timeline_entry")
    tables.protect_v1(op, "review", "involved")
    tables.protect_v1(op, "review", "contribution")
    op.execute("alter table review.submission add column points jsonb")
    op.execute(
        """create table review.finding_answer (
            submission_id uuid not null references review.submission,
            finding text not null,
            provider_id uuid not null,
            step text not null,
            reason text not null,
            answered_by uuid not null,
            answered_at timestamptz not null,
            primary key (submission_id, finding)
        )"""
    )
    tables.protect_v1(op, "review", "finding_answer", grants="select, insert")
