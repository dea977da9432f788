"""What keeps reads fast over years of incidents: two indexes, and the weeks of places added up for the radar."""

from alembic import op

from services.runtime import tables

revision = "0014"
down_revision = "0013"

_WEAKNESSES = (
    "actions_without_change", "repeats_without_learning", "learning_not_shared", "no_oversight", "blame",
    "late_to_report", "late_to_review", "unverified", "weak_actions_only", "obligations_late",
)  # fmt: skip


def upgrade() -> None:
    # What followed at a place; and pages of the list that were reported long ago, without a look at each row between.
    op.execute(
        "create index incident_place_time on reporting.incident (provider_id, location_id, occurred_at, category)"
    )
    op.execute("create index incident_reported on reporting.incident (provider_id, incident_id, reported_at)")
    columns = ", ".join(
        f"of_{name} integer not null, shown_{name} integer not null, since_{name} timestamptz" for name in _WEAKNESSES
    )
    op.execute(
        f"""create table reporting.radar_week (
            provider_id uuid not null,
            location_id uuid not null,
            region_id uuid,
            week timestamptz not null,
            incident_id uuid,
            holds_until timestamptz,
            {columns}
        )"""
    )
    op.execute("create index radar_week_place on reporting.radar_week (provider_id, location_id, week)")
    op.execute(
        "create index radar_week_turns on reporting.radar_week (provider_id, holds_until) where holds_until is not null"
    )
    tables.protect_v1(op, "reporting", "radar_week", grants="select, insert, delete")
    op.execute(
        """create table reporting.radar_mark (
            provider_id uuid primary key,
            line_no bigint not null,
            made_at timestamptz not null,
            policy_version text not null
        )"""
    )
    tables.protect_v1(op, "reporting", "radar_mark", grants="select, insert, update, delete")
