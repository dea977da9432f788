"""Evidence packs that are built here, and for whom outside they are open until when."""

from alembic import op

from services.runtime import tables

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute(
        """create table reporting.pack (
            record_id uuid primary key,
            provider_id uuid not null,
            kind text not null,
            subject_id uuid not null,
            first_day date,
            last_day date,
            seed bigint not null,
            role text not null,
            asked_by uuid not null,
            asked_at timestamptz not null,
            state text not null,
            failure text,
            done integer not null,
            "of" integer,
            beat_at timestamptz not null,
            title text,
            pack_id text,
            sha256 text,
            bytes integer,
            incident_ids uuid[] not null,
            gaps integer,
            built_at timestamptz,
            check ((state = 'ready') = (sha256 is not null))
        )"""
    )
    op.execute("create index pack_provider on reporting.pack (provider_id, record_id)")
    tables.protect_v1(op, "reporting", "pack")
    op.execute(
        """create table reporting.pack_grant (
            grant_id uuid primary key,
            provider_id uuid not null,
            record_id uuid not null references reporting.pack,
            recipient text not null,
            purpose text not null,
            may_download boolean not null,
            granted_by uuid not null,
            granted_role text not null,
            granted_at timestamptz not null,
            expires_at timestamptz not null,
            revoked_at timestamptz,
            revoked_by uuid,
            version integer not null,
            check (expires_at > granted_at)
        )"""
    )
    op.execute("create index pack_grant_record on reporting.pack_grant (record_id, grant_id)")
    tables.protect_v1(op, "reporting", "pack_grant")
    # Who has a code has no token and so no provider: the first part of it finds the row, the second, of which a slow hash
    # is kept, opens it. Without a tenant only the row that was named can be read.
    op.execute(
        """create table reporting.pack_code (
            selector text primary key,
            provider_id uuid not null,
            grant_id uuid not null references reporting.pack_grant,
            salt bytea not null,
            hash bytea not null
        )"""
    )
    tables.protect_v1(op, "reporting", "pack_code", grants="select, insert")
    op.execute(
        "create policy named on reporting.pack_code for select to plumbline_reporting"
        " using (selector = (select nullif(current_setting('app.pack_code', true), '')))"
    )
