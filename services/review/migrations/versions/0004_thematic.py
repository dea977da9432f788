"""Themes, the incidents that were considered for them, and who was told of their clocks."""

from alembic import op

from services.runtime import tables

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        """create table review.known_incident (
            incident_id uuid primary key,
            provider_id uuid not null,
            location_id uuid not null,
            region_id uuid,
            category text not null,
            occurred_at timestamptz not null
        )"""
    )
    tables.protect_v1(op, "review", "known_incident", grants="select, insert")
    op.execute(
        """create table review.theme (
            theme_id uuid primary key,
            provider_id uuid not null,
            region_id uuid,
            locations uuid[] not null,
            title text not null,
            why text not null,
            category text not null,
            band text not null,
            questions text[] not null,
            sources text[] not null,
            lead_id uuid not null,
            team jsonb not null,
            signal_id uuid,
            commissioned_by uuid not null,
            commissioned_at timestamptz not null,
            accept_due_at timestamptz not null,
            accepted_at timestamptz,
            policy_version text not null,
            cycle integer not null,
            stage text not null,
            next_move text,
            next_due_at timestamptz,
            closed_at timestamptz,
            watch_at timestamptz,
            end_reason text,
            version integer not null
        )"""
    )
    op.execute("create index theme_page on review.theme (provider_id, theme_id desc)")
    op.execute("create unique index theme_signal on review.theme (signal_id) where stage <> 'ended'")
    tables.protect_v1(op, "review", "theme")
    tables.system_access_v1(op, "review", "theme", grants="select (theme_id, provider_id, stage)")
    op.execute(
        """create table review.theme_member (
            theme_id uuid not null references review.theme,
            incident_id uuid not null references review.known_incident,
            provider_id uuid not null,
            decision text not null check (decision in ('linked', 'excluded')),
            reason text not null,
            decided_by uuid not null,
            decided_at timestamptz not null,
            primary key (theme_id, incident_id)
        )"""
    )
    op.execute("create index theme_member_incident on review.theme_member (incident_id)")
    tables.protect_v1(op, "review", "theme_member")
    op.execute(
        """create table review.theme_reminder (
            command_id text primary key,
            provider_id uuid not null,
            theme_id uuid not null references review.theme,
            notice_id uuid not null,
            person_id uuid,
            to_role text,
            next_at timestamptz not null,
            sent_at timestamptz not null
        )"""
    )
    tables.protect_v1(op, "review", "theme_reminder", grants="select, insert")
