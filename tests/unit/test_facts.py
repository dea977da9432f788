"""What the process knows does not depend on the order in which it became known, nor on how often it was told."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.actions import (
    ActionCancelled,
    ActionDone,
    ActionExtended,
    ActionHandedOver,
    ActionOpened,
    ActionRechecked,
    ActionReturned,
    ActionVerified,
    CheckpointMeasured,
    ImpactJudged,
    PlannedCheckpoint,
    PlannedRecheck,
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
from services.contracts.review import BriefingReached, ReviewApproved, ReviewOpened
from services.contracts.taxonomy import (
    Band,
    BlockerKind,
    Category,
    ClockKind,
    EscalationReason,
    Kind,
    PhysicalHarm,
    ReviewMethod,
    Role,
    Stage,
    Verdict,
)
from services.contracts.topics import EVENTS
from workflows.facts import NEEDED, learn
from workflows.messages import ActionFact, IncidentCase, RoutedEvent

INCIDENT = uuid.UUID("0190aaaa-0000-7000-8000-000000000001")
PROVIDER = uuid.UUID("0190aaaa-0000-7000-8000-000000000002")
LOCATION = uuid.UUID("0190aaaa-0000-7000-8000-000000000003")
AT = datetime(2026, 6, 8, 9, tzinfo=UTC)


def of(number: int) -> uuid.UUID:
    return uuid.UUID(int=number)


def days(number: int) -> datetime:
    return AT + timedelta(days=number)


def triaged(revision: int, band: Band) -> IncidentTriaged:
    return IncidentTriaged(
        incident_id=INCIDENT, cycle=1, actual_harm=PhysicalHarm.LOW, consequence=2, likelihood=2, score=4, band=band,
        by_default=False, rule="otherwise", policy_version="t", overridden=False, revision=revision,
    )  # fmt: skip


def requested(run: int, step: int, role: Role) -> IncidentEscalationRequested:
    return IncidentEscalationRequested(
        incident_id=INCIDENT, run_id=of(run), step=step, level=step, role=role, reason=EscalationReason.HIGH_RISK,
        rule="high-risk", policy_version="t",
    )  # fmt: skip


def approved(cycle: int, *, actions: bool = True, briefing: bool = True) -> ReviewApproved:
    return ReviewApproved(
        incident_id=INCIDENT, review_id=of(cycle), cycle=cycle, factors=[], learning_count=1, actions_needed=actions,
        briefing_needed=briefing,
    )  # fmt: skip


def deepened(revision: int, due: int) -> ReviewOpened:
    return ReviewOpened(
        incident_id=INCIDENT, review_id=of(1), cycle=1, method=ReviewMethod.STRUCTURED, lead_role=Role.REGIONAL_MANAGER,
        due_at=days(due), rule="safeguarding", policy_version="t", revision=revision, deepened=True,
    )  # fmt: skip


def opened(action: int, *, cycle: int = 1, due: int) -> ActionOpened:
    return ActionOpened(
        incident_id=INCIDENT, action_id=of(action), cycle=cycle, owner_role=Role.REGISTERED_MANAGER, due_at=days(due),
        late=True,
    )  # fmt: skip


def done(action: int, attempt: int, *, cycle: int = 1, verify: int) -> ActionDone:
    return ActionDone(
        incident_id=INCIDENT, action_id=of(action), cycle=cycle, attempt=attempt, evidence_count=1,
        verify_due_at=days(verify),
    )  # fmt: skip


def returned(action: int, attempt: int, *, cycle: int = 1, due: int) -> ActionReturned:
    return ActionReturned(incident_id=INCIDENT, action_id=of(action), cycle=cycle, attempt=attempt, due_at=days(due))


def extended(action: int, extension: int, *, attempt: int, due: int) -> ActionExtended:
    return ActionExtended(
        incident_id=INCIDENT, action_id=of(action), cycle=1, attempt=attempt, extension=extension, due_at=days(due),
        remind_at=days(due - 3),
    )  # fmt: skip


def planned(number: int, due: int) -> PlannedCheckpoint:
    return PlannedCheckpoint(checkpoint_id=of(number), due_at=days(due))


def judged(
    checkpoint: int, verdict: Verdict, *, cycle: int, following: PlannedCheckpoint | None = None
) -> ImpactJudged:
    return ImpactJudged(
        incident_id=INCIDENT, checkpoint_id=of(checkpoint), cycle=cycle, verdict=verdict, agreed_with_proposal=True,
        next_checkpoint=following,
    )  # fmt: skip


def verified(action: int, attempt: int, *plan: PlannedCheckpoint, cycle: int = 1) -> ActionVerified:
    return ActionVerified(
        incident_id=INCIDENT, action_id=of(action), cycle=cycle, attempt=attempt, cycle_complete=bool(plan),
        checkpoints=list(plan),
    )  # fmt: skip


LIFE: Sequence[EventData] = (
    IncidentReported(
        incident_id=INCIDENT, location_id=LOCATION, region_id=None, kind=Kind.INCIDENT, category=Category.MEDICATION,
        occurred_at=AT, reported_at=AT, immediate_danger=False, triage_due_at=days(1),
    ),
    triaged(1, Band.LOW),
    ClockSet(incident_id=INCIDENT, clock_id=of(81), kind=ClockKind.OBLIGATION, revision=1, due_at=days(2)),
    ClockSet(incident_id=INCIDENT, clock_id=of(81), kind=ClockKind.OBLIGATION, revision=2, due_at=days(3)),
    ClockStopped(incident_id=INCIDENT, clock_id=of(81), kind=ClockKind.OBLIGATION, revision=3),
    ClockSet(incident_id=INCIDENT, clock_id=of(82), kind=ClockKind.ESCALATION, revision=1, due_at=days(2)),
    IncidentEscalationRequested(
        incident_id=INCIDENT, run_id=of(71), step=1, level=2, role=Role.REGISTERED_MANAGER,
        reason=EscalationReason.HIGH_RISK, rule="r", policy_version="p",
    ),
    EscalationAcknowledged(incident_id=INCIDENT, escalation_id=of(72), level=2, run_id=of(71), answers=[of(72)]),
    BlockerRaised(incident_id=INCIDENT, blocker_id=of(91), kind=BlockerKind.CANDOUR),
    BlockerRaised(incident_id=INCIDENT, blocker_id=of(92), kind=BlockerKind.OBLIGATION),
    BlockerLifted(incident_id=INCIDENT, blocker_id=of(92), kind=BlockerKind.OBLIGATION),
    deepened(2, 8),
    deepened(3, 9),
    triaged(2, Band.HIGH),
    # One ladder climbs and is answered, another waits on its second rung.
    requested(71, 1, Role.REGISTERED_MANAGER),
    requested(71, 2, Role.REGIONAL_MANAGER),
    EscalationAcknowledged(incident_id=INCIDENT, escalation_id=of(79), level=2, run_id=of(71), answers=[of(79)]),
    requested(72, 1, Role.SHIFT_LEAD),
    requested(72, 2, Role.ON_CALL_MANAGER),
    approved(1),
    # One action passes at its second attempt, one is cancelled, one was agreed late and is still open.
    opened(11, due=30),
    done(11, 1, verify=44),
    returned(11, 1, due=50),
    done(11, 2, verify=60),
    opened(12, due=30),
    ActionCancelled(incident_id=INCIDENT, action_id=of(12), cycle=1, cycle_complete=False, checkpoints=[]),
    verified(11, 2, planned(21, 90), planned(22, 150)),
    BriefingReached(incident_id=INCIDENT, briefing_id=of(31), cycle=1, reach_percent=80),
    judged(21, Verdict.CANNOT_JUDGE, cycle=1, following=planned(22, 150)),
    judged(22, Verdict.SUSTAINED, cycle=1),
    # A third of the same cycle: more time, returned, more time again, another owner; verified, and it did not last.
    opened(16, due=30),
    extended(16, 1, attempt=1, due=35),
    extended(16, 2, attempt=1, due=40),
    ActionHandedOver(incident_id=INCIDENT, action_id=of(16), cycle=1, owner_role=Role.SHIFT_LEAD, handover=1),
    done(16, 1, verify=44),
    returned(16, 1, due=50),
    extended(16, 3, attempt=2, due=55),
    ActionHandedOver(incident_id=INCIDENT, action_id=of(16), cycle=1, owner_role=Role.QUALITY_LEAD, handover=2),
    opened(17, due=30),
    extended(17, 1, attempt=1, due=33),
    done(17, 1, verify=44),
    returned(17, 1, due=50),
    done(18, 1, verify=44),
    ActionVerified(
        incident_id=INCIDENT, action_id=of(18), cycle=1, attempt=1, cycle_complete=False, checkpoints=[],
        recheck=PlannedRecheck(recheck_id=of(41), due_at=days(100)),
    ),
    ActionRechecked(
        incident_id=INCIDENT, action_id=of(18), cycle=1, recheck_id=of(41), holds=True,
        following=PlannedRecheck(recheck_id=of(42), due_at=days(120)),
    ),
    ActionRechecked(incident_id=INCIDENT, action_id=of(18), cycle=1, recheck_id=of(42), holds=False, following=None),
    # It happened again: a person reopened it, twice.
    IncidentReopened(incident_id=INCIDENT, cycle=2, stage=Stage.REVIEWING),
    approved(2, briefing=False),
    opened(13, cycle=2, due=200),
    done(13, 1, cycle=2, verify=214),
    verified(13, 1, planned(23, 260), cycle=2),
    judged(23, Verdict.IMPROVING, cycle=2, following=planned(24, 320)),
    IncidentReopened(incident_id=INCIDENT, cycle=3, stage=Stage.ACTING),
    opened(14, cycle=3, due=400),
    done(14, 1, cycle=3, verify=414),
    returned(14, 1, cycle=3, due=420),
    opened(15, cycle=3, due=401),
)  # fmt: skip
TOLD = [
    RoutedEvent(event_id=str(of(1000 + number)), type=event.TYPE, data=event.model_dump(mode="json"))
    for number, event in enumerate(LIFE)
]


def after(events: Sequence[RoutedEvent]) -> IncidentCase:
    case = IncidentCase(incident_id=INCIDENT, provider_id=PROVIDER)
    for event in events:
        learn(case, event)
    return case


def acted_on(action: ActionFact) -> Any:
    """What a stage looks at: the clock of an open action, that of a done one, neither of a finished one."""
    match action.status:
        case "open":
            return ("open", action.owner_role, action.due_at, action.remind_at)
        case "done":
            return ("done", action.verify_due_at)
        case status:
            return (status,)


def known(case: IncidentCase) -> dict[str, Any]:
    """Everything that the process decides by. What it is about to do (calls, notices) it empties itself."""
    return {
        "report": case.report,
        "triage": case.triage,
        "ended": case.ended,
        "at": (case.position.cycle, case.position.stage),
        "clocks": case.clocks,
        "blockers": case.blockers,
        "ladders": {run_id: (one.step, one.role, one.answered) for run_id, one in case.ladders.items()},
        "cycles": {
            number: {
                "review": facts.review,
                "actions": {action_id: acted_on(action) for action_id, action in facts.actions.items()},
                "complete": facts.actions_complete,
                "rechecks": {one: (r.due_at, r.holds) for one, r in facts.rechecks.items()},
                "briefing": facts.briefing_reached,
                "checkpoints": {one.checkpoint_id: (one.due_at, one.verdict) for one in facts.checkpoints},
            }
            for number, facts in case.cycles.items()
        },
    }


ORDERS = st.permutations(TOLD).flatmap(
    lambda order: st.lists(st.sampled_from(TOLD), max_size=20).map(lambda again: [*order, *again])
)


@given(ORDERS)
def test_any_order_and_any_repetition_lead_to_the_same_facts(events: list[RoutedEvent]) -> None:
    assert known(after(events)) == known(after(TOLD))


@given(st.integers(min_value=0, max_value=len(TOLD)), st.randoms(use_true_random=False))
def test_a_process_that_is_told_all_again_knows_the_same(cut: int, shuffle: Any) -> None:
    """Rebuilding: whatever part it had heard, in whatever order, everything is sent once more."""
    heard = list(TOLD)
    shuffle.shuffle(heard)
    assert known(after([*heard[:cut], *TOLD])) == known(after(TOLD))


@given(st.permutations(TOLD), st.integers(min_value=0, max_value=len(TOLD)))
def test_a_case_carried_over_to_a_new_run_goes_on_the_same(order: list[RoutedEvent], cut: int) -> None:
    carried = IncidentCase.model_validate_json(after(order[:cut]).model_dump_json())
    for event in order[cut:]:
        learn(carried, event)
    assert known(carried) == known(after(TOLD))


def test_the_facts_of_this_life_are_those_one_expects() -> None:
    case = after(TOLD)
    assert case.triage is not None
    assert case.triage.band is Band.HIGH
    assert (case.position.cycle, case.position.stage) == (3, Stage.ACTING)
    first = case.cycles[1]
    assert {a.status for a in first.actions.values()} == {"verified", "cancelled", "open"}
    assert (first.actions[str(of(16))].due_at, first.actions[str(of(16))].owner_role) == (days(55), Role.QUALITY_LEAD)
    assert first.actions[str(of(17))].due_at == days(50)
    assert (first.undone, first.rechecking) == (True, False)
    assert first.actions_complete
    assert first.deepened is not None
    assert (first.deepened.revision, first.deepened.due_at) == (3, days(9))
    assert [one.verdict for one in first.checkpoints] == [Verdict.CANNOT_JUDGE, Verdict.SUSTAINED]
    assert {a.status for a in case.cycles[3].actions.values()} == {"open"}
    assert case.blocked
    assert case.ladders[str(of(71))].answered
    assert case.ladders[str(of(72))].role is Role.ON_CALL_MANAGER
    assert case.clocks[str(of(81))].due_at is None
    assert case.clocks[str(of(82))].urgent


@pytest.mark.parametrize(
    ("event", "stage"),
    [
        (IncidentWithdrawn(incident_id=INCIDENT), Stage.WITHDRAWN),
        (IncidentMarkedDuplicate(incident_id=INCIDENT, duplicate_of=of(7)), Stage.DUPLICATE),
    ],
)
@given(place=st.integers(min_value=0, max_value=len(TOLD)))
def test_an_ending_counts_whenever_it_is_heard(event: EventData, stage: Stage, place: int) -> None:
    ending = RoutedEvent(event_id="end", type=event.TYPE, data=event.model_dump(mode="json"))
    assert after([*TOLD[:place], ending, *TOLD[place:]]).ended is stage


def test_events_that_the_process_does_not_need_leave_no_trace() -> None:
    ignored = set(EVENTS) - NEEDED
    assert CheckpointMeasured.TYPE in ignored
    untouched = IncidentCase(incident_id=INCIDENT, provider_id=PROVIDER)
    assert after([RoutedEvent(event_id=name, type=name, data={}) for name in ignored]) == untouched


def test_every_type_that_is_needed_is_in_the_life_that_is_shuffled() -> None:
    told = {event.TYPE for event in LIFE} | {IncidentWithdrawn.TYPE, IncidentMarkedDuplicate.TYPE}
    assert told == NEEDED
