"""Events into facts: pure, tolerant of early, late and duplicate arrival.

The order in which facts become known does not matter, which is also what lets a lost process be rebuilt by sending all
events again.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from services.contracts.actions import (
    ActionCancelled,
    ActionDone,
    ActionExtended,
    ActionHandedOver,
    ActionOpened,
    ActionRechecked,
    ActionReturned,
    ActionVerified,
    ImpactJudged,
    PlannedCheckpoint,
    PlannedRecheck,
)
from services.contracts.event import EventData
from services.contracts.intake import (
    REVISION_OF_REPORT,
    BlockerLifted,
    BlockerRaised,
    ClockSet,
    ClockStopped,
    EscalationAcknowledged,
    IncidentEscalationRequested,
    IncidentMarkedDuplicate,
    IncidentReopened,
    IncidentReported,
    IncidentTriaged,
    IncidentWithdrawn,
)
from services.contracts.review import (
    BriefingReached,
    ReviewApproved,
    ReviewOpened,
    ThemeAccepted,
    ThemeCommissioned,
    ThemeEnded,
)
from services.contracts.taxonomy import ClockKind, Role, Stage
from workflows.messages import (
    ActionFact,
    Case,
    CheckpointFact,
    ClockFact,
    CommissionFact,
    CycleFacts,
    IncidentCase,
    LadderFact,
    Position,
    RecheckFact,
    ReportFact,
    ReviewClockFact,
    ReviewFact,
    RoutedEvent,
    ThemeCase,
    TriageFact,
)


def learn(case: IncidentCase, event: RoutedEvent) -> None:
    """Take an event into the case. An event that was seen, or that the process does not need, changes nothing."""
    _take(case, event, _LEARN)


def learn_of_theme(case: ThemeCase, event: RoutedEvent) -> None:
    """The same for a theme."""
    _take(case, event, _LEARN_OF_THEME)


def _take(case: Case, event: RoutedEvent, known: "_Known") -> None:
    if event.event_id in case.seen or event.type not in known:
        return
    case.seen.append(event.event_id)
    model, apply = known[event.type]
    apply(case, model.model_validate(event.data))


def _commissioned(case: ThemeCase, event: ThemeCommissioned) -> None:
    case.commission = CommissionFact(
        region_id=event.region_id, category=event.category, band=event.band, accept_due_at=event.accept_due_at
    )


def _accepted(case: ThemeCase, _: ThemeAccepted) -> None:
    case.accepted = True


def _theme_ended(case: ThemeCase, _: ThemeEnded) -> None:
    case.ended = True


def _reported(case: IncidentCase, event: IncidentReported) -> None:
    case.report = ReportFact(
        location_id=event.location_id,
        region_id=event.region_id,
        kind=event.kind,
        category=event.category,
        immediate_danger=event.immediate_danger,
        triage_due_at=event.triage_due_at,
    )
    if event.checks_warned_at is not None:
        fact = ClockFact(revision=REVISION_OF_REPORT, due_at=event.checks_warned_at)
        case.clocks.setdefault(str(event.incident_id), fact)


def _triaged(case: IncidentCase, event: IncidentTriaged) -> None:
    if case.triage is None or event.revision > case.triage.revision:
        case.triage = TriageFact(
            actual_harm=event.actual_harm,
            band=event.band,
            revision=event.revision,
            psychological_harm=event.psychological_harm,
        )


def _clock_set(case: IncidentCase, event: ClockSet) -> None:
    _turn(case, event, ClockFact(revision=event.revision, due_at=event.due_at, urgent=event.kind is _ESCALATION))


def _clock_stopped(case: IncidentCase, event: ClockStopped) -> None:
    _turn(case, event, ClockFact(revision=event.revision, due_at=None))


def _turn(case: IncidentCase, event: ClockSet | ClockStopped, fact: ClockFact) -> None:
    known = case.clocks.get(str(event.clock_id))
    if known is None or fact.revision > known.revision:
        case.clocks[str(event.clock_id)] = fact


def _blocker_raised(case: IncidentCase, event: BlockerRaised) -> None:
    case.blockers.setdefault(str(event.blocker_id), True)


def _blocker_lifted(case: IncidentCase, event: BlockerLifted) -> None:
    # Stays False whichever of the two came first: a blocker is raised once.
    case.blockers[str(event.blocker_id)] = False


def _escalation_requested(case: IncidentCase, event: IncidentEscalationRequested) -> None:
    want(case, str(event.run_id), event.step, event.role)


def want(case: IncidentCase, run_id: str, step: int, role: Role) -> None:
    """A ladder wants a rung called. A lower step than is known changes nothing."""
    ladder = case.ladders.setdefault(run_id, LadderFact())
    if step > ladder.step:
        ladder.step, ladder.role = step, role


def _escalation_acknowledged(case: IncidentCase, event: EscalationAcknowledged) -> None:
    run_id = str(event.run_id)
    case.ladders.setdefault(run_id, LadderFact()).answered = True
    case.notices = {i: notice for i, notice in case.notices.items() if notice.run_id != run_id}


def _withdrawn(case: IncidentCase, _: IncidentWithdrawn) -> None:
    case.ended = Stage.WITHDRAWN


def _duplicate(case: IncidentCase, _: IncidentMarkedDuplicate) -> None:
    case.ended = Stage.DUPLICATE


def _reopened(case: IncidentCase, event: IncidentReopened) -> None:
    if event.cycle > case.position.cycle:
        case.position = Position(cycle=event.cycle, stage=event.stage)


def _review_opened(case: Case, event: ReviewOpened) -> None:
    facts = case.facts(event.cycle)
    if event.deepened and (facts.deepened is None or event.revision > facts.deepened.revision):
        facts.deepened = ReviewClockFact(revision=event.revision, due_at=event.due_at, lead_role=event.lead_role)


def _review_approved(case: Case, event: ReviewApproved) -> None:
    case.facts(event.cycle).review = ReviewFact(
        actions_needed=event.actions_needed, briefing_needed=event.briefing_needed
    )


def _action(case: Case, event: Any) -> ActionFact:
    return case.facts(event.cycle).actions.setdefault(str(event.action_id), ActionFact(cycle=event.cycle))


def _action_opened(case: Case, event: ActionOpened) -> None:
    action = _action(case, event)
    if action.handover == 0:
        action.owner_role = event.owner_role
    if action.due_at is None:
        action.due_at, action.remind_at = event.due_at, event.remind_at


def _action_done(case: Case, event: ActionDone) -> None:
    action = _action(case, event)
    if event.attempt > action.attempt and not action.finished:
        action.attempt, action.status, action.verify_due_at = event.attempt, "done", event.verify_due_at
        action.verify_remind_at, action.verify_remind_role = event.remind_at, event.remind_role


def _action_returned(case: Case, event: ActionReturned) -> None:
    action = _action(case, event)
    # An attempt that was returned ranks above the same attempt when done, below the next.
    if event.attempt >= action.attempt and not action.finished:
        action.attempt, action.status, action.due_at = event.attempt, "open", event.due_at
        action.remind_at = event.remind_at
        case.failed[str(event.action_id)] = event.attempt
        _extend(action)


def _action_extended(case: Case, event: ActionExtended) -> None:
    action = _action(case, event)
    if event.extension > action.extension:
        action.extension = event.extension
        action.extended = (event.attempt, event.due_at, event.remind_at)
        _extend(action)


def _extend(action: ActionFact) -> None:
    """The newest extension counts unless the action was returned since: that gave a new time of its own."""
    if action.extended is not None and action.extended[0] > action.attempt - (action.status == "done"):
        _, action.due_at, action.remind_at = action.extended


def _action_handed_over(case: Case, event: ActionHandedOver) -> None:
    action = _action(case, event)
    if event.handover > action.handover:
        action.handover, action.owner_role = event.handover, event.owner_role


def _action_verified(case: Case, event: ActionVerified) -> None:
    _action(case, event).status = "verified"
    if event.recheck is not None:
        _plan_recheck(case, event.cycle, event.action_id, event.recheck)
    _complete(case.facts(event.cycle), event.cycle_complete, event.checkpoints)


def _plan_recheck(case: Case, cycle: int, action_id: UUID, planned: PlannedRecheck) -> None:
    _recheck(case, cycle, action_id, planned.recheck_id).due_at = planned.due_at


def _recheck(case: Case, cycle: int, action_id: UUID, recheck_id: UUID) -> RecheckFact:
    known = case.facts(cycle).rechecks
    return known.setdefault(str(recheck_id), RecheckFact(recheck_id=recheck_id, action_id=action_id))


def _rechecked(case: Case, event: ActionRechecked) -> None:
    _recheck(case, event.cycle, event.action_id, event.recheck_id).holds = event.holds
    if event.following is not None:
        _plan_recheck(case, event.cycle, event.action_id, event.following)


def _action_cancelled(case: Case, event: ActionCancelled) -> None:
    _action(case, event).status = "cancelled"
    _complete(case.facts(event.cycle), event.cycle_complete, event.checkpoints)


def _complete(facts: CycleFacts, complete: bool, checkpoints: list[PlannedCheckpoint]) -> None:
    if complete:
        facts.actions_complete = True
        for planned in checkpoints:
            _plan(facts, planned)


def _plan(facts: CycleFacts, planned: PlannedCheckpoint) -> None:
    _checkpoint(facts, planned.checkpoint_id).due_at = planned.due_at


def _checkpoint(facts: CycleFacts, checkpoint_id: UUID) -> CheckpointFact:
    for known in facts.checkpoints:
        if known.checkpoint_id == checkpoint_id:
            return known
    facts.checkpoints.append(CheckpointFact(checkpoint_id=checkpoint_id))
    return facts.checkpoints[-1]


def _briefing_reached(case: Case, event: BriefingReached) -> None:
    case.facts(event.cycle).briefing_reached = True


def _judged(case: Case, event: ImpactJudged) -> None:
    facts = case.facts(event.cycle)
    if event.next_checkpoint is not None:
        _plan(facts, event.next_checkpoint)
    checkpoint = _checkpoint(facts, event.checkpoint_id)
    checkpoint.verdict, checkpoint.reopen_at = event.verdict, event.reopen_at


_ESCALATION = ClockKind.ESCALATION
_Known = dict[str, tuple[type[EventData], Callable[[Any, Any], None]]]

_LEARN_OF_WORK: _Known = {
    ReviewApproved.TYPE: (ReviewApproved, _review_approved),
    ActionOpened.TYPE: (ActionOpened, _action_opened),
    ActionDone.TYPE: (ActionDone, _action_done),
    ActionReturned.TYPE: (ActionReturned, _action_returned),
    ActionExtended.TYPE: (ActionExtended, _action_extended),
    ActionHandedOver.TYPE: (ActionHandedOver, _action_handed_over),
    ActionRechecked.TYPE: (ActionRechecked, _rechecked),
    ActionVerified.TYPE: (ActionVerified, _action_verified),
    ActionCancelled.TYPE: (ActionCancelled, _action_cancelled),
    BriefingReached.TYPE: (BriefingReached, _briefing_reached),
    ImpactJudged.TYPE: (ImpactJudged, _judged),
}
"""Of the work that follows from any case."""

_LEARN: _Known = {
    IncidentReported.TYPE: (IncidentReported, _reported),
    IncidentTriaged.TYPE: (IncidentTriaged, _triaged),
    IncidentWithdrawn.TYPE: (IncidentWithdrawn, _withdrawn),
    IncidentMarkedDuplicate.TYPE: (IncidentMarkedDuplicate, _duplicate),
    IncidentReopened.TYPE: (IncidentReopened, _reopened),
    ReviewOpened.TYPE: (ReviewOpened, _review_opened),
    ClockSet.TYPE: (ClockSet, _clock_set),
    ClockStopped.TYPE: (ClockStopped, _clock_stopped),
    BlockerRaised.TYPE: (BlockerRaised, _blocker_raised),
    BlockerLifted.TYPE: (BlockerLifted, _blocker_lifted),
    IncidentEscalationRequested.TYPE: (IncidentEscalationRequested, _escalation_requested),
    EscalationAcknowledged.TYPE: (EscalationAcknowledged, _escalation_acknowledged),
    **_LEARN_OF_WORK,
}

_LEARN_OF_THEME: _Known = {
    ThemeCommissioned.TYPE: (ThemeCommissioned, _commissioned),
    ThemeAccepted.TYPE: (ThemeAccepted, _accepted),
    ThemeEnded.TYPE: (ThemeEnded, _theme_ended),
    **_LEARN_OF_WORK,
}

NEEDED = frozenset(_LEARN)
"""The types of event that an incident's process waits for; the router hands on these."""

NEEDED_OF_THEME = frozenset(_LEARN_OF_THEME)
"""The same for a theme's."""
