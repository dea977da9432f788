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
    ActionOpened,
    ActionReturned,
    ActionVerified,
    ImpactJudged,
    PlannedCheckpoint,
)
from services.contracts.event import EventData
from services.contracts.intake import (
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
from services.contracts.review import BriefingReached, ReviewApproved
from services.contracts.taxonomy import ClockKind, Role, Stage
from workflows.messages import (
    ActionFact,
    CheckpointFact,
    ClockFact,
    CycleFacts,
    IncidentCase,
    LadderFact,
    Position,
    ReportFact,
    ReviewFact,
    RoutedEvent,
    TriageFact,
)


def learn(case: IncidentCase, event: RoutedEvent) -> None:
    """Take an event into the case. An event that was seen, or that the process does not need, changes nothing."""
    if event.event_id in case.seen or event.type not in _LEARN:
        return
    case.seen.append(event.event_id)
    model, apply = _LEARN[event.type]
    apply(case, model.model_validate(event.data))


def _reported(case: IncidentCase, event: IncidentReported) -> None:
    case.report = ReportFact(
        location_id=event.location_id,
        region_id=event.region_id,
        kind=event.kind,
        category=event.category,
        immediate_danger=event.immediate_danger,
        triage_due_at=event.triage_due_at,
    )


def _triaged(case: IncidentCase, event: IncidentTriaged) -> None:
    if case.triage is None or event.revision > case.triage.revision:
        case.triage = TriageFact(actual_harm=event.actual_harm, band=event.band, revision=event.revision)


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


def _review_approved(case: IncidentCase, event: ReviewApproved) -> None:
    case.facts(event.cycle).review = ReviewFact(
        actions_needed=event.actions_needed, briefing_needed=event.briefing_needed
    )


def _action(case: IncidentCase, event: Any) -> ActionFact:
    return case.facts(event.cycle).actions.setdefault(str(event.action_id), ActionFact(cycle=event.cycle))


def _action_opened(case: IncidentCase, event: ActionOpened) -> None:
    action = _action(case, event)
    action.owner_role = event.owner_role
    if action.due_at is None:
        action.due_at = event.due_at


def _action_done(case: IncidentCase, event: ActionDone) -> None:
    action = _action(case, event)
    if event.attempt > action.attempt and not action.finished:
        action.attempt, action.status, action.verify_due_at = event.attempt, "done", event.verify_due_at


def _action_returned(case: IncidentCase, event: ActionReturned) -> None:
    action = _action(case, event)
    # An attempt that was returned ranks above the same attempt when done, below the next.
    if event.attempt >= action.attempt and not action.finished:
        action.attempt, action.status, action.due_at = event.attempt, "open", event.due_at
        case.failed[str(event.action_id)] = event.attempt


def _action_verified(case: IncidentCase, event: ActionVerified) -> None:
    _action(case, event).status = "verified"
    _complete(case.facts(event.cycle), event.cycle_complete, event.checkpoints)


def _action_cancelled(case: IncidentCase, event: ActionCancelled) -> None:
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


def _briefing_reached(case: IncidentCase, event: BriefingReached) -> None:
    case.facts(event.cycle).briefing_reached = True


def _judged(case: IncidentCase, event: ImpactJudged) -> None:
    facts = case.facts(event.cycle)
    if event.next_checkpoint is not None:
        _plan(facts, event.next_checkpoint)
    _checkpoint(facts, event.checkpoint_id).verdict = event.verdict


_ESCALATION = ClockKind.ESCALATION
_Learn = Callable[[IncidentCase, Any], None]

_LEARN: dict[str, tuple[type[EventData], _Learn]] = {
    IncidentReported.TYPE: (IncidentReported, _reported),
    IncidentTriaged.TYPE: (IncidentTriaged, _triaged),
    IncidentWithdrawn.TYPE: (IncidentWithdrawn, _withdrawn),
    IncidentMarkedDuplicate.TYPE: (IncidentMarkedDuplicate, _duplicate),
    IncidentReopened.TYPE: (IncidentReopened, _reopened),
    ClockSet.TYPE: (ClockSet, _clock_set),
    ClockStopped.TYPE: (ClockStopped, _clock_stopped),
    BlockerRaised.TYPE: (BlockerRaised, _blocker_raised),
    BlockerLifted.TYPE: (BlockerLifted, _blocker_lifted),
    IncidentEscalationRequested.TYPE: (IncidentEscalationRequested, _escalation_requested),
    EscalationAcknowledged.TYPE: (EscalationAcknowledged, _escalation_acknowledged),
    ReviewApproved.TYPE: (ReviewApproved, _review_approved),
    ActionOpened.TYPE: (ActionOpened, _action_opened),
    ActionDone.TYPE: (ActionDone, _action_done),
    ActionReturned.TYPE: (ActionReturned, _action_returned),
    ActionVerified.TYPE: (ActionVerified, _action_verified),
    ActionCancelled.TYPE: (ActionCancelled, _action_cancelled),
    BriefingReached.TYPE: (BriefingReached, _briefing_reached),
    ImpactJudged.TYPE: (ImpactJudged, _judged),
}

NEEDED = frozenset(_LEARN)
"""The types of event that the process waits for; the router hands on these."""
