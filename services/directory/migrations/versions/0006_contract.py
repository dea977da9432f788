"""Contracts with commissioners."""

from alembic import op

from services.runtime import tables

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute(
        """create table directory.contract (
            contract_id uuid primary key,
            provider_id uuid not null,
            location_id uuid not null references directory.location,
            commissioner text not null,
            categories text[] not null,
            hours integer not null check (hours > 0),
            starts_on date not null,
            ends_on date,
            version integer not null,
            check (ends_on >= starts_on)
        )"""
    )
    op.execute("create index contract_location on directory.contract (location_id, contract_id)")
    tables.protect_v1(op, "directory", "contract")
