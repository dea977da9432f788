"""What people wrote about an incident can be erased when its time has come; a digest stays."""

from alembic import op

from services.runtime import tables

revision = "0020"
down_revision = "0019"

_WRITTEN = {
    "adoption_return": "comment",
    "briefing_route": "reference",
    "factor": "description, word",
    "finding_answer": "reason",
    "learning": "statement",
    "review_step": "reason",
    "root_cause": "statement",
    "submission": "content, points",
}
"""What was only ever added until now: these columns, and no others, may be emptied."""


def upgrade() -> None:
    tables.erasure_v1(op, "review")
    tables.only_emptied_v1(op, "review")
    for table, columns in _WRITTEN.items():
        tables.erasable_v1(op, "review", table, columns)
    tables.clearable_replies_v1(op, "review")
