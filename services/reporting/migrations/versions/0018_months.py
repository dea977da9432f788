"""Months of incidents, approved reviews and their factors are found by index alone; the index that no query could use goes."""

from alembic import op

from services.runtime import tables

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    tables.index_concurrently_v1(
        op, "reporting", "incident_month",
        "incident (provider_id, kind, occurred_at)"
        " include (location_id, region_id, category, incident_id, reported_at, stage) where reported_at is not null",
    )  # fmt: skip
    tables.index_concurrently_v1(
        op, "reporting", "incident_reviewed", "incident (provider_id, review_approved_at) where review_approved_at is not null"
    )  # fmt: skip
    tables.index_concurrently_v1(
        op, "reporting", "trait_factor", "trait (provider_id, incident_id) include (codes) where kind = 'factor'"
    )
    with op.get_context().autocommit_block():
        op.execute("drop index concurrently if exists reporting.trait_person")
