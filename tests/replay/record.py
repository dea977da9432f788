"""Record the histories that later code must still be able to replay: `python -m tests.replay.record [PATH ...]`.

Each path is walked on the time-skipping server by the code as it is now, and each run of its process is written to a
file in the folder of the release that the code is of. Payloads are not encrypted, so that Temporal's tools can show what
is in them. What a release that is out recorded is sealed (`tests.replay.release`) and never recorded anew: a change is
made with `workflow.patched` instead.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from temporalio import activity
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from services.contracts import activities as contract
from services.contracts.intake import (
    EscalationAcknowledged,
    IncidentEscalationRequested,
    IncidentReopened,
    IncidentWithdrawn,
)
from services.contracts.review import AdoptionAsked, ThemeEnded
from services.contracts.taxonomy import Band, EscalationReason, Role, Stage, Verdict
from tests.replay import alone
from tests.replay.release import sealed
from tests.workflow.conftest import PROVIDER, Case, Running, ThemeUnderTest, server_binary
from tests.workflow.test_briefing import Running as BriefingUnderWay
from workflows import challenge, search_attributes
from workflows.worker import build_worker

HISTORIES = Path(__file__).parent / "histories"
"""A folder for each release."""
RELEASE = version("plumbline")
"""The release that this code is of, or is to become."""


async def low_harm(case: Case) -> None:
    """Everybody does their part in time."""
    await case.life()
    await _judged(case, Verdict.SUSTAINED)
    await _ended(case)


async def default_triage_and_escalation(case: Case) -> None:
    """Nobody triages, nobody reviews: the rule does the one, the line above is told of the other."""
    await case.reported()
    await case.env.sleep(timedelta(hours=25))
    await case.until(lambda: contract.DEFAULT_TRIAGE in case.services.names(), "default triage")
    await case.triaged(by_default=True)
    await case.entered("1:reviewing")
    # Half a day off, so that no signal meets a timer at the same instant: the test server may then lose a task.
    await case.env.sleep(timedelta(days=10, hours=12))
    await case.until(lambda: len(case.services.all(contract.REMIND)) >= 3, "reminders")
    await case.approved(actions=False, briefing=False)
    await _ended(case)


async def ladder(case: Case) -> None:
    """Somebody is in danger: the first rung does not answer in time, the second does."""
    services, run_id, clock_id = case.services, uuid4(), uuid4()
    began = await case.env.get_current_time()
    services.escalated = lambda call: contract.Escalated(
        notify=uuid4(),
        clock=contract.RunningClock(clock_id=clock_id, revision=call.step, due_at=began + timedelta(hours=call.step)),
    )
    services.climbs, services.rings = [contract.Climb(run_id=run_id, step=2, role=Role.REGIONAL_MANAGER)], 1
    await case.reported(danger=True)
    await case.tell(
        IncidentEscalationRequested(
            incident_id=case.id, run_id=run_id, step=1, level=0, role=Role.SHIFT_LEAD,
            reason=EscalationReason.IMMEDIATE_DANGER, rule="danger-now", policy_version="t",
        )
    )  # fmt: skip
    await case.until(lambda: len(services.all(contract.DELIVER_NOTICE)) == 1, "the first rung told")
    await case.env.sleep(timedelta(minutes=61))
    await case.until(lambda: len(services.all(contract.DELIVER_NOTICE)) == 2, "the second rung told")
    await case.tell(EscalationAcknowledged(incident_id=case.id, escalation_id=uuid4(), level=4, run_id=run_id))
    await case.triaged(Band.HIGH)
    await case.entered("1:reviewing")
    await case.approved(actions=False, briefing=False)
    await _ended(case)


async def returned_verification(case: Case) -> None:
    """The verifier is not satisfied at first."""
    await case.reported()
    await case.triaged()
    await case.entered("1:reviewing")
    await case.approved(briefing=False)
    await case.entered("1:acting")
    await case.done()
    await case.entered("1:verifying")
    await case.returned()
    await case.until(lambda: case.services.stages().count("1:acting") == 2, "acting again")
    await case.done(attempt=2)
    await case.until(lambda: case.services.stages().count("1:verifying") == 2, "verifying again")
    await case.verified(attempt=2)
    await case.entered("1:checking_impact")
    await _judged(case, Verdict.SUSTAINED)
    await _ended(case)


async def verification_late(case: Case) -> None:
    """Of two actions one is done early and nobody verifies it; the other takes its time."""
    case.services.actions.append(uuid4())
    await case.reported()
    await case.triaged()
    await case.entered("1:reviewing")
    await case.approved(briefing=False)
    await case.entered("1:acting")
    await case.done()
    await case.env.sleep(timedelta(days=15, hours=12))
    await case.until(lambda: len(case.services.all(contract.REMIND)) >= 2, "the verification is late")
    await case.done(index=1)
    await case.entered("1:verifying")
    await case.verified()
    await case.entered("1:checking_impact")
    await _judged(case, Verdict.SUSTAINED)
    await _ended(case)


async def second_cycle(case: Case) -> None:
    """What was done had no effect."""
    await case.life()
    await _judged(case, Verdict.NO_CHANGE)
    await case.entered("2:reviewing")
    await case.approved(cycle=2, actions=False, briefing=False)
    await _ended(case)


async def withdrawn(case: Case) -> None:
    """Reported in error, found out while it is acted on."""
    await case.reported()
    await case.triaged()
    await case.entered("1:reviewing")
    await case.approved()
    await case.entered("1:acting")
    await case.tell(IncidentWithdrawn(incident_id=case.id))
    await _ended(case)


async def reopened(case: Case) -> None:
    """Closed, then in doubt: a new process that knows only that, and asks for everything to be told again."""
    await case.tell(IncidentReopened(incident_id=case.id, cycle=2, stage=Stage.REVIEWING))
    await case.env.sleep(timedelta(seconds=31))
    await case.until(lambda: "actions.republish" in case.services.names(), "the events asked for")
    await case.reported()
    await case.triaged()
    await case.approved(cycle=1, actions=False, briefing=False)
    await case.entered("2:reviewing")
    await case.approved(cycle=2, actions=False, briefing=False)
    await _ended(case)


async def deepened_review(case: Case) -> None:
    """Facts come while it is reviewed; later a place does not read what was learned, of which another process reminds."""
    case.services.reminds_by_location = True
    await case.reported()
    await case.triaged()
    await case.entered("1:reviewing")
    await case.deepened(await case.env.get_current_time() + timedelta(days=30))
    await case.until(lambda: case.services.stages().count("1:reviewing") == 2, "the new clock")
    await case.env.sleep(timedelta(days=30, hours=12))
    await case.until(lambda: contract.REMIND in case.services.names(), "a reminder by the new clock")
    await case.approved(actions=False)
    await case.entered("1:sharing")
    await case.env.sleep(timedelta(days=20, hours=12))
    await case.reached()
    await _ended(case)


async def theme_late(theme: ThemeUnderTest) -> None:
    """Nobody accepts in time: the lead is told, then the line above. Then all of it, but without effect at first."""
    await theme.commissioned()
    await theme.entered("1:commissioned")
    await theme.env.sleep(timedelta(days=15))
    await theme.until(lambda: len(theme.services.all(contract.DELIVER_NOTICE)) == 2, "the line above told")
    await theme.life()
    await _judged(theme, Verdict.NO_CHANGE)
    await theme.entered("2:reviewing")
    await theme.tell(ThemeEnded(theme_id=theme.id))
    await _ended(theme)


async def theme_closed(theme: ThemeUnderTest) -> None:
    """Everybody does their part in time, and it held."""
    await theme.life()
    await _judged(theme, Verdict.SUSTAINED)
    await _ended(theme)


async def theme_returned_twice(theme: ThemeUnderTest) -> None:
    """The verifier is not satisfied, twice: the line above is told."""
    await theme.commissioned()
    await theme.accepted()
    await theme.entered("1:reviewing")
    await theme.approved(briefing=False)
    await theme.entered("1:acting")
    for attempt in (1, 2):
        await theme.done(attempt=attempt)
        await theme.until(lambda n=attempt: theme.services.stages().count("1:verifying") == n, "verifying")  # type: ignore[misc]
        await theme.returned(attempt=attempt)
        await theme.until(lambda n=attempt: theme.services.stages().count("1:acting") == n + 1, "acting again")  # type: ignore[misc]
    await theme.until(lambda: contract.DELIVER_NOTICE in theme.services.names(), "the line above told")
    await theme.tell(ThemeEnded(theme_id=theme.id))
    await _ended(theme)


async def briefing_owed(briefing: BriefingUnderWay) -> None:
    """A return is owed: it is asked for, later up the line; weeks after, somebody is asked again."""
    await briefing.tell(briefing.sent(datetime.now(UTC)))
    await briefing.env.sleep(timedelta(days=1))
    briefing.services.owed_since = await briefing.env.get_current_time()
    await briefing.tell(
        AdoptionAsked(incident_id=uuid4(), check_id=uuid4(), briefing_id=briefing.id, cycle=1, due_at=datetime.now(UTC))
    )
    await briefing.ended()


class ChallengeUnderWay:
    """A challenge with workers that stand for reporting and directory: each climb gives five more days."""

    def __init__(self, env: WorkflowEnvironment) -> None:
        self.env, self.id, self.answered = env, uuid4(), False
        self._due: datetime | None = None
        self._climbs = 0
        self._workers = [
            build_worker(env.client, task_queue="challenge-test", isolated=True),
            Worker(env.client, task_queue=contract.REPORTING_QUEUE, activities=[self._watch]),
            Worker(env.client, task_queue=contract.DIRECTORY_QUEUE, activities=[self._resolve, self._deliver]),
        ]

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        """Its process, whichever run."""
        return self.env.client.get_workflow_handle(challenge.workflow_id(self.id))

    async def __aenter__(self) -> "ChallengeUnderWay":
        for worker in self._workers:
            await worker.__aenter__()
        return self

    async def __aexit__(self, *exc: Any) -> None:
        for worker in self._workers:
            await worker.__aexit__(*exc)

    @activity.defn(name=contract.WATCH_GOVERNANCE_ITEM)
    async def _watch(self, query: contract.WatchGovernanceItem) -> contract.GovernanceWatch:
        now = activity.info().current_attempt_scheduled_time
        self._due = self._due or now + timedelta(days=5)
        if now >= self._due:
            self._due, self._climbs = now + timedelta(days=5), self._climbs + 1
        return contract.GovernanceWatch(
            waits=not self.answered, next_at=self._due, late=self._climbs > 0, people=[UUID(int=1)],
            roles=[Role.REGIONAL_MANAGER] if self._climbs else [], call=1000 + self._climbs,
        )  # fmt: skip

    @activity.defn(name=contract.RESOLVE_ON_CALL)
    async def _resolve(self, command: contract.ResolveOnCall) -> contract.OnCall:
        return contract.OnCall(role=command.role, person_id=UUID(int=2))

    @activity.defn(name=contract.DELIVER_NOTICE)
    async def _deliver(self, command: contract.DeliverNotice) -> contract.Delivered:
        return contract.Delivered(sent=1)


async def challenge_unanswered(asked: ChallengeUnderWay) -> None:
    """Its owner does not answer, so it goes up; then somebody does."""
    case = challenge.ChallengeCase(item_id=asked.id, provider_id=PROVIDER)
    await asked.env.client.start_workflow(
        challenge.WORKFLOW, case, id=asked.handle.id, task_queue="challenge-test", start_signal=challenge.LOOK_SIGNAL
    )
    await asked.env.sleep(timedelta(days=7))
    asked.answered = True
    await asked.handle.signal(challenge.LOOK_SIGNAL)
    await asked.handle.result()


CHALLENGES: tuple[Callable[[ChallengeUnderWay], Awaitable[None]], ...] = (challenge_unanswered,)

BRIEFINGS: tuple[Callable[[BriefingUnderWay], Awaitable[None]], ...] = (briefing_owed,)

THEMES: tuple[Callable[[ThemeUnderTest], Awaitable[None]], ...] = (theme_late, theme_closed, theme_returned_twice)

PATHS: tuple[Callable[[Case], Awaitable[None]], ...] = (
    low_harm,
    default_triage_and_escalation,
    ladder,
    returned_verification,
    verification_late,
    second_cycle,
    withdrawn,
    reopened,
    deepened_review,
)


async def _judged(case: Case, verdict: Verdict) -> None:
    """The checkpoint comes, is measured and decided."""
    state = await case.handle.query("case")
    [checkpoint] = state["cycles"]["1"]["checkpoints"]
    await case.env.sleep(timedelta(days=31))
    await case.until(lambda: contract.MEASURE_CHECKPOINT in case.services.names(), "measured")
    await case.judged(UUID(checkpoint["checkpoint_id"]), verdict)


async def _ended(case: Case) -> None:
    async def completed() -> bool:
        return (await case.handle.describe()).status is WorkflowExecutionStatus.COMPLETED

    await case.until(completed, "the end")


async def histories(case: Case | BriefingUnderWay | ChallengeUnderWay | alone.Alone) -> list[WorkflowHistory]:
    """Every run of the process, the first one first."""
    found: list[WorkflowHistory] = []
    run_id = (await case.handle.describe()).run_id
    while run_id:
        found.append(await case.env.client.get_workflow_handle(case.handle.id, run_id=run_id).fetch_history())
        run_id = found[-1].events[0].workflow_execution_started_event_attributes.continued_execution_run_id
    return found[::-1]


@asynccontextmanager
async def case_of(env: WorkflowEnvironment, subject: type[Case]) -> AsyncIterator[Case]:
    """An incident or a theme with its workers."""
    async with Running(env) as running:
        yield subject(running.env, running.services, running.task_queue)


async def record(
    path: Callable[[Any], Awaitable[None]],
    folder: Path,
    subject: Callable[[WorkflowEnvironment], AbstractAsyncContextManager[Any]],
) -> None:
    """Walk one path on a server of its own and replace its files."""
    env = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=server_binary("temporal-test-server"),
        data_converter=pydantic_data_converter,
        identity="recorder",
    )
    async with env:
        await env.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=env.client.namespace,
                search_attributes={
                    key.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD for key in search_attributes.ALL
                },
            )
        )
        async with subject(env) as case:
            await path(case)
            runs = await histories(case)
    for old in folder.glob(f"{path.__name__}-*.json"):
        old.unlink()
    for number, run in enumerate(runs, 1):
        text = json.dumps(json.loads(run.to_json()), indent=1, sort_keys=True)
        (folder / f"{path.__name__}-{number}.json").write_text(f"{text}\n")
    print(f"{path.__name__}: {', '.join(str(len(run.events)) for run in runs)} events")


if __name__ == "__main__":
    if RELEASE in sealed():
        sys.exit(f"{RELEASE} is out, its histories are sealed: raise the version in pyproject.toml, then record")
    (HISTORIES / RELEASE).mkdir(parents=True, exist_ok=True)
    wanted = set(sys.argv[1:])
    subjects: list[tuple[Callable[[Any], Awaitable[None]], Any]] = [
        *((path, partial(case_of, subject=Case)) for path in PATHS),
        *((path, partial(case_of, subject=ThemeUnderTest)) for path in THEMES),
        *((path, BriefingUnderWay) for path in BRIEFINGS),
        *((path, ChallengeUnderWay) for path in CHALLENGES),
        *((path, alone.Alone) for path in alone.PATHS),
    ]
    for each, subject in subjects:
        if not wanted or each.__name__ in wanted:
            asyncio.run(record(each, HISTORIES / RELEASE, subject))
