"""Intake is told which themes there are, on which incidents they rest, and when they ended; what was said in reflective
supervision of somebody can be erased when their time in the register is over."""

from alembic import op

from services.runtime import tables

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.execute("grant select (closed_at, commissioned_at) on review.theme to plumbline_review_system")
    tables.system_access_v1(op, "review", "theme_member", grants="select (theme_id, incident_id, decision)")
    tables.erasable_v1(op, "review", "supervision_content", "reflections, agreed")
    tables.index_concurrently_v1(op, "review", "supervision_worker", "supervision (worker_id)")
