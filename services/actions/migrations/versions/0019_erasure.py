"""What people wrote about actions of an incident can be erased when its time has come; a digest stays."""

from alembic import op

from services.runtime import tables

revision = "0019"
down_revision = "0018"

_WRITTEN = {
    "evidence": "description",
    "evidence_file": "name",
    "proof_item": "description",
    "sample_draw": "reason, frame",
    "verification": "finding, not_drawn_reason, missing, remaining_risk",
}
"""What was only ever added until now: these columns, and no others, may be emptied."""


def upgrade() -> None:
    tables.erasure_v1(op, "actions")
    tables.only_emptied_v1(op, "actions")
    for table, columns in _WRITTEN.items():
        tables.erasable_v1(op, "actions", table, columns)
    tables.clearable_replies_v1(op, "actions")
