"""Root causes, the factors that show them, and the learning that answers them."""

from alembic import op

from services.runtime import tables

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute("alter table review.learning add column answers_cause integer")
    op.execute(
        """create table review.root_cause (
            review_id uuid not null references review.review,
            place integer not null,
            provider_id uuid not null,
            statement text not null,
            factors integer[] not null,
            primary key (review_id, place)
        )"""
    )
    tables.protect_v1(op, "review", "root_cause", grants="select, insert, delete")
