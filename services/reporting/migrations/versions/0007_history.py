"""Each line of the timeline has the version it was told with and a number in the order of arrival; lag is counted.

A line from before has no version until the projection is made anew (`plumbline reporting rebuild`).
"""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("alter table reporting.timeline add column version integer")
    op.execute("alter table reporting.timeline add column line_no bigint generated always as identity")
    op.execute("create index timeline_line on reporting.timeline (provider_id, line_no)")
    # Lines arrive about in the order of their times: a page in a hundred is read to find the first of a day.
    op.execute("create index timeline_at on reporting.timeline using brin (at)")
    op.execute("grant update (version) on reporting.timeline to plumbline_reporting")
    op.execute("grant select (lag_seconds) on reporting.progress to plumbline_reporting_system")
