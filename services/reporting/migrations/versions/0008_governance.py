"""The governance cycle: meetings with agendas that stay as they were, decisions and challenges with their answers; the
provider's own cadence."""

from alembic import op

from services.runtime import tables

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute(
        """create table reporting.policy_version (
            policy_id uuid primary key,
            provider_id uuid not null,
            name text not null,
            version text not null,
            source text not null,
            sha256 text not null,
            state text not null check (state in ('draft', 'proposed', 'published', 'retired')),
            drafted_by uuid not null,
            drafted_at timestamptz not null,
            proposed_by uuid,
            proposed_at timestamptz,
            published_by uuid,
            published_at timestamptz,
            retired_by uuid,
            retired_at timestamptz,
            revision integer not null,
            check (state <> 'published' or (published_by <> drafted_by and published_by <> proposed_by))
        )"""
    )
    op.execute(
        "create unique index policy_version_published on reporting.policy_version (provider_id, name)"
        " where state = 'published'"
    )
    op.execute(
        "create unique index policy_version_once on reporting.policy_version (provider_id, name, version)"
        " where state <> 'retired' or published_at is not null"
    )
    tables.protect_v1(op, "reporting", "policy_version")
    op.execute(
        """create table reporting.meeting (
            meeting_id uuid primary key,
            provider_id uuid not null,
            level text not null,
            location_id uuid,
            region_id uuid,
            scheduled_at timestamptz not null,
            compiled_at timestamptz not null,
            since timestamptz not null,
            previous_id uuid references reporting.meeting,
            hold_by timestamptz not null,
            called_by uuid,
            reason text,
            agenda jsonb not null,
            policy_version text not null,
            held_at timestamptz,
            held_by uuid,
            present integer,
            minutes text,
            version integer not null
        )"""
    )
    # One for each occurrence of a cadence, however often the look is made.
    op.execute(
        "create unique index meeting_once on reporting.meeting (provider_id, level,"
        " coalesce(location_id, region_id, '00000000-0000-0000-0000-000000000000'), scheduled_at)"
        " where called_by is null"
    )
    op.execute("create index meeting_of on reporting.meeting (provider_id, level, location_id, region_id, compiled_at)")
    tables.protect_v1(op, "reporting", "meeting", grants="select, insert")
    # What the meeting saw stays as it was: only that it was held is written later.
    op.execute(
        "grant update (held_at, held_by, present, minutes, version) on reporting.meeting to plumbline_reporting"
    )
    op.execute(
        """create table reporting.governance_item (
            item_id uuid primary key,
            provider_id uuid not null,
            meeting_id uuid not null references reporting.meeting,
            kind text not null,
            level text not null,
            raised_level text not null,
            location_id uuid,
            region_id uuid,
            incident_id uuid,
            theme_id uuid,
            weakness text,
            question text,
            said text not null,
            owner_id uuid not null,
            owner_role text not null,
            raised_by uuid not null,
            raised_role text not null,
            raised_at timestamptz not null,
            due_at timestamptz not null,
            status text not null,
            round integer not null,
            climbs integer not null,
            climbed_at timestamptz,
            settled_at timestamptz,
            altered text[] not null,
            policy_version text not null,
            version integer not null
        )"""
    )
    op.execute("create index governance_item_open on reporting.governance_item (provider_id, status, due_at)")
    op.execute(
        "create index governance_item_about on reporting.governance_item (provider_id, incident_id)"
        " where incident_id is not null"
    )
    op.execute("create index governance_item_owner on reporting.governance_item (owner_id, status)")
    op.execute("create index governance_item_meeting on reporting.governance_item (meeting_id)")
    tables.protect_v1(op, "reporting", "governance_item")
    op.execute(
        """create table reporting.governance_answer (
            item_id uuid not null references reporting.governance_item,
            round integer not null,
            provider_id uuid not null,
            said text not null,
            answered_by uuid not null,
            answered_role text not null,
            answered_at timestamptz not null,
            accepted boolean,
            reason text,
            judged_by uuid,
            judged_role text,
            judged_at timestamptz,
            primary key (item_id, round)
        )"""
    )
    tables.protect_v1(op, "reporting", "governance_answer")
