"""To whom people answer, from directory's events: the line of whoever an allegation is about."""

from alembic import op

from services.runtime import tables

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.execute(
        """create table intake.person (
            person_id uuid primary key,
            provider_id uuid not null,
            manager_id uuid,
            roles text[] not null,
            revision integer not null
        )"""
    )
    tables.protect_v1(op, "intake", "person")
