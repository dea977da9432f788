"""To whom people answer, who covers for them, and how often an action changed hands."""

from alembic import op

from services.runtime import tables

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("alter table actions.action add column handovers integer not null default 0")
    op.execute(
        """create table actions.person (
            person_id uuid primary key,
            provider_id uuid not null,
            manager_id uuid,
            active boolean not null,
            leaves_on date,
            revision integer not null
        )"""
    )
    tables.protect_v1(op, "actions", "person")
    op.execute(
        """create table actions.absence (
            absence_id uuid primary key,
            provider_id uuid not null,
            person_id uuid not null,
            cover_id uuid not null,
            starts_at timestamptz not null,
            ends_at timestamptz not null,
            revision integer not null
        )"""
    )
    op.execute("create index absence_person on actions.absence (person_id, ends_at)")
    op.execute("create index absence_cover on actions.absence (cover_id, ends_at)")
    tables.protect_v1(op, "actions", "absence")
