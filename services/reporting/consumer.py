"""What reporting does with the events of all: it projects them into what can be read at once.

Events come in batches of one provider. A batch is read into cases, applied in memory and written back, in a number of
statements that does not depend on its size.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from services.contracts import actions, directory, intake, policy, reporting, review
from services.contracts.event import EventData, IncidentData, ThemeData
from services.contracts.identity import EVERYWHERE
from services.contracts.taxonomy import Role, Stage, ThemeStage
from services.contracts.topics import PUBLISHERS
from services.reporting import store
from services.reporting.domain import (
    STAGE_OF_THEME,
    ActionStatus,
    Case,
    Entry,
    Exposure,
    Incident,
    Location,
    Progress,
    ReviewStatus,
    Trait,
    TraitKind,
)
from services.reporting.radar import weeks
from services.runtime import restriction
from services.runtime.consumer import Received, sending_ahead

CaseEvent = IncidentData | ThemeData | reporting.GovernanceData


def project(session: Session, events: Sequence[Received]) -> None:
    """Apply events of one provider. Types that are not projected are skipped.

    Early, late and repeated events end in the same state, so it may be given events that were applied before.
    """
    known = [event for event in events if event.type in PROJECTED]
    if not known:
        return
    provider_id = known[0].provider_id
    store.take_turns(session, provider_id)
    _restrict(session, known)
    with sending_ahead(session):
        store.keep_locations(session, _newest_locations(known))
        store.keep_exposure(session, _newest_exposure(known))
        store.keep_traits(session, _newest_traits(known))
        of_cases = [event for event in known if event.type in _ON_CASE and _names_a_case(event)]
        if of_cases:
            _project_cases(session, provider_id, of_cases)
        last_event_at = max(event.occurred_at for event in known)
        store.keep_progress(session, Progress(provider_id, last_event_at, _lag_seconds(known[-1])))


def rebuild(session: Session, events: Sequence[Received]) -> None:
    """Make what is projected of some cases and places anew: whatever is kept of them now is not looked at.

    `events` are of one provider, and all that the event log has of each of their cases, else a case would lose what is
    missing. The caller has taken its turn (`store.take_turns`) before it read them. Readers see the old state until the
    transaction commits, and the new one after.
    """
    known = [event for event in events if event.type in PROJECTED]
    if not known:
        return
    _restrict(session, known)
    with sending_ahead(session):
        store.keep_locations(session, _newest_locations(known))
        store.keep_exposure(session, _newest_exposure(known))
        store.keep_traits(session, _newest_traits(known))
        told = [(_data(event), event) for event in known if event.type in _ON_CASE]
        store.complete_entries(session, [_entry(data.case_id, event) for data, event in told])
        store.keep_cases(session, _apply(known[0].provider_id, {}, told))
    # Lines that were there already do not tell that their cases changed.
    weeks.forget(session, known[0].provider_id)


def case_of(lines: Sequence[Entry]) -> Case:
    """The case that lines of one timeline add up to: with all lines the case as it is, with the first ones as it was.

    Every line has a version, and there is at least one.
    """
    case = Case(Incident(lines[0].provider_id, lines[0].incident_id))
    for line in lines:
        model, apply = _ON_CASE[line.type]
        if apply is not _told_only:
            assert line.version is not None
            # What a line leaves out is the id of its case, under one of two names.
            ids = {"incident_id": line.incident_id, "theme_id": line.incident_id}
            apply(case, model.model_validate({**line.summary, **ids}), _received(line, line.version))
        case.incident.heard(line.at)
    case.settle()
    return case


def _received(line: Entry, version: int) -> Received:
    return Received(
        event_id=line.event_id,
        type=line.type,
        provider_id=line.provider_id,
        subject=str(line.incident_id),
        key=str(line.incident_id),
        version=version,
        occurred_at=line.at,
        actor=line.actor,
        actor_role=line.actor_role,
        data=line.summary,
        topic="",
        partition=0,
        offset=0,
    )


def tell(case: Case, event: Received) -> None:
    """Let a case know of an event of its incident. `case.settle` is to follow the last one."""
    _tell(case, _data(event), event)


def _data(event: Received) -> CaseEvent:
    return _ON_CASE[event.type][0].model_validate(event.data)


def _tell(case: Case, data: CaseEvent, event: Received) -> None:
    _ON_CASE[event.type][1](case, data, event)
    case.incident.heard(event.occurred_at)


def _project_cases(session: Session, provider_id: UUID, events: Sequence[Received]) -> None:
    told = [(_data(event), event) for event in events]
    answer = store.ask_cases(session, provider_id, {data.case_id for data, _ in told})
    entries = [_entry(data.case_id, event) for data, event in told]
    cases = store.asked_cases(answer)
    # Before what must be thought about, to be written meanwhile.
    store.append_entries(session, entries)
    store.keep_cases(session, _apply(provider_id, cases, told))


def _apply(provider_id: UUID, cases: dict[UUID, Case], told: Iterable[tuple[CaseEvent, Received]]) -> Collection[Case]:
    for data, event in told:
        case = cases.get(data.case_id)
        if case is None:
            case = cases[data.case_id] = Case(Incident(provider_id, data.case_id))
        _tell(case, data, event)
    for case in cases.values():
        case.settle()
    return cases.values()


def _names_a_case(event: Received) -> bool:
    """A decision or challenge of a meeting need not be about any."""
    return event.type not in GOVERNANCE or bool(event.data.get("incident_id") or event.data.get("theme_id"))


def _entry(incident_id: UUID, event: Received) -> Entry:
    summary = event.data.copy()
    # The id of the case stands beside; that of a theme's member may be of an incident that the reader may not see.
    for name in ("incident_id", "theme_id", "case_kind"):
        summary.pop(name, None)
    return Entry(
        provider_id=event.provider_id,
        incident_id=incident_id,
        event_id=event.event_id,
        at=event.occurred_at,
        publisher=_PUBLISHER[event.type],
        type=event.type,
        actor=event.actor,
        actor_role=event.actor_role,
        summary=summary,
        version=event.version,
    )


def _newest_locations(events: Iterable[Received]) -> Iterable[Location]:
    newest: dict[UUID, Location] = {}
    for event in events:
        if event.type == directory.LocationRecorded.TYPE:
            data = directory.LocationRecorded.model_validate(event.data)
            row = Location(
                provider_id=event.provider_id,
                location_id=data.location_id,
                region_id=data.region_id,
                name=data.name,
                beds=data.beds,
                active=data.active,
                revision=data.revision,
                types=list(data.types),
            )
            if row.location_id not in newest or row.revision > newest[row.location_id].revision:
                newest[row.location_id] = row
    return newest.values()


def _newest_exposure(events: Iterable[Received]) -> Iterable[Exposure]:
    newest: dict[tuple[Any, ...], Exposure] = {}
    for event in events:
        if event.type == directory.ExposureRecorded.TYPE:
            data = directory.ExposureRecorded.model_validate(event.data)
            row = Exposure(
                provider_id=event.provider_id,
                location_id=data.location_id,
                month=data.month,
                unit=data.unit,
                quantity=data.quantity,
                revision=data.revision,
            )
            key = (row.location_id, row.month, row.unit)
            if key not in newest or row.revision > newest[key].revision:
                newest[key] = row
    return newest.values()


def _newest_traits(events: Iterable[Received]) -> Iterable[Trait]:
    newest: dict[tuple[UUID, str], Trait] = {}
    for event in events:
        for row in _traits(event):
            known = newest.get((row.incident_id, row.kind))
            if known is None or row.revision > known.revision:
                newest[row.incident_id, row.kind] = row
    return newest.values()


def _traits(event: Received) -> Iterable[Trait]:
    if event.type == intake.IncidentDescribed.TYPE:
        told = intake.IncidentDescribed.model_validate(event.data)
        found: dict[TraitKind, Sequence[str | None]] = {
            TraitKind.PERSON: told.people,
            TraitKind.MEDICINE: [told.medicine],
            TraitKind.EQUIPMENT: [told.equipment],
            TraitKind.STAFF_GROUP: [told.staff_group],
        }
        for kind, codes in found.items():
            known = [code for code in codes if code is not None]
            yield Trait(event.provider_id, told.incident_id, kind, known, told.revision)


def _restrict(session: Session, events: Iterable[Received]) -> None:
    """Before the cases: no incident is to be seen between its report and the word about who may see it."""
    for event in events:
        if event.type == intake.IncidentRestricted.TYPE:
            told = intake.IncidentRestricted.model_validate(event.data)
            restriction.keep(
                session,
                "reporting",
                provider_id=event.provider_id,
                record_id=told.incident_id,
                revision=told.revision,
                roles=told.roles,
                people=told.people,
                excluded=told.excluded,
            )
        elif event.type == intake.BreakGlassUsed.TYPE:
            broken = intake.BreakGlassUsed.model_validate(event.data)
            restriction.keep_opening(
                session,
                "reporting",
                opening_id=broken.break_glass_id,
                provider_id=event.provider_id,
                record_id=broken.incident_id,
                person_id=broken.person_id,
                ends_at=broken.ends_at,
            )
        elif event.type == intake.IncidentReported.TYPE and event.data.get("restricted"):
            incident_id = UUID(event.data["incident_id"])
            restriction.keep(session, "reporting", provider_id=event.provider_id, record_id=incident_id, revision=0)


def _lag_seconds(event: Received) -> float:
    """How long an event waited, in real seconds. Its id tells: `occurred_at` may be of a faster clock."""
    written_at = (event.event_id.int >> 80) / 1000
    return max(datetime.now(UTC).timestamp() - written_at, 0.0)


def _reported(case: Case, event: intake.IncidentReported, received: Received) -> None:
    case.incident.reported(
        origin="live",
        location_id=event.location_id,
        region_id=event.region_id,
        kind=event.kind,
        category=event.category,
        occurred_at=event.occurred_at,
        reported_at=event.reported_at,
    )
    # Intake's answer to a report: a manager's move, until triage is due.
    case.incident.enter(
        Stage.REPORTED,
        version=received.version,
        at=received.occurred_at,
        next_move=Role.SAFEGUARDING_LEAD if event.restricted else Role.REGISTERED_MANAGER,
        due_at=event.triage_due_at,
    )


def _imported(case: Case, event: intake.IncidentImported, received: Received) -> None:
    case.incident.reported(
        origin="import",
        location_id=event.location_id,
        region_id=event.region_id,
        kind=event.kind,
        category=event.category,
        occurred_at=event.occurred_at,
        reported_at=event.reported_at,
    )
    case.incident.graded(version=received.version, actual_harm=event.actual_harm)
    if event.closed_at is None:
        case.incident.enter(Stage.REPORTED, version=received.version, at=event.reported_at)
    else:
        case.incident.enter(Stage.CLOSED, version=received.version, at=event.closed_at)


def _triaged(case: Case, event: intake.IncidentTriaged, received: Received) -> None:
    version, at = received.version, received.occurred_at
    case.incident.enter(Stage.TRIAGED, version=version, at=at, cycle=event.cycle, next_move=Role.REGISTERED_MANAGER)
    case.incident.graded(
        version=version, actual_harm=event.actual_harm, band=event.band, at=at, by_default=event.by_default
    )


def _stage_entered(case: Case, event: intake.StageEntered, received: Received) -> None:
    case.incident.enter(
        event.stage,
        version=received.version,
        at=received.occurred_at,
        cycle=event.cycle,
        next_move=event.next_move,
        due_at=event.due_at,
    )


def _escalated(case: Case, event: intake.IncidentEscalated, received: Received) -> None:
    rung = case.escalation(event.escalation_id, event.level)
    rung.level, rung.reason, rung.to_role = event.level, event.reason, event.to_role
    rung.sent_at = received.occurred_at


def _escalation_acknowledged(case: Case, event: intake.EscalationAcknowledged, received: Received) -> None:
    for escalation_id in {event.escalation_id, *event.answers}:
        case.escalation(escalation_id, event.level).acknowledged_at = received.occurred_at


def _told_only(case: Case, event: EventData, received: Received) -> None:
    """A line of the timeline; the case is as it was."""


def _withdrawn(case: Case, event: intake.IncidentWithdrawn, received: Received) -> None:
    case.incident.enter(Stage.WITHDRAWN, version=received.version, at=received.occurred_at)


def _marked_duplicate(case: Case, event: intake.IncidentMarkedDuplicate, received: Received) -> None:
    case.incident.enter(Stage.DUPLICATE, version=received.version, at=received.occurred_at)


def _reopened(case: Case, event: intake.IncidentReopened, received: Received) -> None:
    case.incident.enter(
        event.stage,
        version=received.version,
        at=received.occurred_at,
        cycle=event.cycle,
        next_move=Role.REGISTERED_MANAGER,
    )


def _closed(case: Case, event: intake.IncidentClosed, received: Received) -> None:
    case.incident.enter(Stage.CLOSED, version=received.version, at=event.closed_at, cycle=event.cycle)


def _review_opened(case: Case, event: review.ReviewOpened, received: Received) -> None:
    case.incident.review_opened(event.review_id, cycle=event.cycle, method=event.method, due_at=event.due_at)
    _review_moved(case, event, received, ReviewStatus.OPEN)


def _review_submitted(case: Case, event: review.ReviewSubmitted, received: Received) -> None:
    _review_moved(case, event, received, ReviewStatus.SUBMITTED)


def _review_returned(case: Case, event: review.ReviewReturned, received: Received) -> None:
    case.incident.review_returned(cycle=event.cycle, at=received.occurred_at)
    _review_moved(case, event, received, ReviewStatus.RETURNED)


def _review_approved(case: Case, event: review.ReviewApproved, received: Received) -> None:
    case.incident.review_approved(
        cycle=event.cycle,
        factors=event.factors,
        learning=event.learning_count,
        briefing_needed=event.briefing_needed,
        at=received.occurred_at,
    )
    _review_moved(case, event, received, ReviewStatus.APPROVED)


def _review_moved(
    case: Case,
    event: review.ReviewOpened | review.ReviewSubmitted | review.ReviewReturned | review.ReviewApproved,
    received: Received,
    status: ReviewStatus,
) -> None:
    case.incident.review_moved(status, cycle=event.cycle, version=received.version, at=received.occurred_at)


def _briefing_sent(case: Case, event: review.BriefingSent, received: Received) -> None:
    case.incident.briefing_sent(
        event.briefing_id,
        cycle=event.cycle,
        audience=event.audience,
        target_percent=event.target_percent,
        due_at=event.due_at,
        at=received.occurred_at,
    )


def _briefing_reached(case: Case, event: review.BriefingReached, received: Received) -> None:
    case.incident.briefing_reached(cycle=event.cycle, reach_percent=event.reach_percent, at=received.occurred_at)


def _theme_commissioned(case: Case, event: review.ThemeCommissioned, received: Received) -> None:
    case.as_theme().terms(
        version=received.version,
        at=received.occurred_at,
        lead_id=event.lead_id,
        signal_id=event.signal_id,
        locations=len(event.locations),
    )
    case.incident.location_id, case.incident.region_id = EVERYWHERE, event.region_id
    case.incident.category, case.incident.band = event.category, event.band
    if received.version == 1:
        # Later it is said again because the terms changed, which moves it nowhere.
        case.incident.enter(
            STAGE_OF_THEME[ThemeStage.COMMISSIONED],
            version=1,
            at=received.occurred_at,
            next_move=Role.QUALITY_LEAD,
            due_at=event.accept_due_at,
        )


def _theme_accepted(case: Case, event: review.ThemeAccepted, received: Received) -> None:
    case.as_theme().accepted_at = received.occurred_at


def _theme_member_decided(case: Case, event: review.ThemeMemberDecided, received: Received) -> None:
    case.as_theme().members(version=received.version, linked=event.linked, excluded=event.excluded)


def _theme_stage_entered(case: Case, event: review.ThemeStageEntered, received: Received) -> None:
    theme = case.as_theme()
    theme.watch_at = event.watch_at or theme.watch_at
    case.incident.enter(
        STAGE_OF_THEME[event.stage],
        version=received.version,
        at=received.occurred_at,
        cycle=event.cycle,
        next_move=event.next_move,
        due_at=event.due_at,
    )


def _theme_ended(case: Case, event: review.ThemeEnded, received: Received) -> None:
    case.as_theme()
    case.incident.enter(STAGE_OF_THEME[ThemeStage.ENDED], version=received.version, at=received.occurred_at)


def _action_agreed(case: Case, event: actions.ActionAgreed, received: Received) -> None:
    action = case.action(event.action_id, event.cycle)
    action.agreed(
        strength=event.strength,
        owner_role=event.owner_role,
        at=received.occurred_at,
        wording=event.wording,
        weak_wording=event.weak_wording,
    )
    action.moved(ActionStatus.AGREED, version=received.version, at=received.occurred_at)


def _action_opened(case: Case, event: actions.ActionOpened, received: Received) -> None:
    action = case.action(event.action_id, event.cycle)
    action.due(event.due_at, version=received.version)
    action.moved(ActionStatus.OPEN, version=received.version, at=received.occurred_at)


def _action_done(case: Case, event: actions.ActionDone, received: Received) -> None:
    action = case.action(event.action_id, event.cycle)
    action.done(attempt=event.attempt, at=received.occurred_at, verify_due_at=event.verify_due_at)
    action.moved(ActionStatus.DONE, version=received.version, at=received.occurred_at)


def _action_verified(case: Case, event: actions.ActionVerified, received: Received) -> None:
    action = case.action(event.action_id, event.cycle)
    action.verified_at = received.occurred_at
    action.moved(ActionStatus.VERIFIED, version=received.version, at=received.occurred_at)
    _plan(case, event.cycle, event.checkpoints, received)


def _action_returned(case: Case, event: actions.ActionReturned, received: Received) -> None:
    action = case.action(event.action_id, event.cycle)
    action.due(event.due_at, version=received.version)
    action.moved(ActionStatus.OPEN, version=received.version, at=received.occurred_at)


def _action_cancelled(case: Case, event: actions.ActionCancelled, received: Received) -> None:
    action = case.action(event.action_id, event.cycle)
    action.moved(ActionStatus.CANCELLED, version=received.version, at=received.occurred_at)
    _plan(case, event.cycle, event.checkpoints, received)


def _action_handed_over(case: Case, event: actions.ActionHandedOver, received: Received) -> None:
    case.action(event.action_id, event.cycle).owned(event.owner_role, version=received.version)


def _action_extended(case: Case, event: actions.ActionExtended, received: Received) -> None:
    case.action(event.action_id, event.cycle).due(event.due_at, version=received.version)


def _recheck_asked(case: Case, event: actions.ActionRecheckAsked, received: Received) -> None:
    case.action(event.action_id, event.cycle)


def _rechecked(case: Case, event: actions.ActionRechecked, received: Received) -> None:
    case.action(event.action_id, event.cycle)


def _plan(case: Case, cycle: int, checkpoints: Iterable[actions.PlannedCheckpoint], received: Received) -> None:
    for planned in checkpoints:
        case.checkpoint(planned.checkpoint_id, cycle).planned(planned.due_at, at=received.occurred_at)


def _checkpoint_measured(case: Case, event: actions.CheckpointMeasured, received: Received) -> None:
    checkpoint = case.checkpoint(event.checkpoint_id, event.cycle)
    checkpoint.proposed, checkpoint.decide_due_at = event.proposed, event.decide_due_at


def _impact_judged(case: Case, event: actions.ImpactJudged, received: Received) -> None:
    checkpoint = case.checkpoint(event.checkpoint_id, event.cycle)
    checkpoint.verdict, checkpoint.judged_at = event.verdict, received.occurred_at
    if event.next_checkpoint is not None:
        _plan(case, event.cycle, [event.next_checkpoint], received)


GOVERNANCE = frozenset(event.TYPE for event in reporting.EVENTS if issubclass(event, reporting.GovernanceData))

_ON_CASE: Mapping[str, tuple[type[CaseEvent], Callable[[Case, Any, Received], None]]] = {
    model.TYPE: (model, apply)
    for model, apply in (
        (intake.IncidentReported, _reported),
        (intake.IncidentImported, _imported),
        (intake.IncidentDescribed, _told_only),
        (intake.IncidentTriaged, _triaged),
        (intake.StageEntered, _stage_entered),
        (intake.IncidentEscalated, _escalated),
        (intake.EscalationAcknowledged, _escalation_acknowledged),
        (intake.ReminderSent, _told_only),
        (intake.IncidentWithdrawn, _withdrawn),
        (intake.IncidentMarkedDuplicate, _marked_duplicate),
        (intake.IncidentReopened, _reopened),
        (intake.IncidentClosed, _closed),
        (intake.ObligationAssessed, _told_only),
        (intake.ObligationDecided, _told_only),
        (intake.ObligationSubmitted, _told_only),
        (intake.ObligationAcknowledged, _told_only),
        (intake.ObligationWarned, _told_only),
        (intake.ObligationLate, _told_only),
        (intake.CandourAsked, _told_only),
        (intake.CandourDecided, _told_only),
        (intake.CandourStepRecorded, _told_only),
        (intake.CandourWarned, _told_only),
        (intake.CandourLate, _told_only),
        (intake.CandourCompleted, _told_only),
        (intake.CheckRecorded, _told_only),
        (intake.CheckWarned, _told_only),
        (intake.CheckLate, _told_only),
        (intake.IncidentRestricted, _told_only),
        (intake.BreakGlassUsed, _told_only),
        (intake.HoldPlaced, _told_only),
        (intake.HoldLifted, _told_only),
        (intake.ProtectionStands, _told_only),
        (intake.ProtectionEnded, _told_only),
        (intake.RecurrenceAsked, _told_only),
        (intake.RecurrenceAnswered, _told_only),
        (intake.IncidentLinked, _told_only),
        (intake.SafeguardingOpened, _told_only),
        (intake.SafeguardingDecided, _told_only),
        (intake.SafeguardingReferred, _told_only),
        (intake.AuthorityDecided, _told_only),
        (intake.EnquiryConcluded, _told_only),
        (intake.SafeguardingWarned, _told_only),
        (intake.SafeguardingLate, _told_only),
        (review.ThemeCommissioned, _theme_commissioned),
        (review.ThemeAccepted, _theme_accepted),
        (review.ThemeMemberDecided, _theme_member_decided),
        (review.ThemeStageEntered, _theme_stage_entered),
        (review.ThemeReminded, _told_only),
        (review.ThemeEnded, _theme_ended),
        (review.ReviewOpened, _review_opened),
        (review.ReviewSubmitted, _review_submitted),
        (review.ReviewReturned, _review_returned),
        (review.ReviewApproved, _review_approved),
        (review.BriefingSent, _briefing_sent),
        (review.BriefingAcknowledged, _told_only),
        (review.BriefingReached, _briefing_reached),
        (review.BriefingReminded, _told_only),
        (actions.ActionAgreed, _action_agreed),
        (actions.ActionOpened, _action_opened),
        (actions.ActionDone, _action_done),
        (actions.ActionVerified, _action_verified),
        (actions.ActionReturned, _action_returned),
        (actions.ActionCancelled, _action_cancelled),
        (actions.ActionHandedOver, _action_handed_over),
        (actions.ActionExtended, _action_extended),
        (actions.ActionRecheckAsked, _recheck_asked),
        (actions.ActionRechecked, _rechecked),
        (actions.CheckpointMeasured, _checkpoint_measured),
        (actions.ImpactJudged, _impact_judged),
        (reporting.GovernanceItemRaised, _told_only),
        (reporting.GovernanceItemAnswered, _told_only),
        (reporting.GovernanceItemJudged, _told_only),
        (reporting.GovernanceItemEscalated, _told_only),
    )
}

_PUBLISHER = {event.TYPE: publisher for publisher, published in PUBLISHERS.items() for event in published}

TOLD = frozenset(event for event, (model, _) in _ON_CASE.items() if issubclass(model, IncidentData))
"""Every type of which there can be a line in the timeline of an incident."""

PROJECTED = frozenset(_ON_CASE) | {directory.LocationRecorded.TYPE, directory.ExposureRecorded.TYPE}
"""Every type that `project` applies."""

IGNORED = frozenset(
    {
        # Between intake and the process; what people see of them are the escalations and decisions that follow.
        intake.IncidentEscalationRequested.TYPE,
        intake.ClockSet.TYPE,
        intake.ClockStopped.TYPE,
        intake.BlockerRaised.TYPE,
        intake.BlockerLifted.TYPE,
        # What follows a briefing is read where it is kept, location by location.
        review.AdoptionAsked.TYPE,
        review.AdoptionReturned.TYPE,
        review.RecallMeasured.TYPE,
        # Outside the line: only those who review concerns know that there is one.
        intake.ConcernRaised.TYPE,
        intake.ConcernContinued.TYPE,
        # By what rules a provider decides is read where it decides; each decision names its version.
        policy.PolicyPublished.TYPE,
        # How people work is for the audience of a briefing.
        directory.PersonRecorded.TYPE,
        # Who covers for whom: a question of whoever owns an action.
        directory.AbsenceRecorded.TYPE,
        # What commissioners are to be told of: a question of obligations.
        directory.ContractRecorded.TYPE,
        # Its own word, which it keeps as records.
        reporting.SignalAccepted.TYPE,
        reporting.MeetingCompiled.TYPE,
        reporting.MeetingHeld.TYPE,
    }
)
"""Types that reporting has no use for, each for a reason."""
