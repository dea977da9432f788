"""To whom people answer, when they leave, and who covers for them while they are away."""

from alembic import op

from services.runtime import tables

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute(
        """alter table directory.person
            add column manager_id uuid references directory.person,
            add column leaves_on date,
            add check (manager_id <> person_id)"""
    )
    op.execute(
        """create table directory.absence (
            absence_id uuid primary key,
            provider_id uuid not null,
            person_id uuid not null references directory.person,
            cover_id uuid not null references directory.person,
            starts_at timestamptz not null,
            ends_at timestamptz not null,
            version integer not null,
            check (ends_at > starts_at),
            check (person_id <> cover_id)
        )"""
    )
    op.execute("create index absence_person on directory.absence (person_id, ends_at)")
    tables.protect_v1(op, "directory", "absence")
