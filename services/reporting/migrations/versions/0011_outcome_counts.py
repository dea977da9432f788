"""What came of it is counted over all providers: verdicts, reach and dates only."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute(
        "grant select (last_verdict, briefing_sent_at, briefing_due_at, briefing_reached_at)"
        " on reporting.incident to plumbline_reporting_system"
    )
