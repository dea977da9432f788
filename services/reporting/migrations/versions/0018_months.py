"""Months of incidents, approved reviews and their factors are found by index alone; what no query could use, or what the new one holds, goes."""

from alembic import op

from services.runtime import tables

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    tables.index_concurrently_v1(
        op, "reporting", "incident_when",
        "incident (provider_id, occurred_at)"
        " include (kind, location_id, region_id, category, incident_id, reported_at, stage) where reported_at is not null",
    )  # fmt: skip
    tables.index_concurrently_v1(
        op, "reporting", "incident_reviewed", "incident (provider_id, review_approved_at) where review_approved_at is not null"
    )  # fmt: skip
    tables.index_concurrently_v1(
        op, "reporting", "trait_factor", "trait (provider_id, incident_id) include (codes) where kind = 'factor'"
    )
    with op.get_context().autocommit_block():
        op.execute("drop index concurrently if exists reporting.trait_person")
        op.execute("drop index concurrently if exists reporting.incident_told")
