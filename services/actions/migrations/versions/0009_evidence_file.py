"""Files of a piece of evidence."""

from alembic import op

from services.runtime import tables

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute(
        """create table actions.evidence_file (
            file_id uuid primary key,
            provider_id uuid not null,
            evidence_id uuid not null references actions.evidence,
            name text not null,
            media_type text not null,
            bytes integer not null check (bytes > 0),
            sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
            added_by uuid not null,
            added_at timestamptz not null,
            unique (evidence_id, sha256)
        )"""
    )
    tables.protect_v1(op, "actions", "evidence_file", grants="select, insert")
