"""Systems outside that are told of what happened, each with how far it has been told."""

from alembic import op

from services.runtime import tables

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute(
        """create table reporting.webhook (
            webhook_id uuid primary key,
            provider_id uuid not null,
            url text not null,
            event_types text[] not null,
            active boolean not null,
            secret text not null,
            version integer not null,
            sent_line bigint not null,
            sent_at timestamptz,
            failures integer not null,
            failing_since timestamptz,
            next_at timestamptz not null
        )"""
    )
    op.execute("create index webhook_provider on reporting.webhook (provider_id, webhook_id)")
    tables.protect_v1(op, "reporting", "webhook")
    tables.system_access_v1(op, "reporting", "webhook", grants="select (provider_id, webhook_id, active, next_at, sent_at)")
