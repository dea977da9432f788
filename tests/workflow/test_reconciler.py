"""On a real server: the reconciler, histories that grow long, and urgent work behind a backlog."""

import asyncio
import contextlib
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from prometheus_client import REGISTRY
from temporalio import activity
from temporalio.api.enums.v1 import IndexedValueType, TaskQueueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, RegisterNamespaceRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from deploy.local import temporal_server
from services.contracts import activities as contract
from services.contracts.event import CaseData, EventData
from services.contracts.intake import ClockSet
from services.contracts.review import ThemeEnded
from services.contracts.taxonomy import CaseKind, ClockKind, RecordKind
from services.runtime.actor import SYSTEM_ID
from services.runtime.clock import Clock, Segment
from services.runtime.consumer import Received
from services.runtime.outbox import new_id
from services.runtime.temporal import data_converter
from tests.chaos import audit
from tests.workflow.conftest import KEYS, PROVIDER, Case, Running, Services, ThemeUnderTest, server_binary
from workflows import process_clock, reconciler, reconciler_activities, retention, search_attributes
from workflows.reconciler import Outcome, ReconcileWorkflow
from workflows.router import hand_on
from workflows.worker import build_worker

pytestmark = pytest.mark.anyio

SHORT_HISTORY = 60
"""Events after which the server suggests to continue as new."""

_SETTINGS = (
    *(f"{name}={value}" for name, value in temporal_server.MATCHING.items()),
    f"limit.historyCount.suggestContinueAsNew={SHORT_HISTORY}",
)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for the server that the tests of this file share."""
    return "asyncio"


@pytest.fixture(scope="module")
async def dev() -> AsyncIterator[WorkflowEnvironment]:
    """A real server with the settings of the one-machine stack, in memory."""
    env = await WorkflowEnvironment.start_local(
        data_converter=data_converter(KEYS),
        search_attributes=list(search_attributes.ALL),
        dev_server_existing_path=server_binary("temporal"),
        dev_server_log_level="error",
        dev_server_extra_args=[word for pair in _SETTINGS for word in ("--dynamic-config-value", pair)],
    )
    async with env:
        yield env


class RoutedCase(Case):
    """Events come through the router, with the search attributes and the priority that it gives."""

    async def tell(self, event: EventData, *, event_id: str | None = None) -> None:
        """As if it had come from Kafka."""
        received = Received(
            event_id=uuid.UUID(event_id) if event_id else uuid.uuid4(), type=event.TYPE, provider_id=PROVIDER,
            subject=str(self.id), key=str(self.id), version=1, occurred_at=datetime.now(UTC), actor=str(SYSTEM_ID),
            actor_role="service", data=event.model_dump(mode="json"), topic="a", partition=0, offset=0,
        )  # fmt: skip
        await hand_on(self.env.client, received, lane="normal", stop=threading.Event(), task_queue=self.task_queue)


class RoutedTheme(ThemeUnderTest):
    """The same for a theme: what follows from it says that it does."""

    async def tell(self, event: EventData, *, event_id: str | None = None) -> None:
        """As if it had come from Kafka."""
        if isinstance(event, CaseData):
            event = event.model_copy(update={"case_kind": CaseKind.THEME})
        await RoutedCase.tell(self, event, event_id=event_id)  # type: ignore[arg-type]


class Records(Services):
    """Services whose open incidents can be listed, as intake lists them: by id, a page at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[uuid.UUID] = []
        self.themes: list[contract.OpenIncident] = []

    def activities(self) -> dict[str, list[Callable[..., Any]]]:
        """Those of the stand-ins, and the list."""

        @activity.defn(name=contract.LIST_OPEN_INCIDENTS)
        async def list_open(query: contract.ListOpenIncidents) -> contract.OpenIncidents:
            after = [one for one in sorted(self.open) if query.after is None or one > query.after]
            return contract.OpenIncidents(
                incidents=[contract.OpenIncident(provider_id=PROVIDER, incident_id=one) for one in after[: query.limit]]
            )

        found = super().activities()
        found[contract.INTAKE_QUEUE].append(list_open)

        @activity.defn(name=contract.LIST_OPEN_THEMES)
        async def list_themes(query: contract.ListOpenIncidents) -> contract.OpenIncidents:
            return contract.OpenIncidents(incidents=self.themes if query.after is None else [])

        found[contract.REVIEW_QUEUE].append(list_themes)
        return found

    def sent_again(self) -> list[tuple[str, uuid.UUID]]:
        """Which services were asked to publish which incident again."""
        return [(name, c.incident_id) for name, c in self.asked if name.endswith(f".{contract.REPUBLISH}")]


@pytest.fixture
async def records(dev: WorkflowEnvironment) -> AsyncIterator[tuple[Records, Callable[[], Case]]]:
    """The records, and a function that makes cases beside them, whose processes are ended after the test."""
    running, made = Running(dev), list[Case]()
    running.services = kept = Records()

    def case() -> Case:
        made.append(RoutedCase(dev, kept, running.task_queue))
        return made[-1]

    async with running:
        yield kept, case
        for one in made:
            if await status(one) is WorkflowExecutionStatus.RUNNING:
                with contextlib.suppress(RPCError):  # it has just ended
                    await one.handle.terminate()


async def test_the_audit_of_chaos_sees_a_process_as_it_is(
    dev: WorkflowEnvironment, records: tuple[Records, Callable[[], Case]]
) -> None:
    """Where it is and what it knows; without a record it is an orphan, and a record without it has lost it."""
    _, new = records
    case = new()
    name = str(case.id)
    await case.reported()

    async def seen() -> audit.Process | None:
        return (await audit.processes_of(dev.client, [name])).get(name)

    async def knows() -> bool:
        found = await seen()
        return found is not None and len(found.seen) == 1

    await case.until(knows, "the process to know of the report")
    found = await seen()
    assert found is not None
    assert (found.runs, found.place) == (True, ("reported", 1))
    assert [one.kind for one in audit.processes({name: ("reported", 1)}, [], {name: found})] == []
    assert [one.kind for one in audit.processes({}, [], {name: found})] == [audit.Kind.ORPHAN]
    await case.handle.terminate("a test")

    async def ended() -> bool:
        found = await seen()
        return found is not None and not found.runs

    await case.until(ended, "the server to say that it ended")
    gone = await seen()
    assert gone is not None
    assert [one.kind for one in audit.processes({name: ("reported", 1)}, [], {name: gone})] == [audit.Kind.LOST]


async def status(case: Case) -> WorkflowExecutionStatus | None:
    """How the incident's process is; None if there never was one."""
    query = f"WorkflowId = '{case.handle.id}'"
    found = [one async for one in case.env.client.list_workflows(query)]
    return (await case.handle.describe()).status if found else None


async def reconcile(dev: WorkflowEnvironment, *, grace: int = 0) -> Outcome:
    """One run, as the schedule starts it."""
    return await dev.client.execute_workflow(
        ReconcileWorkflow.run, grace, id=f"reconcile-{uuid.uuid4()}", task_queue="incident-test",
        execution_timeout=timedelta(seconds=60),
    )  # fmt: skip


async def visible(*cases: Case) -> None:
    """Until the server lists the processes: its list lags behind."""
    for case in cases:
        await case.until(lambda case=case: _listed(case), "listed as running")


async def _listed(case: Case) -> bool:
    query = f"WorkflowId = '{case.handle.id}' AND ExecutionStatus = 'Running'"
    return bool([one async for one in case.env.client.list_workflows(query)])


async def begun(case: Case) -> Callable[[], Awaitable[None]]:
    """Report and triage; answers how both can be told again, as the outbox does."""
    ids = str(uuid.uuid4())

    async def tell() -> None:
        await case.reported(event_id=ids)
        await case.triaged()

    await tell()
    await case.entered("1:reviewing")
    return tell


async def test_an_orphan_is_found_and_repaired(
    dev: WorkflowEnvironment, records: tuple[Records, Callable[[], Case]]
) -> None:
    kept, new_case = records
    whole, lost = new_case(), new_case()
    await begun(whole)
    kept.asked.clear()
    tell_again = await begun(lost)
    kept.open += [whole.id, lost.id]
    await lost.handle.terminate("lost")
    await visible(whole)

    assert await reconcile(dev) == Outcome(looked_at=2, orphans=1, strays=0)
    assert kept.sent_again() == [(f"{queue}.republish", lost.id) for queue in ("intake", "review", "actions")]
    assert reconciler_activities.ORPHANS._value.get() == 1

    kept.asked.clear()
    await tell_again()
    await lost.entered("1:reviewing")
    await visible(lost)
    assert (await reconcile(dev)).orphans == 0
    assert reconciler_activities.ORPHANS._value.get() == 0


async def test_an_orphan_theme_is_found_and_repaired_and_its_events_do_not_begin_an_incident(
    dev: WorkflowEnvironment, records: tuple[Records, Callable[[], Case]]
) -> None:
    kept, new_case = records
    beside = new_case()
    theme = RoutedTheme(dev, kept, beside.task_queue)
    commissioned = str(uuid.uuid4())
    await theme.commissioned(event_id=commissioned)
    await theme.accepted()
    await theme.entered("1:reviewing")
    kept.themes = [contract.OpenIncident(provider_id=PROVIDER, incident_id=theme.id)]
    await visible(theme)
    assert await reconcile(dev) == Outcome(looked_at=1, orphans=0, strays=0)

    await theme.handle.terminate("lost")
    assert (await reconcile(dev)).orphans == 1
    assert kept.sent_again() == [(f"{queue}.republish", theme.id) for queue in ("intake", "review", "actions")]
    kept.asked.clear()
    await theme.commissioned(event_id=commissioned)
    await theme.accepted()
    await theme.approved()
    await theme.entered("1:acting")
    await visible(theme)
    assert (await reconcile(dev)).orphans == 0
    with pytest.raises(RPCError):
        await dev.client.get_workflow_handle(f"incident-{theme.id}").describe()

    await theme.tell(ThemeEnded(theme_id=theme.id))
    await theme.until(lambda: _over(theme), "ended")


async def _over(case: Case) -> bool:
    return (await case.handle.describe()).status is WorkflowExecutionStatus.COMPLETED


async def test_a_record_whose_process_never_began_is_an_orphan(
    dev: WorkflowEnvironment, records: tuple[Records, Callable[[], Case]]
) -> None:
    kept, new_case = records
    case = new_case()
    kept.open.append(case.id)
    assert (await reconcile(dev)).orphans == 1
    assert {one for _, one in kept.sent_again()} == {case.id}


async def test_a_young_incident_is_no_orphan_yet(
    dev: WorkflowEnvironment, records: tuple[Records, Callable[[], Case]]
) -> None:
    """Its events may still be on their way: the time in its id says how old it is."""
    kept, _ = records
    kept.open.append(new_id())
    assert await reconcile(dev, grace=reconciler.GRACE_SECONDS) == Outcome(looked_at=1, orphans=0, strays=0)
    assert kept.sent_again() == []
    assert (await reconcile(dev, grace=0)).orphans == 1


async def test_all_pages_are_compared(dev: WorkflowEnvironment, records: tuple[Records, Callable[[], Case]]) -> None:
    """An orphan on any page is found, and nothing that runs is taken for one at the edge of a page."""
    kept, new_case = records
    running = [new_case() for _ in range(3)]
    for case in running:
        await begun(case)
    await visible(*running)
    young = [new_id() for _ in range(2 * reconciler.PAGE)]
    lost = {uuid.UUID(int=1), uuid.UUID(int=2**128 - 1)}
    kept.open += [*young, *lost, *(case.id for case in running)]
    outcome = await reconcile(dev, grace=reconciler.GRACE_SECONDS)
    assert outcome == Outcome(looked_at=len(kept.open), orphans=2, strays=0)
    assert {one for _, one in kept.sent_again()} == lost


async def test_a_stray_process_is_told_again_how_its_incident_ended(
    dev: WorkflowEnvironment, records: tuple[Records, Callable[[], Case]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process without an open record, for longer than the events of a new one may take."""
    kept, new_case = records
    stray, known = new_case(), new_case()
    await begun(stray)
    await begun(known)
    await visible(stray, known)
    kept.open.append(known.id)
    assert (await reconcile(dev)).strays == 0
    monkeypatch.setattr(reconciler_activities, "GRACE_SECONDS", 0)
    assert await reconcile(dev) == Outcome(looked_at=1, orphans=0, strays=1)
    assert {one for _, one in kept.sent_again()} == {stray.id}


async def test_a_long_history_continues_as_new_and_forgets_nothing(
    dev: WorkflowEnvironment, records: tuple[Records, Callable[[], Case]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reminders without end, over several runs: each is counted once, and what people said meanwhile is known."""
    kept, new_case = records
    now = datetime.now(UTC)
    # Ten years ahead of the stand-in services: every clock that they answer has run out already.
    ahead = Clock((Segment(now - timedelta(days=1), now + timedelta(days=3650), 1.0),))
    monkeypatch.setattr(process_clock, "_clock", ahead)
    case = new_case()
    await begun(case)
    await case.until(lambda: len(kept.all(contract.REMIND)) >= 20, "twenty reminders")
    await case.approved(actions=False, briefing=False)
    await case.entered("1:closed")

    reminders = kept.all(contract.REMIND)
    assert [c.count for c in reminders] == list(range(1, len(reminders) + 1))
    assert len({c.command_id for c in reminders}) == len(reminders)
    assert kept.stages() == ["1:reviewing", "1:closed"]
    assert len(kept.all(contract.OPEN_REVIEW)) == 1
    runs = [run async for run in dev.client.list_workflows(f"WorkflowId = '{case.handle.id}'")]
    continued = [run for run in runs if run.status is WorkflowExecutionStatus.CONTINUED_AS_NEW]
    assert len(continued) >= 2
    # The suggestion is taken up at the next reminder.
    assert all(SHORT_HISTORY <= run.history_length < 2 * SHORT_HISTORY for run in continued)


async def test_a_failed_verification_is_told_although_the_process_continues_as_new(
    records: tuple[Records, Callable[[], Case]],
) -> None:
    """The return leads back to acting, at whose start a new run begins: what it asked for is not forgotten."""
    kept, new_case = records
    case = new_case()
    await begun(case)
    await case.approved()
    await case.entered("1:acting")
    await case.done()
    await case.entered("1:verifying")
    await case.returned()
    await case.until(lambda: kept.stages().count("1:acting") == 2, "acting again")
    assert [(c.reason, c.count) for c in kept.all(contract.REQUEST_ESCALATION)] == [("verification_failed", 1)]


async def test_urgent_work_overtakes_a_backlog(dev: WorkflowEnvironment) -> None:
    """One worker that can do one thing at a time: what must be told now is told before what was asked for earlier."""
    services, backlog = Services(), 25
    now = datetime.now(UTC)
    async with build_worker(dev.client, task_queue="incident-priority", isolated=True):
        routine = [RoutedCase(dev, services, "incident-priority") for _ in range(backlog)]
        for case in routine:
            await case.reported(triage_hours=0)
        urgent = RoutedCase(dev, services, "incident-priority")
        await urgent.reported()
        clock = ClockSet(
            incident_id=urgent.id, clock_id=uuid.uuid4(), kind=ClockKind.ESCALATION, revision=services.rings, due_at=now
        )
        await urgent.until(lambda: _waiting(dev, backlog), "the backlog to be there")
        await urgent.tell(clock)
        await urgent.until(lambda: _waiting(dev, backlog + 1), "the clock to be asked to ring")
        intake = services.activities()[contract.INTAKE_QUEUE]
        async with Worker(
            dev.client, task_queue=contract.INTAKE_QUEUE, activities=intake, max_concurrent_activities=1,
            max_concurrent_activity_task_polls=1,
        ):  # fmt: skip
            await urgent.until(lambda: len(services.all(contract.DEFAULT_TRIAGE)) == backlog, "all of the backlog")
        for case in (*routine, urgent):
            await case.handle.terminate()
    assert services.names().index(contract.RING_CLOCK) == 0


async def test_what_comes_before_the_namespace_is_prepared_is_handed_on_once_it_is(dev: WorkflowEnvironment) -> None:
    """A new installation: events come while nobody has made what processes are searched by. None may be dropped."""
    name = f"care-{uuid.uuid4().hex[:8]}"
    registered = RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=Duration(seconds=86_400))
    await dev.client.workflow_service.register_namespace(registered)
    made = Client(dev.client.service_client, namespace=name, data_converter=data_converter(KEYS))
    case = RoutedCase(WorkflowEnvironment.from_client(made), Services(), "incident-unprepared")
    before = _routed("retried")
    told = asyncio.create_task(case.reported())
    await case.until(lambda: _routed("retried") > before, "the namespace to be missed")
    assert not told.done()
    attributes = {key.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD for key in search_attributes.ALL}
    await made.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace=name, search_attributes=attributes)
    )
    await asyncio.wait_for(told, 60)
    assert (await case.handle.describe()).status is WorkflowExecutionStatus.RUNNING


def _routed(outcome: str) -> float:
    return REGISTRY.get_sample_value("plumbline_router_events_total", {"lane": "normal", "outcome": outcome}) or 0.0


async def _waiting(dev: WorkflowEnvironment, count: int) -> bool:
    """Whether so many activities wait for a worker of intake."""
    described = await dev.client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=dev.client.namespace, task_queue=TaskQueue(name=contract.INTAKE_QUEUE),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY, report_stats=True,
        )
    )  # fmt: skip
    return described.stats.approximate_backlog_count == count


async def test_a_sweep_of_many_records_goes_on_in_another_run_and_erases_each_once(
    dev: WorkflowEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first night after years: what is due is more than one history may hold."""
    monkeypatch.setattr(retention, "PAGE", 10)
    due = [contract.Disposal(incident_id=new_id(), provider_id=PROVIDER, kind=RecordKind.CONCERN) for _ in range(25)]
    asked: list[tuple[str, uuid.UUID]] = []

    @activity.defn(name=contract.LIST_DISPOSALS)
    async def list_disposals(query: contract.ListOpenIncidents) -> contract.Disposals:
        rest = [one for one in due if query.after is None or one.incident_id > query.after]
        return contract.Disposals(records=rest[: query.limit])

    @activity.defn(name=contract.BEGIN_DISPOSAL)
    async def begin(command: contract.BeginDisposal) -> contract.DisposalBegun:
        asked.append(("begin", command.incident_id))
        return contract.DisposalBegun(begun=True)

    @activity.defn(name=f"{contract.INTAKE_QUEUE}.{contract.ERASE}")
    async def erase(command: contract.Erase) -> contract.ErasedTexts:
        asked.append(("erase", command.incident_id))
        return contract.ErasedTexts(cells=1, files=[], digest="d")

    @activity.defn(name=contract.FINISH_DISPOSAL)
    async def finish(command: contract.FinishDisposal) -> None:
        asked.append(("finish", command.incident_id))

    @activity.defn(name=contract.KEPT_SINCE)
    async def kept_since(kind: RecordKind) -> contract.KeptSince:
        return contract.KeptSince(since=datetime(2020, 1, 1, tzinfo=UTC))

    def of(queue: str) -> list[Callable[..., Any]]:
        @activity.defn(name=f"{queue}.{contract.CLEAR_REPLIES}")
        async def clear() -> int:
            return 0

        @activity.defn(name=f"{queue}.{contract.LIST_KEPT}")
        async def list_kept(query: contract.ListKept) -> contract.KeptRecords:
            return contract.KeptRecords(records=[])

        return [clear, list_kept]

    async with contextlib.AsyncExitStack() as workers:
        for queue in retention.REPLIERS:
            own = [list_disposals, begin, erase, finish, kept_since] if queue == contract.INTAKE_QUEUE else []
            await workers.enter_async_context(Worker(dev.client, task_queue=queue, activities=[*of(queue), *own]))
        await workers.enter_async_context(build_worker(dev.client, task_queue="sweep"))
        name = f"sweep-{uuid.uuid4()}"
        swept = await dev.client.execute_workflow(retention.RetentionWorkflow.run, id=name, task_queue="sweep")
    assert (swept.erased, swept.stopped) == (25, 0)
    assert asked == [(step, one.incident_id) for one in due for step in ("begin", "erase", "finish")]
    runs = [run async for run in dev.client.list_workflows(f"WorkflowId = '{name}'")]
    assert len(runs) == 3
