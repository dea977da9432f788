"""Who somebody of the register was can be erased some years after they have left; a digest stays."""

from alembic import op

from services.runtime import tables

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    tables.erasure_v1(op, "directory")
    tables.system_access_v1(op, "directory", "person", grants="select (person_id, provider_id, active, version)")
