"""The process of one incident on the time-skipping server: months in seconds."""

import uuid
from datetime import timedelta

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from services.contracts import activities as contract
from services.contracts.actions import PlannedCheckpoint
from services.contracts.intake import (
    BlockerLifted,
    BlockerRaised,
    ClockSet,
    ClockStopped,
    IncidentReopened,
    IncidentWithdrawn,
)
from services.contracts.taxonomy import Band, BlockerKind, ClockKind, Stage, Verdict
from tests.workflow.conftest import Case, Running

pytestmark = pytest.mark.anyio

WHOLE = [
    "1:reviewing", "1:acting", "1:verifying", "1:sharing", "1:checking_impact", "1:closed",
]  # fmt: skip


async def ended(case: Case) -> bool:
    return (await case.handle.describe()).status == WorkflowExecutionStatus.COMPLETED


async def test_ninety_days_from_report_to_closed(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        await case.reported()
        await case.triaged()
        await case.entered("1:reviewing")
        await case.approved()
        await case.entered("1:acting")
        await case.done()
        await case.entered("1:verifying")
        checkpoint = await case.verified(days=90)
        await case.entered("1:sharing")
        await case.reached()
        await case.entered("1:checking_impact")
        assert contract.MEASURE_CHECKPOINT not in case.services.names()
        await skipping.sleep(timedelta(days=91))
        await case.until(lambda: contract.MEASURE_CHECKPOINT in case.services.names(), "measured")
        await case.judged(checkpoint, Verdict.SUSTAINED)
        await case.until(lambda: ended(case), "closed")
        assert case.services.stages() == WHOLE
        assert contract.ESCALATE not in case.services.names()


async def test_nobody_triages_so_the_rule_does(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        await case.reported(triage_hours=24)
        await skipping.sleep(timedelta(hours=23))
        assert contract.DEFAULT_TRIAGE not in case.services.names()
        await skipping.sleep(timedelta(hours=2))
        await case.until(lambda: contract.DEFAULT_TRIAGE in case.services.names(), "default triage")
        await case.triaged(by_default=True)
        await case.entered("1:reviewing")


async def test_overdue_review_reminds_then_goes_up_the_line(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        await case.reported()
        await case.triaged()
        await case.entered("1:reviewing")
        # Half a day off, so that no signal meets a timer at the same instant: the test server may then lose a task.
        await skipping.sleep(timedelta(days=10, hours=12))
        await case.until(lambda: len(case.services.all(contract.REMIND)) >= 3, "reminders")
        reminders = [c.count for c in case.services.all(contract.REMIND)]
        assert reminders == sorted(set(reminders))
        requests = case.services.all(contract.REQUEST_ESCALATION)
        assert {e.reason for e in requests} == {"overdue"}
        assert [e.count for e in requests] == list(range(1, len(requests) + 1))
        await case.approved(actions=False, briefing=False)
        await case.until(lambda: ended(case), "closed")


async def test_a_deepened_review_has_the_clock_and_the_lead_of_its_deeper_method(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        await case.reported()
        await case.triaged()
        await case.entered("1:reviewing")
        due_at = await skipping.get_current_time() + timedelta(days=30, hours=12)
        await case.deepened(due_at, revision=3)
        await case.until(lambda: case.services.stages().count("1:reviewing") == 2, "the new clock")
        await case.deepened(due_at - timedelta(days=29), revision=2)  # late
        first, then = case.services.all(contract.ENTER_STAGE)
        assert (first.next_move, then.next_move, then.due_at) == ("registered_manager", "regional_manager", due_at)
        assert first.command_id != then.command_id
        await skipping.sleep(timedelta(days=30))  # the first clock was seven days
        assert contract.REMIND not in case.services.names()
        await skipping.sleep(timedelta(days=1))
        await case.until(lambda: contract.REMIND in case.services.names(), "reminded by the new clock")
        assert case.services.all(contract.REMIND)[0].next_move == "regional_manager"
        assert case.services.stages().count("1:reviewing") == 2
        await case.approved(actions=False, briefing=False)
        await case.until(lambda: ended(case), "closed")


async def test_the_place_where_it_happened_is_not_called_for_places_that_lag(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        case.services.reminds_by_location = True
        await case.reported()
        await case.triaged()
        await case.entered("1:reviewing")
        await case.approved(actions=False)
        await case.entered("1:sharing")
        await skipping.sleep(timedelta(days=30, hours=12))
        assert {contract.REMIND, contract.REQUEST_ESCALATION}.isdisjoint(case.services.names())
        await case.reached()
        await case.until(lambda: ended(case), "closed")


async def test_returned_verification_goes_back_to_the_owner(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        await case.reported()
        await case.triaged()
        await case.entered("1:reviewing")
        await case.approved(briefing=False)
        await case.entered("1:acting")
        await case.done(attempt=1)
        await case.entered("1:verifying")
        await case.returned(attempt=1)
        await case.until(lambda: case.services.stages().count("1:acting") == 2, "acting again")
        await case.done(attempt=2)
        await case.until(lambda: case.services.stages().count("1:verifying") == 2, "verifying again")
        checkpoint = await case.verified(attempt=2)
        await case.entered("1:checking_impact")
        await skipping.sleep(timedelta(days=31))
        await case.judged(checkpoint, Verdict.SUSTAINED)
        await case.until(lambda: ended(case), "closed")


@pytest.mark.parametrize("verdict", [Verdict.NO_CHANGE, Verdict.WORSE])
async def test_no_effect_opens_a_second_cycle(skipping: WorkflowEnvironment, verdict: Verdict) -> None:
    async with Running(skipping) as case:
        await case.life()
        state = await case.handle.query("case")
        (checkpoint,) = [c["checkpoint_id"] for c in state["cycles"]["1"]["checkpoints"]]
        await skipping.sleep(timedelta(days=31))
        await case.judged(uuid.UUID(checkpoint), verdict)
        await case.entered("2:reviewing")
        assert "1:closed" not in case.services.stages()
        assert [c.cycle for c in case.services.all(contract.OPEN_REVIEW)] == [1, 2]


async def test_no_effect_may_begin_again_at_acting(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        await case.life()
        state = await case.handle.query("case")
        (checkpoint,) = [c["checkpoint_id"] for c in state["cycles"]["1"]["checkpoints"]]
        await skipping.sleep(timedelta(days=31))
        await case.judged(uuid.UUID(checkpoint), Verdict.NO_CHANGE, reopen_at=Stage.ACTING)
        await case.entered("2:acting")
        assert [c.cycle for c in case.services.all(contract.OPEN_REVIEW)] == [1]
        assert [c.cycle for c in case.services.all(contract.OPEN_ACTIONS)] == [1, 2]


async def test_cannot_judge_never_closes(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        await case.life()
        state = await case.handle.query("case")
        (checkpoint,) = [uuid.UUID(c["checkpoint_id"]) for c in state["cycles"]["1"]["checkpoints"]]
        await skipping.sleep(timedelta(days=31))
        following = PlannedCheckpoint(
            checkpoint_id=uuid.uuid4(), due_at=await skipping.get_current_time() + timedelta(days=60)
        )
        await case.judged(checkpoint, Verdict.CANNOT_JUDGE, following=following)
        await skipping.sleep(timedelta(days=61))
        await case.until(lambda: len(case.services.all(contract.MEASURE_CHECKPOINT)) == 2, "second measurement")
        await case.judged(following.checkpoint_id, Verdict.SUSTAINED)
        await case.until(lambda: ended(case), "closed")


async def test_duplicate_early_and_late_events(skipping: WorkflowEnvironment) -> None:
    """Everything arrives before the report, backwards and twice; the chain is walked once."""
    async with Running(skipping) as case:
        checkpoint = await case.verified(days=1)
        await case.judged(checkpoint, Verdict.SUSTAINED)
        await case.reached()
        await case.done()
        await case.approved()
        await case.triaged()
        await case.reported(event_id="same")
        await case.reported(event_id="same")
        await case.until(lambda: ended(case), "closed")
        # What was true before it was asked for needs no wait, and each step was taken once.
        assert case.services.stages() == [s for s in WHOLE if s in case.services.stages()]
        assert len(case.services.all(contract.OPEN_REVIEW)) == 1
        await case.tell(IncidentWithdrawn(incident_id=case.id))  # late: starts a run that learns that it has ended
        await case.until(lambda: ended(case), "still ended")


async def test_withdrawn_ends_at_any_stage(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        await case.reported()
        await case.triaged()
        await case.entered("1:reviewing")
        await case.tell(IncidentWithdrawn(incident_id=case.id))
        await case.until(lambda: ended(case), "ended")
        assert "1:closed" not in case.services.stages()
        assert case.services.names()[-2:] == [contract.END_REVIEW, contract.END_ACTIONS]


async def test_a_lost_process_asks_for_its_events_and_goes_on(skipping: WorkflowEnvironment) -> None:
    """Only a reopening arrives: the process has everything sent again and goes on in the new cycle."""
    async with Running(skipping) as case:
        await case.tell(IncidentReopened(incident_id=case.id, cycle=2, stage=Stage.REVIEWING))
        await skipping.sleep(timedelta(seconds=31))
        await case.until(lambda: "intake.republish" in case.services.names(), "asked again")
        await case.reported()
        await case.triaged()
        await case.entered("2:reviewing")
        await case.approved(cycle=2, actions=False, briefing=False)
        await case.until(lambda: ended(case), "closed")
        assert case.services.stages() == ["2:reviewing", "2:closed"]


async def test_every_task_replays_when_nothing_is_cached(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping, cache=0) as case:
        await case.life()
        state = await case.handle.query("case")
        (checkpoint,) = [uuid.UUID(c["checkpoint_id"]) for c in state["cycles"]["1"]["checkpoints"]]
        await skipping.sleep(timedelta(days=31))
        await case.judged(checkpoint, Verdict.SUSTAINED)
        await case.until(lambda: ended(case), "closed")
        assert case.services.stages() == WHOLE


async def test_what_is_sent_to_temporal_is_encrypted(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        await case.reported()
        history = await case.handle.fetch_history()
        content = b"".join(event.SerializeToString() for event in history.events)
        assert b"medication" not in content
        assert b"binary/encrypted" in content


async def test_harm_found_later_reroutes(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        await case.reported()
        await case.triaged(Band.LOW)
        await case.entered("1:reviewing")
        await case.triaged(Band.HIGH, revision=2)
        await case.until(lambda: len(case.services.all(contract.OPEN_REVIEW)) == 2, "the review opened anew")
        assert [c.band for c in case.services.all(contract.OPEN_REVIEW)] == [Band.LOW, Band.HIGH]
        await case.triaged(Band.LOW, revision=1)  # late: changes nothing
        await case.approved()
        await case.entered("1:acting")
        await case.triaged(Band.EXTREME, revision=3)
        await case.entered("2:reviewing")


async def test_clocks_beside_the_stages_ring_until_they_stop(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        await case.reported()
        now = await skipping.get_current_time()
        clock_id = uuid.uuid4()
        turn = {"incident_id": case.id, "clock_id": clock_id, "kind": ClockKind.OBLIGATION}
        await case.tell(ClockSet(revision=1, due_at=now + timedelta(hours=1), **turn))
        await skipping.sleep(timedelta(hours=4))
        await case.until(lambda: len(case.services.all(contract.RING_CLOCK)) == 3, "rung")
        assert [c.revision for c in case.services.all(contract.RING_CLOCK)] == [1, 2, 3]
        later = await skipping.get_current_time() + timedelta(hours=1)
        await case.tell(ClockSet(revision=6, due_at=later, **turn))
        await case.tell(ClockStopped(revision=7, **turn))
        await case.tell(ClockSet(revision=5, due_at=later, **turn))  # late
        await skipping.sleep(timedelta(hours=3))
        assert len(case.services.all(contract.RING_CLOCK)) == 3


async def test_nothing_closes_while_something_is_undecided(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        await case.reported()
        blocker = {"incident_id": case.id, "blocker_id": uuid.uuid4(), "kind": BlockerKind.OBLIGATION}
        await case.tell(BlockerRaised(**blocker))
        await case.triaged()
        await case.entered("1:reviewing")
        await case.approved(actions=False, briefing=False)
        await skipping.sleep(timedelta(days=2))
        assert "1:closed" not in case.services.stages()
        await case.tell(BlockerLifted(**blocker))
        await case.until(lambda: ended(case), "closed")
