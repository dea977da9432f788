"""Safeguarding and restricted incidents."""

from alembic import op

from services.runtime import tables

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute(
        """create table intake.restriction (
            record_id uuid primary key,
            provider_id uuid not null,
            revision integer not null,
            roles text[] not null,
            people uuid[] not null,
            excluded uuid[] not null
        )"""
    )
    tables.protect_v1(op, "intake", "restriction")
    op.execute(
        """create table intake.access_change (
            incident_id uuid not null references intake.incident,
            revision integer not null,
            provider_id uuid not null,
            people uuid[] not null,
            excluded uuid[] not null,
            reason text not null,
            changed_by uuid not null,
            changed_at timestamptz not null,
            primary key (incident_id, revision)
        )"""
    )
    tables.protect_v1(op, "intake", "access_change", grants="select, insert")
    op.execute(
        """create table intake.break_glass (
            break_glass_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null references intake.incident,
            person_id uuid not null,
            role text not null,
            reason text not null,
            opened_at timestamptz not null,
            ends_at timestamptz not null
        )"""
    )
    op.execute("create index break_glass_incident on intake.break_glass (incident_id, person_id, ends_at)")
    tables.protect_v1(op, "intake", "break_glass", grants="select, insert")
    op.execute(
        """create table intake.safeguarding (
            incident_id uuid primary key references intake.incident,
            provider_id uuid not null,
            abuse_types text[] not null,
            immediate_safety_secured boolean,
            safety_measures text,
            policy_version text not null,
            opened_at timestamptz not null,
            version integer not null
        )"""
    )
    tables.protect_v1(op, "intake", "safeguarding")
    op.execute(
        """create table intake.safeguarding_adult (
            adult_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null references intake.safeguarding,
            person_ref uuid,
            consent text not null,
            override_reason text,
            capacity_note text,
            advocate_offered boolean,
            wishes jsonb not null,
            refer_due_at timestamptz not null,
            decision text,
            decision_reason text,
            decided_by uuid,
            decided_at timestamptz,
            unique (incident_id, person_ref)
        )"""
    )
    tables.protect_v1(op, "intake", "safeguarding_adult")
    op.execute(
        """create table intake.safeguarding_referral (
            referral_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null references intake.safeguarding,
            adult_id uuid not null references intake.safeguarding_adult,
            authority text not null,
            reference text not null,
            referred_at timestamptz not null,
            recorded_by uuid not null,
            answer_due_at timestamptz not null,
            authority_decision text,
            authority_reason text,
            authority_decided_at timestamptz,
            enquiry_outcome text,
            enquiry_summary text,
            enquiry_concluded_at timestamptz
        )"""
    )
    op.execute(
        "create unique index safeguarding_referral_once on intake.safeguarding_referral (adult_id, lower(authority))"
    )
    op.execute("create index safeguarding_referral_incident on intake.safeguarding_referral (incident_id)")
    tables.protect_v1(op, "intake", "safeguarding_referral")
