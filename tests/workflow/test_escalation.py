"""The ladder and its notices in the process, on the time-skipping server."""

import uuid
from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from services.contracts import activities as contract
from services.contracts.actions import ActionReturned
from services.contracts.intake import (
    ClockStopped,
    EscalationAcknowledged,
    IncidentEscalationRequested,
    IncidentWithdrawn,
)
from services.contracts.taxonomy import ClockKind, EscalationReason, Role
from tests.workflow.conftest import Case, Running

pytestmark = pytest.mark.anyio


class Ladder:
    """Intake's side of one ladder: each call gets an hour, each ring climbs."""

    def __init__(self, case: Case, *, empty: int = 0, rungs: int = 4) -> None:
        self.case, self.run_id, self.clock_id = case, uuid.uuid4(), uuid.uuid4()
        self.empty, self.rungs, self.revision = empty, rungs, 0
        case.services.escalated = self.escalated
        case.services.rings = 0

    async def wanted(self, step: int = 1, role: Role = Role.SHIFT_LEAD) -> None:
        """Somebody must know now."""
        await self.case.tell(
            IncidentEscalationRequested(
                incident_id=self.case.id, run_id=self.run_id, step=step, level=0, role=role,
                reason=EscalationReason.HIGH_RISK, rule="r", policy_version="p",
            )
        )  # fmt: skip

    def climb(self, step: int) -> contract.Climb:
        """The rung of a step."""
        return contract.Climb(run_id=self.run_id, step=step, role=Role.REGISTERED_MANAGER)

    def escalated(self, command: contract.Escalate) -> contract.Escalated:
        """Nobody on the first rungs, then a clock of an hour that climbs."""
        if command.step <= self.empty:
            return contract.Escalated(climb=self.climb(command.step + 1))
        self.revision += 2
        self.case.services.climbs = [self.climb(command.step + 1)] if command.step < self.rungs else []
        due = self.case.now() + timedelta(hours=1)
        clock = contract.RunningClock(clock_id=self.clock_id, revision=self.revision - 1, due_at=due)
        return contract.Escalated(notify=uuid.uuid5(self.run_id, str(command.step)), clock=clock)

    def steps(self) -> list[int]:
        """The steps that were called."""
        return [c.step for c in self.case.services.all(contract.ESCALATE)]

    async def answered(self) -> None:
        """A person has it."""
        await self.case.tell(
            EscalationAcknowledged(incident_id=self.case.id, escalation_id=uuid.uuid4(), level=0, run_id=self.run_id)
        )
        await self.case.tell(
            ClockStopped(
                incident_id=self.case.id, clock_id=self.clock_id, kind=ClockKind.ESCALATION, revision=self.revision + 5
            )
        )


async def test_unanswered_rungs_climb_without_the_broker(skipping: WorkflowEnvironment) -> None:
    """Only the first request comes by event; each climb is told by the activity that found it."""
    async with Running(skipping) as case:
        ladder = Ladder(case)
        await case.reported(triage_hours=200)
        await ladder.wanted()
        await ladder.wanted()
        await case.until(lambda: ladder.steps() == [1], "the first rung")
        await skipping.sleep(timedelta(minutes=59))
        assert ladder.steps() == [1]
        await skipping.sleep(timedelta(hours=8))
        await case.until(lambda: ladder.steps() == [1, 2, 3, 4], "the top")
        assert [c.role for c in case.services.all(contract.RESOLVE_ON_CALL)][:2] == [
            Role.SHIFT_LEAD, Role.REGISTERED_MANAGER,
        ]  # fmt: skip
        notices = case.services.all(contract.DELIVER_NOTICE)
        assert len({n.notice_id for n in notices}) == 4
        assert all(n.urgent and n.path == f"/escalations/{n.notice_id}" for n in notices)


async def test_the_notice_goes_to_whom_intake_chose(skipping: WorkflowEnvironment) -> None:
    """Directory names who stands on the rung, in order; who may not be called is known to intake alone."""
    chosen = uuid.uuid4()
    async with Running(skipping) as case:
        ladder = Ladder(case)
        case.services.escalated = lambda c: ladder.escalated(c).model_copy(update={"to_person": chosen})
        await case.reported(triage_hours=200)
        await ladder.wanted()
        await case.until(lambda: bool(case.services.all(contract.DELIVER_NOTICE)), "a notice")
        assert case.services.all(contract.DELIVER_NOTICE)[0].person_id == chosen
        [asked] = case.services.all(contract.ESCALATE)
        assert asked.others == case.services.others
        await ladder.answered()


async def test_nobody_found_climbs_at_once(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        ladder = Ladder(case, empty=3)
        await case.reported(triage_hours=200)
        await ladder.wanted()
        await case.until(lambda: ladder.steps() == [1, 2, 3, 4], "without a minute between")
        await case.until(lambda: len(case.services.all(contract.DELIVER_NOTICE)) == 1, "one person was found")


async def test_an_answer_stops_the_clock_and_the_notices(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        ladder = Ladder(case)
        down = ApplicationError("activity failed", type="ConnectionRefusedError")

        def away(_: contract.DeliverNotice) -> contract.Delivered:
            raise down

        case.services.delivered = away
        await case.reported(triage_hours=200)
        await ladder.wanted()
        await case.until(lambda: contract.DELIVER_NOTICE in case.services.names(), "tried")
        await ladder.answered()
        await case.until(lambda: case_has_no_notice(case), "no notice waits")
        await skipping.sleep(timedelta(hours=9))
        assert ladder.steps() == [1]


async def case_has_no_notice(case: Case) -> bool:
    return (await case.handle.query("case"))["notices"] == {}


async def test_a_mail_server_that_is_away_for_a_day_holds_nothing_up(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping, cache=0) as case:
        ladder = Ladder(case)
        back = await skipping.get_current_time() + timedelta(days=1)

        def away_for_a_day(_: contract.DeliverNotice) -> contract.Delivered:
            if case.now() < back:
                raise ApplicationError("activity failed", type="ConnectionRefusedError")
            return contract.Delivered(sent=1)

        case.services.delivered = away_for_a_day
        await case.reported(triage_hours=200)
        await ladder.wanted()
        await skipping.sleep(timedelta(hours=8))
        await case.until(lambda: ladder.steps() == [1, 2, 3, 4], "the ladder climbs all the same")
        assert not await case_has_no_notice(case)
        await skipping.sleep(timedelta(hours=20))
        await case.until(lambda: case_has_no_notice(case), "delivered once the server is back")


async def test_a_ladder_outlives_the_stage_and_ends_with_the_case(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        ladder = Ladder(case)
        await case.reported()
        await ladder.wanted()
        await case.until(lambda: ladder.steps() == [1], "called")
        await case.triaged()
        await case.entered("1:reviewing")
        await case.approved()
        await case.entered("1:acting")  # continued as new
        await skipping.sleep(timedelta(hours=2))
        await case.until(lambda: 2 in ladder.steps(), "climbs on")
        await case.tell(IncidentWithdrawn(incident_id=case.id))
        await case.until(lambda: contract.END_REVIEW in case.services.names(), "ended")
        called = ladder.steps()
        await skipping.sleep(timedelta(hours=9))
        assert ladder.steps() == called


async def test_a_raised_ladder_calls_the_higher_rung(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        ladder = Ladder(case)
        await case.reported(triage_hours=200)
        await ladder.wanted(step=3, role=Role.NOMINATED_INDIVIDUAL)
        await ladder.wanted(step=1)  # late
        await case.until(lambda: ladder.steps() == [3], "called once")
        assert [c.role for c in case.services.all(contract.RESOLVE_ON_CALL)] == [Role.NOMINATED_INDIVIDUAL]


async def test_a_verification_that_fails_asks_for_the_ladder(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        await case.reported(triage_hours=200)
        action = uuid.uuid4()
        due = await skipping.get_current_time() + timedelta(days=7)
        for attempt in (1, 2):
            await case.tell(ActionReturned(incident_id=case.id, action_id=action, cycle=1, attempt=attempt, due_at=due))
        await case.until(lambda: [c.count for c in case.services.all(contract.REQUEST_ESCALATION)][-1:] == [2], "asked")
        assert {c.reason for c in case.services.all(contract.REQUEST_ESCALATION)} == {"verification_failed"}


async def test_ladders_without_end_do_not_keep_what_failed_from_being_heard(skipping: WorkflowEnvironment) -> None:
    """On a fast clock each call has run out when it is made: there is always one more rung to call."""
    async with Running(skipping) as case:
        ladder = Ladder(case)
        case.services.escalated = lambda c: contract.Escalated(climb=ladder.climb(c.step + 1))
        await case.reported(triage_hours=200)
        await ladder.wanted()
        await case.until(lambda: len(ladder.steps()) > 3, "one call after another")
        due = await skipping.get_current_time() + timedelta(days=7)
        await case.tell(ActionReturned(incident_id=case.id, action_id=uuid.uuid4(), cycle=1, attempt=1, due_at=due))
        await case.until(lambda: bool(case.services.all(contract.REQUEST_ESCALATION)), "asked")
        await ladder.answered()
