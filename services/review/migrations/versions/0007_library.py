"""A library of what was learned, what changed because of it, and reflective supervision."""

from alembic import op

from services.runtime import tables

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("create extension if not exists pg_trgm")
    op.execute(
        """alter table review.briefing add column search tsvector generated always as (
            to_tsvector('english', summary || ' ' || what_changes || ' ' || coalesce(for_whom, ''))) stored"""
    )
    op.execute("create index briefing_search on review.briefing using gin (search)")
    op.execute(
        """create table review.improvement (
            action_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null,
            cycle integer not null,
            strength text,
            state text not null,
            at timestamptz not null,
            revision integer not null
        )"""
    )
    op.execute("create index improvement_incident on review.improvement (incident_id)")
    tables.protect_v1(op, "review", "improvement")
    op.execute(
        """create table review.effect (
            checkpoint_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null,
            cycle integer not null,
            verdict text not null,
            at timestamptz not null,
            revision integer not null
        )"""
    )
    op.execute("create index effect_incident on review.effect (incident_id, cycle)")
    tables.protect_v1(op, "review", "effect")
    op.execute(
        """create table review.supervision (
            supervision_id uuid primary key,
            provider_id uuid not null,
            supervisor_id uuid not null,
            worker_id uuid not null,
            location_id uuid not null,
            region_id uuid,
            held_on date not null,
            next_on date,
            topics uuid[] not null,
            recorded_at timestamptz not null,
            check (supervisor_id <> worker_id)
        )"""
    )
    op.execute("create index supervision_page on review.supervision (provider_id, supervision_id desc)")
    op.execute("create index supervision_topics on review.supervision using gin (topics)")
    tables.protect_v1(op, "review", "supervision", grants="select, insert")
    op.execute(
        """create table review.supervision_content (
            supervision_id uuid primary key references review.supervision,
            provider_id uuid not null,
            reflections jsonb not null,
            agreed text
        )"""
    )
    tables.protect_v1(op, "review", "supervision_content", grants="select, insert")
