"""Requests of owners that an action be cancelled."""

from alembic import op

from services.runtime import tables

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.execute(
        """create table actions.cancellation_request (
            request_id uuid primary key,
            provider_id uuid not null,
            action_id uuid not null references actions.action,
            number integer not null check (number >= 1),
            reason text not null,
            asked_by uuid not null,
            asked_at timestamptz not null,
            accepted boolean,
            decision_reason text,
            decided_by uuid,
            decided_at timestamptz,
            unique (action_id, number)
        )"""
    )
    op.execute(
        "create unique index cancellation_request_undecided on actions.cancellation_request (action_id)"
        " where accepted is null"
    )
    tables.protect_v1(op, "actions", "cancellation_request")
