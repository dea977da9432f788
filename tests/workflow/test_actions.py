"""What the process does for actions beside the stages: more time, a reminder before, and a second look later."""

import uuid
from datetime import timedelta

import pytest
from temporalio.testing import WorkflowEnvironment

from services.contracts import activities as contract
from services.contracts.actions import (
    ActionCancelled,
    ActionDone,
    ActionExtended,
    ActionHandedOver,
    ActionOpened,
    ActionRechecked,
    ActionVerified,
    PlannedCheckpoint,
    PlannedRecheck,
)
from services.contracts.taxonomy import Role, Stage, Verdict
from tests.workflow.conftest import Case, Running

pytestmark = pytest.mark.anyio


async def to_acting(case: Case) -> None:
    """A review is approved and the action open, to be done in 28 days."""
    await case.reported()
    await case.triaged()
    await case.entered("1:reviewing")
    await case.approved(briefing=False)
    await case.entered("1:acting")


async def test_more_time_moves_the_clock_and_the_reminder(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        await to_acting(case)
        began = await skipping.get_current_time()
        await case.tell(
            ActionExtended(
                incident_id=case.id, action_id=case.services.actions[0], cycle=1, attempt=1, extension=1,
                due_at=began + timedelta(days=60), remind_at=began + timedelta(days=50),
            )
        )  # fmt: skip
        await case.tell(
            ActionHandedOver(
                incident_id=case.id, action_id=case.services.actions[0], cycle=1, owner_role=Role.DIRECTOR, handover=1
            )
        )
        await skipping.sleep(timedelta(days=49))
        assert contract.REMIND not in case.services.names(), "the first clock ran until day 28"
        assert contract.REMIND_OWNER not in case.services.names()
        await skipping.sleep(timedelta(days=2))
        await case.until(lambda: contract.DELIVER_NOTICE in case.services.names(), "the owner told")
        [notice] = case.services.all(contract.DELIVER_NOTICE)
        assert (notice.path, notice.urgent) == (f"/actions/{case.services.actions[0]}", False)
        await skipping.sleep(timedelta(days=10))
        await case.until(lambda: contract.REMIND in case.services.names(), "late by the new clock")
        assert case.services.all(contract.REMIND)[0].next_move is Role.DIRECTOR
        assert len(case.services.all(contract.REMIND_OWNER)) == 1


async def test_who_can_verify_is_reminded_before_it_is_due_and_not_once_it_is_verified(
    skipping: WorkflowEnvironment,
) -> None:
    async with Running(skipping) as case:
        case.services.actions.append(uuid.uuid4())
        await to_acting(case)
        began = await skipping.get_current_time()
        for action, days in zip(case.services.actions, (11, 12), strict=True):
            await case.tell(
                ActionDone(
                    incident_id=case.id, action_id=action, cycle=1, attempt=1, evidence_count=1,
                    verify_due_at=began + timedelta(days=14), remind_at=began + timedelta(days=days),
                    remind_role=Role.SAFEGUARDING_LEAD,
                )
            )  # fmt: skip
        await skipping.sleep(timedelta(days=10))
        assert contract.REMIND_VERIFIER not in case.services.names()
        await skipping.sleep(timedelta(days=1, hours=12))
        await case.until(lambda: contract.DELIVER_NOTICE in case.services.names(), "somebody told")
        [reminder] = case.services.all(contract.REMIND_VERIFIER)
        assert (reminder.action_id, reminder.people[1:]) == (
            case.services.actions[0], [one.person_id for one in case.services.others],
        )  # fmt: skip
        assert case.services.all(contract.RESOLVE_ON_CALL)[-1].role is Role.SAFEGUARDING_LEAD
        [notice] = case.services.all(contract.DELIVER_NOTICE)
        assert (notice.person_id, notice.path, notice.urgent) == (
            reminder.people[-1], f"/actions/{case.services.actions[0]}", False,
        )  # fmt: skip
        await one_verified(case, 1)
        await case.until(lambda: statuses(case, "done", "verified"), "verified")
        await skipping.sleep(timedelta(days=2))
        assert len(case.services.all(contract.REMIND_VERIFIER)) == 1
        assert contract.REMIND_OWNER not in case.services.names()


async def verified(case: Case) -> tuple[uuid.UUID, uuid.UUID]:
    """The action is verified, measured after 30 days and looked at again after 60: (checkpoint, second look)."""
    await to_acting(case)
    await case.done()
    await case.entered("1:verifying")
    at = await case.env.get_current_time()
    checkpoint, recheck = uuid.uuid4(), uuid.uuid4()
    await case.tell(
        ActionVerified(
            incident_id=case.id, action_id=case.services.actions[0], cycle=1, attempt=1, cycle_complete=True,
            checkpoints=[PlannedCheckpoint(checkpoint_id=checkpoint, due_at=at + timedelta(days=30))],
            recheck=PlannedRecheck(recheck_id=recheck, due_at=at + timedelta(days=60)),
        )
    )  # fmt: skip
    await case.entered("1:checking_impact")
    await case.env.sleep(timedelta(days=31))
    await case.until(lambda: contract.MEASURE_CHECKPOINT in case.services.names(), "measured")
    await case.judged(checkpoint, Verdict.SUSTAINED)
    await case.env.sleep(timedelta(days=28))
    assert "1:closed" not in case.services.stages(), "the second look is still to come"
    await case.env.sleep(timedelta(days=2))
    await case.until(lambda: contract.ASK_RECHECK in case.services.names(), "asked to look again")
    return checkpoint, recheck


async def test_it_does_not_close_before_the_second_look(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        _, recheck = await verified(case)
        await case.env.sleep(timedelta(days=15))
        await case.until(lambda: contract.REQUEST_ESCALATION in case.services.names(), "nobody looked")
        await case.tell(
            ActionRechecked(
                incident_id=case.id, action_id=case.services.actions[0], cycle=1, recheck_id=recheck, holds=True,
                following=None,
            )
        )  # fmt: skip
        await case.entered("1:closed")


async def test_what_does_not_hold_any_more_begins_another_cycle(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        _, recheck = await verified(case)
        await case.tell(
            ActionRechecked(
                incident_id=case.id, action_id=case.services.actions[0], cycle=1, recheck_id=recheck, holds=False,
                following=None,
            )
        )  # fmt: skip
        await case.entered("2:reviewing")
        assert "1:closed" not in case.services.stages()


async def two_actions(case: Case) -> None:
    """The first is done after a day, so it is to be verified until day 15; the other may take until day 28."""
    case.services.actions.append(uuid.uuid4())
    await to_acting(case)
    await case.env.sleep(timedelta(days=1))
    await case.done()
    await case.until(lambda: statuses(case, "done", "open"), "the first is done")


async def statuses(case: Case, *wanted: str) -> bool:
    """Whether the process knows the actions to be so far."""
    known = (await case.handle.query("case"))["cycles"]["1"]["actions"]
    return [known[str(one)]["status"] for one in case.services.actions] == list(wanted)


async def one_verified(case: Case, index: int, *, complete: bool = False) -> None:
    """One of several is verified."""
    await case.tell(
        ActionVerified(
            incident_id=case.id, action_id=case.services.actions[index], cycle=1, attempt=1, cycle_complete=complete,
            checkpoints=[],
        )
    )  # fmt: skip


async def test_a_verification_that_is_late_rings_while_another_action_is_open(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        await two_actions(case)
        await skipping.sleep(timedelta(days=13, hours=12))
        assert contract.REMIND not in case.services.names()
        await skipping.sleep(timedelta(days=1))
        await case.until(lambda: contract.REMIND in case.services.names(), "the verification is late on day 15")
        [reminder] = case.services.all(contract.REMIND)
        assert (reminder.stage, reminder.next_move, reminder.count) == (Stage.ACTING, Role.QUALITY_LEAD, 1)
        await one_verified(case, 0)
        await case.until(lambda: statuses(case, "verified", "open"), "verified")
        rung = len(case.services.all(contract.REMIND))
        await skipping.sleep(timedelta(days=12))
        assert len(case.services.all(contract.REMIND)) == rung, "nothing is late before day 28"
        await skipping.sleep(timedelta(days=1))
        await case.until(lambda: len(case.services.all(contract.REMIND)) > rung, "the other one is late")
        assert case.services.all(contract.REMIND)[-1].next_move is Role.REGISTERED_MANAGER


async def test_the_clock_of_verifying_is_of_what_is_still_to_be_verified(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        await two_actions(case)
        await skipping.sleep(timedelta(days=9))
        await case.done(index=1)
        await case.entered("1:verifying")
        await one_verified(case, 0)
        await case.until(lambda: statuses(case, "verified", "done"), "the first is verified")
        await skipping.sleep(timedelta(days=13))
        assert contract.REMIND not in case.services.names(), "what was due on day 15 is verified"
        await skipping.sleep(timedelta(days=2))
        await case.until(lambda: contract.REMIND in case.services.names(), "the other one was to be verified by day 24")
        await one_verified(case, 1, complete=True)
        await case.entered("1:closed")


async def test_two_incidents_with_one_action_go_on_together(skipping: WorkflowEnvironment) -> None:
    """The second has no action of its own: what it waits for was agreed for the first."""
    async with Running(skipping) as first:
        second = Case(first.env, first.services, first.task_queue)
        second.services.actions = []
        await to_acting(second)
        shared, at = uuid.uuid4(), await skipping.get_current_time()
        first.services.actions = [shared]
        await first.reported()
        await first.triaged()
        await first.approved(briefing=False)
        await first.until(lambda: first.services.stages().count("1:acting") == 2, "both are acting")
        for case in (first, second):
            event = ActionOpened(
                incident_id=case.id, action_id=shared, cycle=1, owner_role=Role.REGISTERED_MANAGER,
                due_at=at + timedelta(days=28), late=True, served=case is second,
            )  # fmt: skip
            await case.tell(event)
        await skipping.sleep(timedelta(days=20))
        assert contract.REMIND not in first.services.names(), "something is agreed for both"
        for case in (first, second):
            await case.done()
        await first.until(lambda: first.services.stages().count("1:verifying") == 2, "both are verified")
        for case in (first, second):
            await case.verified()
        await first.until(lambda: first.services.stages().count("1:checking_impact") == 2, "both are measured")


async def test_what_was_cancelled_for_another_is_missed_here_at_once(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        await to_acting(case)
        await case.tell(
            ActionCancelled(
                incident_id=case.id, action_id=case.services.actions[0], cycle=1, cycle_complete=False, checkpoints=[],
                served=True,
            )
        )  # fmt: skip
        await case.until(lambda: contract.REMIND in case.services.names(), "somebody hears that nothing is left")
        [reminder, *_] = case.services.all(contract.REMIND)
        assert (reminder.stage, reminder.next_move) == (Stage.ACTING, Role.REGISTERED_MANAGER)
        assert "1:verifying" not in case.services.stages()
        case.services.actions.append(uuid.uuid4())
        at = await skipping.get_current_time()
        await case.tell(
            ActionOpened(
                incident_id=case.id, action_id=case.services.actions[1], cycle=1, owner_role=Role.REGISTERED_MANAGER,
                due_at=at + timedelta(days=28), late=True,
            )
        )  # fmt: skip
        await case.done(index=1)
        await case.entered("1:verifying")
