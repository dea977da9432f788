"""What an action is agreed with: what it answers, proof item by item, what it waits for; and weak plans accepted."""

from alembic import op

from services.runtime import tables

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        """alter table actions.action
            add column priority text not null default 'normal',
            add column interim_control text,
            add column strength_reason text,
            add column cost_pounds numeric check (cost_pounds >= 0),
            add column effort_days numeric check (effort_days >= 0),
            add column understood_at timestamptz"""
    )
    op.execute("alter table actions.evidence add column proves uuid[] not null default '{}'")
    op.execute(
        """create table actions.finding (
            finding_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null,
            cycle integer not null
        )"""
    )
    op.execute("create index finding_incident on actions.finding (incident_id, cycle)")
    tables.protect_v1(op, "actions", "finding")
    op.execute(
        """create table actions.proof_item (
            item_id uuid primary key,
            provider_id uuid not null,
            action_id uuid not null references actions.action,
            place integer not null,
            description text not null,
            kinds text[] not null,
            unique (action_id, place)
        )"""
    )
    tables.protect_v1(op, "actions", "proof_item", grants="select, insert")
    op.execute(
        """create table actions.dependency (
            action_id uuid not null references actions.action,
            waits_for uuid not null references actions.action,
            provider_id uuid not null,
            primary key (action_id, waits_for),
            check (action_id <> waits_for)
        )"""
    )
    op.execute("create index dependency_back on actions.dependency (waits_for)")
    tables.protect_v1(op, "actions", "dependency", grants="select, insert, delete")
    op.execute(
        """create table actions.weaker_accepted (
            incident_id uuid not null,
            cycle integer not null,
            provider_id uuid not null,
            reason text not null,
            accepted_by uuid not null,
            accepted_at timestamptz not null,
            primary key (incident_id, cycle),
            foreign key (incident_id, cycle) references actions.improvement
        )"""
    )
    tables.protect_v1(op, "actions", "weaker_accepted")
