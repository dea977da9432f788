"""The just-culture guide: who opened it, why, and what they wrote; for them and the approver only."""

from alembic import op

from services.runtime import tables

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.execute(
        """create table review.just_culture (
            use_id uuid primary key,
            provider_id uuid not null,
            review_id uuid not null references review.review,
            guide text not null,
            opened_by uuid not null,
            opened_at timestamptz not null,
            reason text not null,
            answers jsonb not null,
            version integer not null
        )"""
    )
    tables.protect_v1(op, "review", "just_culture")
    op.execute("create index just_culture_review on review.just_culture (review_id, use_id)")
