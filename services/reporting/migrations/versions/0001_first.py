"""Incidents with their parts, the timeline, locations and exposure, as the events of the other services tell."""

from alembic import op

from services.runtime import tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    tables.install_v1(op, "reporting", publishes=False)
    # Keys start with what rows are looked up by, so that each table needs few indexes; free space in each page lets
    # most updates stay out of them.
    op.execute(
        """create table reporting.incident (
            provider_id uuid not null,
            incident_id uuid not null,
            origin text,
            location_id uuid,
            region_id uuid,
            kind text,
            category text,
            occurred_at timestamptz,
            reported_at timestamptz,
            stage text,
            stage_version integer not null,
            cycle integer not null,
            stage_entered_at timestamptz,
            next_move text,
            next_due_at timestamptz,
            ended_at timestamptz,
            band text,
            actual_harm text,
            triaged_at timestamptz,
            triaged_by_default boolean,
            triage_version integer not null,
            review_cycle integer not null,
            review_id uuid,
            review_method text,
            review_due_at timestamptz,
            review_status text,
            review_version integer not null,
            review_status_at timestamptz,
            briefing_cycle integer not null,
            briefing_id uuid,
            briefing_audience integer,
            briefing_target_percent integer,
            briefing_due_at timestamptz,
            briefing_reach_percent integer,
            briefing_reached_at timestamptz,
            last_event_at timestamptz,
            actions_agreed integer not null,
            actions_open integer not null,
            actions_done integer not null,
            actions_verified integer not null,
            escalations_unacknowledged integer not null,
            last_verdict text,
            clock_triage timestamptz,
            clock_review timestamptz,
            clock_action timestamptz,
            clock_verification timestamptz,
            clock_briefing timestamptz,
            clock_impact timestamptz,
            earliest_due_at timestamptz,
            primary key (provider_id, incident_id)
        ) with (fillfactor = 80)"""
    )
    op.execute("create index incident_place on reporting.incident (provider_id, location_id, incident_id)")
    op.execute("create index incident_open on reporting.incident (provider_id, location_id) where ended_at is null")
    tables.protect_v1(op, "reporting", "incident")
    tables.system_access_v1(
        op,
        "reporting",
        "incident",
        grants="select (stage, band, reported_at, ended_at, actions_done, escalations_unacknowledged, clock_triage,"
        " clock_review, clock_action, clock_verification, clock_briefing, clock_impact)",
    )
    op.execute(
        """create table reporting.action (
            provider_id uuid not null,
            incident_id uuid not null,
            action_id uuid not null,
            cycle integer not null,
            strength text,
            owner_role text,
            status text,
            version integer not null,
            status_at timestamptz,
            due_at timestamptz,
            due_version integer not null,
            attempt integer not null,
            done_at timestamptz,
            verify_due_at timestamptz,
            verified_at timestamptz,
            primary key (provider_id, incident_id, action_id)
        ) with (fillfactor = 80)"""
    )
    tables.protect_v1(op, "reporting", "action")
    op.execute(
        """create table reporting.escalation (
            provider_id uuid not null,
            incident_id uuid not null,
            escalation_id uuid not null,
            level integer not null,
            reason text,
            to_role text,
            sent_at timestamptz,
            acknowledged_at timestamptz,
            primary key (provider_id, incident_id, escalation_id)
        )"""
    )
    tables.protect_v1(op, "reporting", "escalation")
    op.execute(
        """create table reporting.checkpoint (
            provider_id uuid not null,
            incident_id uuid not null,
            checkpoint_id uuid not null,
            cycle integer not null,
            due_at timestamptz,
            planned_at timestamptz,
            proposed text,
            decide_due_at timestamptz,
            verdict text,
            judged_at timestamptz,
            primary key (provider_id, incident_id, checkpoint_id)
        )"""
    )
    tables.protect_v1(op, "reporting", "checkpoint")
    op.execute(
        """create table reporting.timeline (
            provider_id uuid not null,
            incident_id uuid not null,
            event_id uuid primary key,
            at timestamptz not null,
            publisher text not null,
            type text not null,
            actor text not null,
            actor_role text not null,
            summary jsonb not null
        )"""
    )
    op.execute("create index timeline_incident on reporting.timeline (incident_id, at, event_id)")
    tables.protect_v1(op, "reporting", "timeline", grants="select, insert")
    op.execute(
        """create table reporting.location (
            provider_id uuid not null,
            location_id uuid not null,
            region_id uuid,
            name text not null,
            beds integer not null,
            active boolean not null,
            revision integer not null,
            primary key (provider_id, location_id)
        )"""
    )
    tables.protect_v1(op, "reporting", "location")
    op.execute(
        """create table reporting.exposure (
            provider_id uuid not null,
            location_id uuid not null,
            month date not null,
            unit text not null,
            quantity numeric not null,
            revision integer not null,
            primary key (provider_id, location_id, month, unit)
        )"""
    )
    tables.protect_v1(op, "reporting", "exposure")
    op.execute(
        """create table reporting.progress (
            provider_id uuid primary key,
            last_event_at timestamptz not null,
            lag_seconds double precision not null
        )"""
    )
    tables.protect_v1(op, "reporting", "progress")
    tables.system_access_v1(op, "reporting", "progress", grants="select (last_event_at)")
