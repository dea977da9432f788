"""What an approved review named stands with its incident; a line of the timeline is found by its incident; the radar's mark
says how far back its year reaches.

`rebuild` of the code before this step must not run after it: it knows a line by its id alone.
"""

from alembic import op

from services.runtime import tables

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.execute("alter table reporting.radar_mark add column oldest uuid")
    op.execute("alter table reporting.incident add column factors text[]")
    op.execute(
        "update reporting.incident i set factors = t.codes from reporting.trait t"
        " where t.kind = 'factor' and t.provider_id = i.provider_id and t.incident_id = i.incident_id"
    )
    op.execute("delete from reporting.trait where kind = 'factor'")
    # An event is of one incident, so both together are as unique as its id, and one index less is written for each line.
    tables.index_concurrently_v1(
        op, "reporting", "timeline_line_of", "timeline (incident_id, event_id)", unique=True
    )  # fmt: skip
    op.execute(
        "alter table reporting.timeline drop constraint timeline_pkey,"
        " add constraint timeline_pkey primary key using index timeline_line_of"
    )
    with op.get_context().autocommit_block():
        op.execute("drop index concurrently if exists reporting.timeline_incident")
        op.execute("drop index concurrently if exists reporting.trait_factor")
