"""Intake is told which meetings have ended, and what was written of one can be erased when its time has come."""

from alembic import op

from services.runtime import tables

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.execute("grant select (provider_id) on reporting.meeting to plumbline_reporting_system")
    op.execute("grant select (meeting_id, settled_at) on reporting.governance_item to plumbline_reporting_system")
    # Minutes are written later, by leave; the reason for a meeting is written once, and may only be emptied.
    tables.erasable_v1(op, "reporting", "meeting", "reason")
