"""For whom a briefing is: types of service, people and how they work; a pool of questions."""

from alembic import op

from services.runtime import tables

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("alter table review.location add column name text, add column types text[] not null default '{}'")
    op.execute(
        """create table review.person (
            person_id uuid primary key,
            provider_id uuid not null,
            active boolean not null,
            shift text,
            employment text,
            started_on date,
            revision integer not null
        )"""
    )
    tables.protect_v1(op, "review", "person")
    op.execute(
        """create table review.held_role (
            person_id uuid not null references review.person,
            location_id uuid not null,
            role text not null,
            provider_id uuid not null,
            primary key (person_id, location_id, role)
        )"""
    )
    op.execute("create index held_role_place on review.held_role (location_id)")
    tables.protect_v1(op, "review", "held_role", grants="select, insert, delete")
    op.execute(
        """alter table review.briefing
            alter column review_id drop not null,
            add column explanation text,
            add column for_whom text,
            add column more_questions jsonb not null default '[]',
            add column audience_rule jsonb not null default '{}'"""
    )
    op.execute("create index briefing_newest on review.briefing (provider_id, sent_at)")
    op.execute(
        """create table review.briefing_learning (
            briefing_id uuid not null references review.briefing,
            learning_id uuid not null references review.learning,
            provider_id uuid not null,
            primary key (briefing_id, learning_id)
        )"""
    )
    tables.protect_v1(op, "review", "briefing_learning", grants="select, insert")
    op.execute(
        """create table review.briefing_person (
            briefing_id uuid not null,
            person_id uuid not null references review.person,
            provider_id uuid not null,
            location_id uuid not null,
            role text not null,
            shift text,
            employment text,
            new_starter boolean not null,
            added_at timestamptz not null,
            primary key (briefing_id, person_id),
            foreign key (briefing_id, location_id) references review.briefing_location
        )"""
    )
    op.execute("create index briefing_person_place on review.briefing_person (briefing_id, location_id)")
    tables.protect_v1(op, "review", "briefing_person", grants="select, insert")
    op.execute("alter table review.acknowledgement add column question integer not null default 0")
