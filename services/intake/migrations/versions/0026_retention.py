"""How long records are kept: legal holds, what people decided about disposal, and the proof of what was erased."""

from alembic import op

from services.runtime import tables

revision = "0026"
down_revision = "0025"

_WRITTEN = {
    "access_change": "reason",
    "answer_before": "value",
    "attachment": "name",
    "break_glass": "reason",
    "candour_attempt": "note",
    "candour_decision": "professional_role, professional_opinion, openness, reason",
    "candour_letter": "content",
    "candour_step": "note",
    "fact_sheet": "answers",
    "feedback": "message",
    "obligation_entry": "detail, note",
    "outbox": "data",
    "triage": "reason",
}
"""What was only ever added until now: these columns, and no others, may be emptied."""


def upgrade() -> None:
    op.execute(
        """create table intake.legal_hold (
            hold_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid references intake.incident,
            person_ref uuid,
            reason text not null,
            look_again_on date,
            placed_by uuid not null,
            placed_role text not null,
            placed_at timestamptz not null,
            lifted_by uuid,
            lifted_at timestamptz,
            lift_reason text,
            version integer not null,
            check (num_nonnulls(incident_id, person_ref) = 1),
            check (num_nulls(lifted_by, lifted_at, lift_reason) in (0, 3))
        )"""
    )
    op.execute("create index legal_hold_incident on intake.legal_hold (incident_id) where lifted_at is null")
    op.execute("create index legal_hold_person on intake.legal_hold (person_ref) where lifted_at is null")
    tables.protect_v1(op, "intake", "legal_hold")
    op.execute(
        """create table intake.appraisal (
            incident_id uuid primary key references intake.incident,
            provider_id uuid not null,
            decision text not null check (decision in ('destroy', 'keep', 'preserve')),
            reason text not null,
            keep_until date,
            rule text not null,
            policy_version text not null,
            last_used_at timestamptz not null,
            decided_by uuid not null,
            decided_role text not null,
            decided_at timestamptz not null,
            confirmed_by uuid check (confirmed_by <> decided_by),
            confirmed_at timestamptz,
            begun_at timestamptz,
            finished_at timestamptz check (finished_at is null or begun_at is not null),
            version integer not null,
            check ((decision = 'keep') = (keep_until is not null)),
            check (decision = 'destroy' or confirmed_by is null),
            check (begun_at is null or confirmed_by is not null)
        )"""
    )
    op.execute(
        "create index appraisal_destroy on intake.appraisal (incident_id)"
        " where confirmed_at is not null and finished_at is null"
    )
    tables.protect_v1(op, "intake", "appraisal")
    tables.system_access_v1(op, "intake", "appraisal", grants="select (incident_id, provider_id, confirmed_at, finished_at)")
    tables.erasure_v1(op, "intake")
    op.execute(
        """create table intake.erasure_elsewhere (
            record_id uuid not null references intake.erasure,
            service text not null,
            provider_id uuid not null,
            cells integer not null,
            files text[] not null,
            digest text not null,
            primary key (record_id, service)
        )"""
    )
    tables.protect_v1(op, "intake", "erasure_elsewhere", grants="select, insert")
    tables.only_emptied_v1(op, "intake")
    for table, columns in _WRITTEN.items():
        tables.erasable_v1(op, "intake", table, columns)
    tables.erasable_v1(op, "intake", "affected_person", "", ids="person_ref")
    tables.clearable_replies_v1(op, "intake")
