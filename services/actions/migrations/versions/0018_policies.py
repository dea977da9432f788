"""Policies of a provider's own, published by a second person."""

from alembic import op

from services.runtime import tables

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.execute(
        """create table actions.policy_version (
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
        "create unique index policy_version_published on actions.policy_version (provider_id, name)"
        " where state = 'published'"
    )
    op.execute(
        "create unique index policy_version_once on actions.policy_version (provider_id, name, version)"
        " where state <> 'retired' or published_at is not null"
    )
    tables.protect_v1(op, "actions", "policy_version")
