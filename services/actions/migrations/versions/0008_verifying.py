"""Samples drawn by the system, what a verifier found in full, looking again later, and more time."""

from alembic import op

from services.runtime import tables

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute(
        """alter table actions.action
            add column remind_at timestamptz,
            add column extensions integer not null default 0"""
    )
    op.execute(
        """create table actions.sample_draw (
            draw_id uuid primary key,
            provider_id uuid not null,
            action_id uuid not null references actions.action,
            attempt integer not null,
            frame_size integer not null check (frame_size >= 1),
            frame text[],
            seed text not null,
            size integer not null check (size between 1 and frame_size),
            reason text,
            drawn_by uuid not null,
            drawn_at timestamptz not null,
            check (frame is null or cardinality(frame) = frame_size)
        )"""
    )
    op.execute("create index sample_draw_action on actions.sample_draw (action_id, draw_id)")
    tables.protect_v1(op, "actions", "sample_draw", grants="select, insert")
    op.execute(
        """create table actions.sample_item (
            draw_id uuid not null references actions.sample_draw,
            position integer not null check (position >= 1),
            provider_id uuid not null,
            compliant boolean,
            note text,
            recorded_by uuid,
            recorded_at timestamptz,
            primary key (draw_id, position)
        )"""
    )
    tables.protect_v1(op, "actions", "sample_item")
    op.execute(
        """create table actions.recheck (
            recheck_id uuid primary key,
            provider_id uuid not null,
            action_id uuid not null references actions.action,
            incident_id uuid not null,
            cycle integer not null,
            number integer not null,
            due_at timestamptz not null,
            asked_at timestamptz,
            answer_due_at timestamptz,
            answered_at timestamptz,
            unique (action_id, number)
        )"""
    )
    tables.protect_v1(op, "actions", "recheck")
    op.execute(
        """alter table actions.verification
            drop constraint verification_action_id_attempt_key,
            add column draw_id uuid references actions.sample_draw,
            add column not_drawn_reason text,
            add column missing text,
            add column remaining_risk text,
            add column next_check_on date,
            add column shifts text[] not null default '{}',
            add column recheck_id uuid unique references actions.recheck"""
    )
    op.execute(
        "create unique index verification_attempt on actions.verification (action_id, attempt) where recheck_id is null"
    )
    op.execute(
        """create table actions.extension (
            extension_id uuid primary key,
            provider_id uuid not null,
            action_id uuid not null references actions.action,
            attempt integer not null,
            working_days integer not null check (working_days >= 1),
            reason text not null,
            asked_by uuid not null,
            asked_at timestamptz not null,
            granted boolean,
            decision_reason text,
            decided_by uuid,
            decided_at timestamptz,
            due_before timestamptz not null,
            due_after timestamptz
        )"""
    )
    op.execute("create unique index extension_undecided on actions.extension (action_id, attempt) where granted is null")
    op.execute("create index extension_action on actions.extension (action_id, extension_id)")
    tables.protect_v1(op, "actions", "extension")
