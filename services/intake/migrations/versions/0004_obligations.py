"""Statutory and external obligations, duty of candour."""

from alembic import op

from services.runtime import tables

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        """create table intake.fact_sheet (
            incident_id uuid not null references intake.incident,
            version integer not null,
            provider_id uuid not null,
            answers jsonb not null,
            changed jsonb not null,
            recorded_by uuid not null,
            recorded_at timestamptz not null,
            primary key (incident_id, version)
        )"""
    )
    tables.protect_v1(op, "intake", "fact_sheet", grants="select, insert")
    op.execute(
        """create table intake.obligation (
            obligation_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null references intake.incident,
            rule text not null,
            person text not null,
            authority text not null,
            by_hand boolean not null,
            outcome text not null check (outcome in ('triggered', 'suggested', 'not_triggered')),
            must_decide boolean not null,
            explanation jsonb not null,
            policy_version text not null,
            facts_version integer not null,
            round integer not null,
            round_id uuid not null,
            aware_at timestamptz not null,
            warn_at timestamptz,
            target_at timestamptz,
            statutory_due_at timestamptz,
            warned_at timestamptz,
            late_at timestamptz,
            statutory_late_at timestamptz,
            decision text check (decision in ('notify', 'not_notify')),
            reason text,
            decided_by uuid,
            decided_role text,
            decided_at timestamptz,
            reference text,
            evidence text,
            submitted_at timestamptz,
            submitted_by uuid,
            acknowledged_at timestamptz,
            acknowledgement text,
            version integer not null,
            unique (incident_id, rule, person, authority)
        )"""
    )
    tables.protect_v1(op, "intake", "obligation")
    op.execute(
        """create table intake.obligation_entry (
            entry_id uuid primary key,
            provider_id uuid not null,
            obligation_id uuid not null references intake.obligation,
            incident_id uuid not null,
            at timestamptz not null,
            actor text not null,
            actor_role text not null,
            what text not null,
            detail jsonb not null,
            note text
        )"""
    )
    op.execute("create index obligation_entry_of on intake.obligation_entry (obligation_id, entry_id)")
    tables.protect_v1(op, "intake", "obligation_entry", grants="select, insert")
    op.execute(
        """create table intake.candour (
            candour_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null unique references intake.incident,
            status text not null check (status in ('to_decide', 'met', 'not_met')),
            because jsonb not null,
            policy_version text not null,
            round integer not null,
            round_id uuid not null,
            aware_at timestamptz not null,
            phase text,
            warn_at timestamptz,
            target_at timestamptz,
            warned_at timestamptz,
            late_at timestamptz,
            completed_at timestamptz,
            completed_by_attempts boolean not null,
            version integer not null
        )"""
    )
    tables.protect_v1(op, "intake", "candour")
    op.execute(
        """create table intake.candour_decision (
            decision_id uuid primary key,
            provider_id uuid not null,
            candour_id uuid not null references intake.candour,
            round integer not null,
            met boolean not null,
            unintended_or_unexpected boolean not null,
            during_regulated_activity boolean not null,
            harm_test text not null,
            limbs jsonb not null,
            lasting_days integer,
            professional_role text,
            professional_opinion text,
            opinion_at timestamptz,
            relevant_person text,
            openness text,
            reason text not null,
            harm_grade text,
            decided_by uuid not null,
            decided_role text not null,
            decided_at timestamptz not null,
            unique (candour_id, round)
        )"""
    )
    tables.protect_v1(op, "intake", "candour_decision", grants="select, insert")
    op.execute(
        """create table intake.candour_step (
            step_id uuid primary key,
            provider_id uuid not null,
            candour_id uuid not null references intake.candour,
            step text not null,
            at timestamptz not null,
            note text,
            done_by uuid not null,
            recorded_at timestamptz not null
        )"""
    )
    op.execute("create index candour_step_of on intake.candour_step (candour_id, at)")
    tables.protect_v1(op, "intake", "candour_step", grants="select, insert")
    op.execute(
        """create table intake.candour_attempt (
            attempt_id uuid primary key,
            provider_id uuid not null,
            candour_id uuid not null references intake.candour,
            at timestamptz not null,
            how text not null,
            outcome text not null check (outcome in ('declined', 'unreachable')),
            note text,
            made_by uuid not null,
            recorded_at timestamptz not null
        )"""
    )
    op.execute("create index candour_attempt_of on intake.candour_attempt (candour_id, at)")
    tables.protect_v1(op, "intake", "candour_attempt", grants="select, insert")
    op.execute(
        """create table intake.candour_letter (
            letter_id uuid primary key,
            provider_id uuid not null,
            candour_id uuid not null references intake.candour,
            direction text not null check (direction in ('sent', 'received')),
            purpose text not null,
            at timestamptz not null,
            content text not null,
            sha256 text not null,
            recorded_by uuid not null,
            recorded_at timestamptz not null
        )"""
    )
    op.execute("create index candour_letter_of on intake.candour_letter (candour_id, at)")
    tables.protect_v1(op, "intake", "candour_letter", grants="select, insert")
