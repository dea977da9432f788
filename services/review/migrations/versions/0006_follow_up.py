"""What follows a briefing: routes with proof, returns of locations, and what people still know."""

from alembic import op

from services.runtime import tables

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute(
        """alter table review.briefing
            add column location_id uuid,
            add column recall_at timestamptz,
            add column recall_due_at timestamptz,
            add column recall_opened_at timestamptz,
            add column recall_closed_at timestamptz,
            add column ended_at timestamptz"""
    )
    op.execute(
        """create table review.briefing_route (
            route_id uuid primary key,
            briefing_id uuid not null,
            provider_id uuid not null,
            location_id uuid not null,
            kind text not null,
            held_on date not null,
            present integer check (present > 0),
            reference text,
            recorded_by uuid not null,
            recorded_at timestamptz not null,
            check (num_nonnulls(present, reference) > 0),
            foreign key (briefing_id, location_id) references review.briefing_location
        )"""
    )
    op.execute("create index briefing_route_briefing on review.briefing_route (briefing_id, route_id)")
    tables.protect_v1(op, "review", "briefing_route", grants="select, insert")
    op.execute(
        """create table review.adoption_check (
            check_id uuid primary key,
            briefing_id uuid not null references review.briefing,
            provider_id uuid not null,
            question text not null,
            answer_kind text not null,
            asked_by uuid not null,
            asked_at timestamptz not null,
            due_at timestamptz not null,
            closed_at timestamptz,
            version integer not null
        )"""
    )
    op.execute("create index adoption_check_briefing on review.adoption_check (briefing_id, check_id)")
    tables.protect_v1(op, "review", "adoption_check")
    op.execute(
        """create table review.adoption_return (
            check_id uuid not null references review.adoption_check,
            location_id uuid not null,
            provider_id uuid not null,
            count integer,
            adopted boolean,
            comment text,
            returned_by uuid not null,
            returned_at timestamptz not null,
            primary key (check_id, location_id)
        )"""
    )
    tables.protect_v1(op, "review", "adoption_return", grants="select, insert")
    op.execute(
        """create table review.recall (
            briefing_id uuid not null references review.briefing,
            person_id uuid not null,
            provider_id uuid not null,
            location_id uuid not null,
            role text,
            shift text,
            question integer not null,
            asked_at timestamptz not null,
            answer integer,
            could_say boolean,
            answered_at timestamptz,
            primary key (briefing_id, person_id)
        )"""
    )
    op.execute("create index recall_person on review.recall (person_id, asked_at) where answered_at is null")
    tables.protect_v1(op, "review", "recall")
    op.execute(
        """create table review.spot_check (
            spot_check_id uuid primary key,
            briefing_id uuid not null,
            provider_id uuid not null,
            location_id uuid not null,
            role text,
            shift text,
            asked integer not null check (asked > 0),
            could_say integer not null check (could_say between 0 and asked),
            held_on date not null,
            recorded_by uuid not null,
            recorded_at timestamptz not null,
            foreign key (briefing_id, location_id) references review.briefing_location
        )"""
    )
    op.execute("create index spot_check_briefing on review.spot_check (briefing_id)")
    tables.protect_v1(op, "review", "spot_check", grants="select, insert")
