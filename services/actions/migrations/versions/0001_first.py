"""Actions, evidence, verification, impact checkpoints, and what is counted to measure them."""

from alembic import op

from services.runtime import tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    tables.install_v1(op, "actions")
    op.execute(
        """create table actions.incident (
            incident_id uuid primary key,
            provider_id uuid not null,
            location_id uuid,
            region_id uuid,
            kind text,
            category text,
            occurred_at timestamptz,
            reported_at timestamptz,
            band text,
            cycle integer not null,
            ended boolean not null,
            withdrawn boolean not null,
            state_version integer not null
        )"""
    )
    tables.protect_v1(op, "actions", "incident")
    op.execute(
        """create table actions.improvement (
            incident_id uuid not null,
            cycle integer not null,
            provider_id uuid not null,
            location_id uuid not null,
            region_id uuid,
            category text not null,
            band text,
            opened_at timestamptz,
            unit text,
            baseline_first date,
            baseline_until date,
            policy_version text,
            completed_at timestamptz,
            effective_at timestamptz,
            primary key (incident_id, cycle)
        )"""
    )
    tables.protect_v1(op, "actions", "improvement")
    op.execute(
        """create table actions.action (
            action_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null,
            cycle integer not null,
            location_id uuid not null,
            region_id uuid,
            title text not null,
            success_criterion text not null,
            what_counts_as_proof text not null,
            strength text not null,
            owner_id uuid not null,
            owner_role text not null,
            due_working_days integer not null check (due_working_days between 1 and 260),
            learning_ref uuid,
            status text not null,
            attempt integer not null,
            agreed_by uuid not null,
            agreed_at timestamptz not null,
            opened_at timestamptz,
            due_at timestamptz,
            done_by uuid,
            done_at timestamptz,
            verify_due_at timestamptz,
            verified_at timestamptz,
            cancel_reason text,
            version integer not null,
            foreign key (incident_id, cycle) references actions.improvement
        )"""
    )
    op.execute("create index action_page on actions.action (provider_id, action_id desc)")
    op.execute("create index action_cycle on actions.action (incident_id, cycle)")
    op.execute("create index action_owner on actions.action (provider_id, owner_id, action_id desc)")
    tables.protect_v1(op, "actions", "action")
    op.execute(
        """create table actions.evidence (
            evidence_id uuid primary key,
            provider_id uuid not null,
            action_id uuid not null references actions.action,
            attempt integer not null,
            kind text not null,
            description text not null,
            added_by uuid not null,
            added_at timestamptz not null
        )"""
    )
    op.execute("create index evidence_action on actions.evidence (action_id, attempt)")
    tables.protect_v1(op, "actions", "evidence", grants="select, insert")
    op.execute(
        """create table actions.verification (
            verification_id uuid primary key,
            provider_id uuid not null,
            action_id uuid not null references actions.action,
            attempt integer not null,
            outcome text not null,
            method text not null,
            sample_size integer not null check (sample_size >= 1),
            compliant integer not null check (compliant between 0 and sample_size),
            finding text,
            verified_by uuid not null,
            verified_at timestamptz not null,
            unique (action_id, attempt)
        )"""
    )
    tables.protect_v1(op, "actions", "verification", grants="select, insert")
    op.execute(
        """create table actions.checkpoint (
            checkpoint_id uuid primary key,
            provider_id uuid not null,
            incident_id uuid not null,
            cycle integer not null,
            number integer not null,
            location_id uuid not null,
            region_id uuid,
            status text not null,
            due_at timestamptz not null,
            measured_at timestamptz,
            first_day date,
            until_day date,
            events integer,
            near_misses integer,
            exposure numeric,
            baseline_events integer,
            baseline_near_misses integer,
            baseline_exposure numeric,
            ratio double precision,
            ratio_low double precision,
            ratio_high double precision,
            proposed text,
            rule text,
            policy_version text,
            decide_due_at timestamptz,
            verdict text,
            agreed_with_proposal boolean,
            reason text,
            decided_by uuid,
            decided_at timestamptz,
            version integer not null,
            unique (incident_id, cycle, number),
            foreign key (incident_id, cycle) references actions.improvement
        )"""
    )
    op.execute("create index checkpoint_page on actions.checkpoint (provider_id, checkpoint_id)")
    tables.protect_v1(op, "actions", "checkpoint")
    op.execute(
        """create table actions.daily_count (
            provider_id uuid not null,
            category text not null,
            day date not null,
            location_id uuid not null,
            incidents integer not null,
            near_misses integer not null,
            primary key (provider_id, category, day, location_id)
        )"""
    )
    tables.protect_v1(op, "actions", "daily_count")
    op.execute(
        """create table actions.exposure (
            provider_id uuid not null,
            unit text not null,
            month date not null check (extract(day from month) = 1),
            location_id uuid not null,
            quantity numeric not null check (quantity >= 0),
            revision integer not null,
            primary key (provider_id, unit, month, location_id)
        )"""
    )
    op.execute("create index exposure_place on actions.exposure (location_id, month desc)")
    tables.protect_v1(op, "actions", "exposure")
