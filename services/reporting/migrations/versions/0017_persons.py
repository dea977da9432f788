"""Silent services stand beside the mark of the radar's weeks; what happened to a person has a table."""

from alembic import op

from services.runtime import tables

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.execute("alter table reporting.radar_mark add column silent jsonb")
    # Row-level security lets no index on an array be used: whether it holds a value is not for PostgreSQL to ask first.
    op.execute(
        """create table reporting.person_incident (
            provider_id uuid not null,
            stand_in text not null,
            incident_id uuid not null,
            primary key (provider_id, stand_in, incident_id)
        )"""
    )
    tables.protect_v1(op, "reporting", "person_incident", grants="select, insert, delete")
    op.execute(
        """create function reporting.forget_persons() returns trigger language plpgsql as $$
        begin
            delete from reporting.person_incident p using gone, unnest(gone.codes) as said
            where gone.kind = 'person' and p.provider_id = gone.provider_id and p.stand_in = said
            and p.incident_id = gone.incident_id;
            return null;
        end $$"""
    )
    op.execute(
        """create function reporting.keep_persons() returns trigger language plpgsql as $$
        begin
            insert into reporting.person_incident (provider_id, stand_in, incident_id)
            select provider_id, unnest(codes), incident_id from come where kind = 'person' on conflict do nothing;
            return null;
        end $$"""
    )
    # In the order of their names: what is no longer said goes before what is said now comes.
    for name, event, rows, function in (
        ("a_forget", "delete", "old table as gone", "forget"),
        ("a_forget_old", "update", "old table as gone", "forget"),
        ("b_keep", "insert", "new table as come", "keep"),
        ("b_keep_new", "update", "new table as come", "keep"),
    ):
        op.execute(
            f"create trigger {name} after {event} on reporting.trait referencing {rows}"
            f" for each statement execute function reporting.{function}_persons()"
        )
    op.execute(
        "insert into reporting.person_incident (provider_id, stand_in, incident_id)"
        " select provider_id, unnest(codes), incident_id from reporting.trait where kind = 'person' on conflict do nothing"
    )
