"""The process of one theme on the time-skipping server: half a year in seconds."""

import random
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment

from services.contracts import activities as contract
from services.contracts.identity import EVERYWHERE
from services.contracts.review import ThemeEnded
from services.contracts.taxonomy import Band, Verdict
from tests.workflow.conftest import Case, Running, ThemeUnderTest

pytestmark = pytest.mark.anyio

WHOLE = [
    "1:commissioned", "1:reviewing", "1:acting", "1:verifying", "1:sharing", "1:checking_impact", "1:closed",
]  # fmt: skip


def theme_of(case: Case) -> ThemeUnderTest:
    """A theme beside the stand-in services."""
    return ThemeUnderTest(case.env, case.services, case.task_queue)


async def ended(theme: Case) -> bool:
    return (await theme.handle.describe()).status == WorkflowExecutionStatus.COMPLETED


async def judged(theme: ThemeUnderTest, verdict: Verdict, cycle: int = 1) -> None:
    """The checkpoint comes, is measured and decided."""
    [checkpoint] = (await theme.handle.query("case"))["cycles"][str(cycle)]["checkpoints"]
    before = len(theme.services.all(contract.MEASURE_CHECKPOINT))
    await theme.env.sleep(timedelta(days=31))
    await theme.until(lambda: len(theme.services.all(contract.MEASURE_CHECKPOINT)) > before, "measured")
    await theme.judged(uuid.UUID(checkpoint["checkpoint_id"]), verdict, cycle=cycle)


@pytest.mark.parametrize("cache", [100, 0])
async def test_from_commission_to_closed(skipping: WorkflowEnvironment, cache: int) -> None:
    async with Running(skipping, cache=cache) as case:
        theme = theme_of(case)
        await theme.life()
        await judged(theme, Verdict.SUSTAINED)
        await theme.until(lambda: ended(theme), "closed")
        services = theme.services
        assert services.stages() == WHOLE
        [opened] = services.all(contract.OPEN_ACTIONS)
        assert (opened.incident_id, opened.location_id, opened.band) == (theme.id, EVERYWHERE, Band.HIGH)
        assert contract.REMIND_THEME not in services.names()
        # Nothing of it is asked of intake: a theme is no incident.
        assert not [name for name in services.names() if name.startswith("intake.")]


async def test_what_had_no_effect_begins_another_cycle(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        theme = theme_of(case)
        await theme.life()
        await judged(theme, Verdict.NO_CHANGE)
        await theme.entered("2:reviewing")
        assert [c.cycle for c in theme.services.all(contract.OPEN_THEME_REVIEW)] == [1, 2]
        await theme.approved(cycle=2)
        await theme.entered("2:acting")
        await theme.done(cycle=2)
        await theme.verified(cycle=2)
        await theme.entered("2:sharing")
        await theme.reached(cycle=2)
        await theme.entered("2:checking_impact")
        await judged(theme, Verdict.SUSTAINED, cycle=2)
        await theme.until(lambda: ended(theme), "closed")


async def test_a_late_stage_is_told_to_the_lead_then_up_the_line(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        theme, services = theme_of(case), case.services
        await theme.commissioned(days=7)
        await theme.entered("1:commissioned")
        await skipping.sleep(timedelta(days=6))
        assert contract.REMIND_THEME not in services.names()
        await skipping.sleep(timedelta(days=2))
        await theme.until(lambda: len(services.all(contract.DELIVER_NOTICE)) == 1, "the lead told")
        [notice] = services.all(contract.DELIVER_NOTICE)
        assert (notice.person_id, notice.path) == (services.theme_lead, f"/themes/{theme.id}")
        assert contract.RESOLVE_ON_CALL not in services.names()
        await skipping.sleep(timedelta(days=7))
        await theme.until(lambda: len(services.all(contract.DELIVER_NOTICE)) == 2, "the line above told")
        [asked] = services.all(contract.RESOLVE_ON_CALL)
        assert (asked.role, asked.location_id) == ("director", EVERYWHERE)
        await theme.accepted()
        await theme.entered("1:reviewing")
        count = len(services.all(contract.REMIND_THEME))
        await skipping.sleep(timedelta(days=43))
        await theme.until(lambda: len(services.all(contract.REMIND_THEME)) > count, "the review is late too")
        assert services.all(contract.REMIND_THEME)[-1].stage == "reviewing"


async def test_early_late_and_duplicate_events_lead_to_the_same_place(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        theme = theme_of(case)
        twice = str(uuid.uuid4())
        tellings: list[Callable[[], Awaitable[Any]]] = [
            theme.accepted,
            theme.approved,
            theme.done,
            theme.verified,
            theme.reached,
            theme.reached,
            lambda: theme.commissioned(event_id=twice),
            lambda: theme.commissioned(event_id=twice),
        ]
        random.Random(8).shuffle(tellings)
        for tell in tellings:
            await tell()
        await theme.entered("1:checking_impact")
        assert len(theme.services.all(contract.OPEN_THEME_REVIEW)) == 1
        await judged(theme, Verdict.SUSTAINED)
        await theme.until(lambda: ended(theme), "closed")
        assert theme.services.stages()[-1] == "1:closed"


async def test_a_second_return_is_told_up_the_line_at_once(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        theme, services = theme_of(case), case.services
        await theme.commissioned()
        await theme.accepted()
        await theme.approved()
        await theme.entered("1:acting")
        for attempt in (1, 2):
            await theme.done(attempt=attempt)
            await theme.until(lambda n=attempt: services.stages().count("1:verifying") == n, "verifying")  # type: ignore[misc]
            assert contract.REMIND_THEME not in services.names()
            await theme.returned(attempt=attempt)
        await theme.until(lambda: contract.DELIVER_NOTICE in services.names(), "the line above told")
        [told] = services.all(contract.REMIND_THEME)
        assert (told.count, told.action_id) == (2, services.actions[0])
        [notice] = services.all(contract.DELIVER_NOTICE)
        assert notice.path == f"/themes/{theme.id}"
        assert len(services.all(contract.RESOLVE_ON_CALL)) == 1
        assert (await theme.handle.query("case"))["failed"] == {}


async def test_an_ended_theme_ends_what_was_opened_for_it(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        theme = theme_of(case)
        await theme.commissioned()
        await theme.accepted()
        await theme.approved()
        await theme.entered("1:acting")
        await theme.tell(ThemeEnded(theme_id=theme.id))
        await theme.until(lambda: ended(theme), "ended")
        assert theme.services.names()[-2:] == [contract.END_REVIEW, contract.END_ACTIONS]


async def test_a_lost_process_asks_for_its_events_again(skipping: WorkflowEnvironment) -> None:
    async with Running(skipping) as case:
        theme = theme_of(case)
        await theme.accepted()
        await skipping.sleep(timedelta(seconds=31))
        await theme.until(lambda: "actions.republish" in theme.services.names(), "asked")
        asked = [name for name in theme.services.names() if name.endswith(contract.REPUBLISH)]
        assert asked[:2] == ["review.republish", "actions.republish"]
        await theme.commissioned()
        await theme.entered("1:reviewing")
