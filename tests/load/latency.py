"""How soon the process acts on a report: the whole stack, nothing else to do. Read off the process's own history."""

import asyncio
import contextlib
import random
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import SecretStr
from sqlalchemy import Engine, text
from temporalio.api.enums.v1 import EventType, TaskQueueType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from services.contracts.activities import DELIVER_NOTICE, ESCALATE, OPEN_REVIEW
from services.runtime.settings import TemporalSettings
from services.runtime.temporal import connect
from tests.load.intake import Generator
from tests.load.outcome import Outcome, quantile
from tests.load.rig import Rig
from workflows.incident import WORKFLOW, workflow_id
from workflows.router import INCIDENT_QUEUE

HOLD_SECONDS = 2.0
HOLD_BEHIND_SECONDS = 3.0
BACKLOG = 10_000
SERVICES = ("directory", "intake", "review", "actions", "workflows")
_PATIENCE_SECONDS = 60


def measure(rig: Rig, *, quick: bool) -> Outcome:
    """Report, triage and report danger, each a moment after the one before; see when the process did what follows."""
    with rig.running(*SERVICES):
        waits = asyncio.run(_measure(rig, 8 if quick else 50))
    return _outcome("latency", waits, "told", HOLD_SECONDS, "idle")


def measure_behind(rig: Rig, *, quick: bool) -> Outcome:
    """The same for danger, while ten thousand low-risk reports that were just accepted wait in outbox, Kafka, Temporal."""
    backlog = 1_000 if quick else BACKLOG
    with rig.running(*SERVICES), contextlib.closing(Generator()) as generator:
        order = {
            "port": rig.ports["intake"], "path": "/incidents", "seconds": 3.0,
            "headers": {"Authorization": f"Bearer {rig.token('carer')}"}, "body": _report(rig, danger=False),
        }  # fmt: skip
        accepted = 0
        while accepted < backlog:
            accepted += sum(generator.load(order)["statuses"].values())
        waits, waiting = asyncio.run(_measure_behind(rig, 8 if quick else 50))
    outcome = _outcome("latency-behind", waits, "told", HOLD_BEHIND_SECONDS, f"behind {backlog} low-risk reports")
    outcome.numbers["backlog"] = {"accepted": accepted, "without_a_first_task_before": waiting[0], "after": waiting[1]}
    outcome.result += f"; {accepted} accepted, {waiting[0]} waiting at the begin, {waiting[1]} at the end"
    if waiting[1] == 0:
        outcome.held = False  # the backlog was gone before the last was told: nothing was shown
    return outcome


def _outcome(name: str, waits: dict[str, list[float]], held_by: str, limit: float, when: str) -> Outcome:
    shown = {name: (1000 * quantile(found, 0.5), 1000 * quantile(found, 0.99)) for name, found in waits.items()}
    words = {
        "begun": "process begun", "reviewed": "review opened", "called": "danger: first rung called",
        "told": "danger: first notice given",
    }  # fmt: skip
    return Outcome(
        name=name,
        result=", ".join(f"{words[part]} {p50:.0f}/{p99:.0f} ms" for part, (p50, p99) in shown.items()) + " (p50/p99)",
        holds=f"danger: p99 <= {limit:.0f} s, {when}",
        held=shown[held_by][1] <= 1000 * limit,
        numbers={
            name: {"p50_ms": p50, "p99_ms": p99, "samples": len(waits[name])} for name, (p50, p99) in shown.items()
        },
    )


async def _measure(rig: Rig, count: int) -> dict[str, list[float]]:
    client = await client_of(rig)
    manager = rig.token("registered_manager")
    async with httpx.AsyncClient(timeout=30) as http:
        desk = Desk(http, rig)
        await desk.staff()
        # The consumer groups have formed once a first report has got through.
        first, _ = await desk.report(manager, danger=False)
        await event_of(client, first, first_task)
        reported, triaged, danger = [], [], []
        for _ in range(count):
            reported.append(await desk.report(manager, danger=False))
            triaged.append((reported[-1][0], await desk.triage(manager, reported[-1][0])))
            danger.append(await desk.report(manager, danger=True))
    return {
        "begun": [await event_of(client, name, first_task) - replied for name, replied in reported],
        "reviewed": [await event_of(client, name, completed(OPEN_REVIEW)) - replied for name, replied in triaged],
        "called": [await event_of(client, name, completed(ESCALATE)) - replied for name, replied in danger],
        "told": [await event_of(client, name, completed(DELIVER_NOTICE)) - replied for name, replied in danger],
    }


async def _measure_behind(rig: Rig, count: int) -> tuple[dict[str, list[float]], tuple[int, int]]:
    client, manager = await client_of(rig), rig.token("registered_manager")
    engine = rig.engine("intake_system")
    async with httpx.AsyncClient(timeout=30) as http:
        desk = Desk(http, rig)
        await desk.staff()
        before = await _waiting(engine, client)
        danger = []
        for _ in range(count):
            await asyncio.sleep(0.6)  # about as often as in the idle measurement: once in three quarters of a second
            danger.append(await desk.report(manager, danger=True))
        told = [await event_of(client, name, completed(DELIVER_NOTICE)) - replied for name, replied in danger]
        called = [await event_of(client, name, completed(ESCALATE)) - replied for name, replied in danger]
        after = await _waiting(engine, client)
    engine.dispose()
    return {"called": called, "told": told}, (before, after)


async def _waiting(engine: Engine, client: Client) -> int:
    """Reports whose process has not begun: not published, not started, or without a first task completed."""
    with engine.connect() as connection:
        accepted = connection.scalar(text("select count(*) from intake.incident where stage = 'reported'")) or 0
        unpublished = connection.scalar(text("select count(*) from intake.outbox where published_at is null")) or 0
    started = (await client.count_workflows(f"WorkflowType = '{WORKFLOW}'")).count
    return max(accepted - started, unpublished, 0) + await backlog(client)


async def backlog(client: Client) -> int:
    """Tasks of incidents' processes that wait for a worker, as the server estimates them."""
    queue = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=INCIDENT_QUEUE),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, report_stats=True,
        )
    )  # fmt: skip
    return int(queue.stats.approximate_backlog_count)


async def client_of(rig: Rig) -> Client:
    settings = TemporalSettings(temporal_address=rig.temporal, temporal_codec_keys=SecretStr(rig.codec_keys))
    return await connect(settings)


def _report(rig: Rig, *, danger: bool) -> dict[str, Any]:
    return {
        "location_id": str(rig.location_id), "occurred_at": datetime.now(UTC).isoformat(),
        "category": "environment", "immediate_danger": danger, "narrative": "A door that should be shut stood open.",
    }  # fmt: skip


class Desk:
    """Somebody who reports and triages, a little irregularly."""

    def __init__(self, http: httpx.AsyncClient, rig: Rig) -> None:
        self._http, self._rig, self._chance = http, rig, random.Random(1)

    async def staff(self) -> None:
        """The provider with its location and somebody to call, unless they are there."""
        admin = self._rig.token("platform_admin")
        location = {
            "location_id": str(self._rig.location_id), "cqc_location_id": "1-100000001", "name": "Bench", "beds": 30,
        }  # fmt: skip
        roles = [{"role": role} for role in ("shift_lead", "on_call_manager", "registered_manager")]
        person = {"display_name": "Bench", "roles": roles}
        with contextlib.suppress(RuntimeError):  # another measurement on these servers was here before
            await self.post("directory", "/providers", {"name": "Bench"}, admin)
            await self.post("directory", "/locations", location, admin)
            await self.post("directory", "/people", person, admin)

    async def report(self, token: str, *, danger: bool) -> tuple[str, float]:
        """The incident's id, and when the reply came."""
        await self._pause()
        answer = await self.post("intake", "/incidents", _report(self._rig, danger=danger), token)
        return answer["incident_id"], time.time()

    async def triage(self, token: str, incident_id: str) -> float:
        """When the reply came."""
        await self._pause()
        before = await self._http.get(
            f"http://127.0.0.1:{self._rig.ports['intake']}/incidents/{incident_id}/earlier",
            headers={"Authorization": f"Bearer {token}"},
        )
        body = {
            "actual_harm": "none", "consequence": 1, "likelihood": 2, "reason": "Nobody was near.",
            "earlier_seen": before.json()["total"],
        }  # fmt: skip
        await self.post("intake", f"/incidents/{incident_id}/triage", body, token, version=1)
        return time.time()

    async def post(self, service: str, path: str, body: Any, token: str, version: int | None = None) -> Any:
        """The reply; raises if it is a refusal."""
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid.uuid4())}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        url = f"http://127.0.0.1:{self._rig.ports[service]}{path}"
        answer = await self._http.post(url, json=body, headers=headers)
        if answer.is_error:
            raise RuntimeError(f"{path} answered {answer.status_code}: {answer.text[:200]}")
        return answer.json()

    async def _pause(self) -> None:
        await asyncio.sleep(self._chance.uniform(0.1, 0.3))


_When = Callable[[list[HistoryEvent]], HistoryEvent | None]


async def event_of(client: Client, incident_id: str, when: _When) -> float:
    """When the event of the process that `when` picks happened, by the server's clock, which is this machine's."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            history = await client.get_workflow_handle(workflow_id(incident_id)).fetch_history()
        except RPCError:
            found = None
        else:
            found = when(list(history.events))
        if found is not None:
            return found.event_time.ToNanoseconds() / 1e9
        await asyncio.sleep(0.1)
    raise RuntimeError("a report was not acted on")


def first_task(events: list[HistoryEvent]) -> HistoryEvent | None:
    return next((e for e in events if e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED), None)


def completed(activity: str) -> _When:
    def when(events: list[HistoryEvent]) -> HistoryEvent | None:
        asked = {
            e.event_id for e in events if e.activity_task_scheduled_event_attributes.activity_type.name == activity
        }
        return next((e for e in events if e.activity_task_completed_event_attributes.scheduled_event_id in asked), None)

    return when
