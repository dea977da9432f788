"""What contracts with commissioners ask for, from directory's events."""

from alembic import op

from services.runtime import tables

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.execute(
        """create table intake.contract (
            contract_id uuid primary key,
            provider_id uuid not null,
            location_id uuid not null,
            commissioner text not null,
            categories text[] not null,
            hours integer not null,
            starts_on date not null,
            ends_on date,
            revision integer not null
        )"""
    )
    op.execute("create index contract_location on intake.contract (location_id)")
    tables.protect_v1(op, "intake", "contract")
