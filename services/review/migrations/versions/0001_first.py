"""Reviews, factors, learning, briefings, acknowledgements."""

from alembic import op

from services.runtime import tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    tables.install_v1(op, "review")
    op.execute(
        """create table review.location (
            location_id uuid primary key,
            provider_id uuid not null,
            region_id uuid,
            active boolean not null,
            revision integer not null
        )"""
    )
    op.execute("create index location_region on review.location (provider_id, region_id)")
    tables.protect_v1(op, "review", "location")
    op.execute(
        """create table review.review (
            review_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null,
            cycle integer not null,
            location_id uuid not null,
            region_id uuid,
            kind text not null,
            category text not null,
            actual_harm text not null,
            band text not null,
            rule text not null,
            policy_version text not null,
            method text not null,
            lead_role text not null,
            approval_role text not null,
            actions_need text not null,
            briefing_need text not null,
            briefing_audience text not null,
            briefing_target_percent integer not null check (briefing_target_percent between 1 and 100),
            briefing_working_days integer not null,
            status text not null,
            opened_at timestamptz not null,
            due_at timestamptz not null,
            what_happened text,
            why text,
            only_person_reason text,
            no_actions_reason text,
            no_briefing_reason text,
            briefing jsonb,
            actions_needed boolean,
            briefing_needed boolean,
            version integer not null default 1,
            unique (incident_id, cycle)
        )"""
    )
    op.execute("create index review_page on review.review (provider_id, review_id desc)")
    op.execute("create index review_place on review.review (provider_id, location_id, review_id desc)")
    tables.protect_v1(op, "review", "review")
    op.execute(
        """create table review.factor (
            review_id uuid not null references review.review,
            place integer not null,
            provider_id uuid not null,
            element text not null,
            description text,
            primary key (review_id, place)
        )"""
    )
    tables.protect_v1(op, "review", "factor", grants="select, insert, delete")
    op.execute(
        """create table review.learning (
            learning_id uuid primary key,
            provider_id uuid not null,
            review_id uuid not null references review.review,
            place integer not null,
            statement text not null,
            answers_factor integer,
            unique (review_id, place)
        )"""
    )
    tables.protect_v1(op, "review", "learning", grants="select, insert, delete")
    op.execute(
        """create table review.review_step (
            step_id uuid primary key,
            provider_id uuid not null,
            review_id uuid not null references review.review,
            step text not null,
            actor_id uuid not null,
            actor_role text not null,
            reason text,
            at timestamptz not null
        )"""
    )
    op.execute("create index review_step_review on review.review_step (review_id, step_id)")
    tables.protect_v1(op, "review", "review_step", grants="select, insert")
    op.execute(
        """create table review.briefing (
            briefing_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null,
            cycle integer not null,
            review_id uuid not null references review.review,
            summary text not null,
            what_changes text not null,
            question text not null,
            options text[] not null,
            correct integer not null,
            audience integer not null check (audience > 0),
            understood integer not null default 0 check (understood <= audience),
            target_percent integer not null check (target_percent between 1 and 100),
            sent_at timestamptz not null,
            due_at timestamptz not null,
            reached_at timestamptz,
            version integer not null default 1,
            unique (incident_id, cycle)
        )"""
    )
    op.execute("create index briefing_page on review.briefing (provider_id, briefing_id desc)")
    tables.protect_v1(op, "review", "briefing")
    op.execute(
        """create table review.briefing_location (
            briefing_id uuid not null references review.briefing,
            location_id uuid not null,
            provider_id uuid not null,
            region_id uuid,
            understood_at timestamptz,
            primary key (briefing_id, location_id)
        )"""
    )
    op.execute("create index briefing_location_place on review.briefing_location (location_id, briefing_id desc)")
    tables.protect_v1(op, "review", "briefing_location")
    op.execute(
        """create table review.acknowledgement (
            briefing_id uuid not null,
            person_id uuid not null,
            provider_id uuid not null,
            location_id uuid not null,
            answer integer not null,
            understood boolean not null,
            attempts integer not null,
            first_at timestamptz not null,
            last_at timestamptz not null,
            primary key (briefing_id, person_id),
            foreign key (briefing_id, location_id) references review.briefing_location
        )"""
    )
    op.execute("create index acknowledgement_place on review.acknowledgement (briefing_id, location_id)")
    tables.protect_v1(op, "review", "acknowledgement")
