"""How many meetings, challenges and decisions wait is counted over all providers; assurance is found by its weakness."""

from alembic import op

from services.runtime import tables

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    tables.system_access_v1(
        op, "reporting", "meeting", grants="select (meeting_id, level, compiled_at, hold_by, held_at, previous_id)"
    )
    tables.system_access_v1(
        op, "reporting", "governance_item", grants="select (kind, level, status, raised_at, due_at, climbs)"
    )
    op.execute(
        "create index governance_item_weakness on reporting.governance_item (provider_id, weakness, raised_at)"
        " where weakness is not null"
    )
