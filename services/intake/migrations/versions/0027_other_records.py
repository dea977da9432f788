"""Records that are not of one incident are kept for a time too: which there are, holds on them, and what was decided."""

from alembic import op

from services.runtime import tables

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.execute(
        """create table intake.kept_record (
            record_id uuid primary key,
            provider_id uuid not null,
            kind text not null check (kind in ('concern', 'theme', 'meeting', 'person')),
            changed_at timestamptz not null,
            last_used_at timestamptz,
            needs uuid[] not null
        )"""
    )
    op.execute("create index kept_record_in_use on intake.kept_record (provider_id) where last_used_at is null")
    op.execute("create index kept_record_changed on intake.kept_record (kind, changed_at)")
    tables.protect_v1(op, "intake", "kept_record")
    tables.system_access_v1(op, "intake", "kept_record", grants="select (record_id, kind, changed_at)")
    tables.system_access_v1(op, "intake", "concern", grants="select (concern_id, provider_id, answered_at)")
    # What was decided may be about any record: of the kept ones the table above knows.
    op.execute("alter table intake.appraisal drop constraint appraisal_incident_id_fkey")
    op.execute("alter table intake.legal_hold add column record_id uuid")
    op.execute("alter table intake.legal_hold drop constraint legal_hold_check")
    op.execute(
        "alter table intake.legal_hold add constraint legal_hold_about"
        " check (num_nonnulls(incident_id, person_ref, record_id) = 1) not valid"
    )
    tables.erasable_v1(op, "intake", "concern_message", "text")
    tables.index_concurrently_v1(
        op, "intake", "legal_hold_record", "legal_hold (record_id) where lifted_at is null"
    )
    with op.get_context().autocommit_block():
        op.execute("alter table intake.legal_hold validate constraint legal_hold_about")
