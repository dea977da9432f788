"""How soon the process acts on a report: the whole stack, nothing else to do. Read off the process's own history."""

import asyncio
import random
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import SecretStr
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.service import RPCError

from services.contracts.activities import ESCALATE, OPEN_REVIEW
from services.runtime.settings import TemporalSettings
from services.runtime.temporal import connect
from tests.load.outcome import Outcome, quantile
from tests.load.rig import Rig
from workflows.incident import workflow_id

HOLD_SECONDS = 2.0
SERVICES = ("directory", "intake", "review", "actions", "workflows")
_PATIENCE_SECONDS = 20


def measure(rig: Rig, *, quick: bool) -> Outcome:
    """Report, triage and report danger, each a moment after the one before; see when the process did what follows."""
    with rig.running(*SERVICES):
        waits = asyncio.run(_measure(rig, 8 if quick else 50))
    shown = {name: (1000 * quantile(found, 0.5), 1000 * quantile(found, 0.99)) for name, found in waits.items()}
    held = shown["called"][1] <= 1000 * HOLD_SECONDS
    return Outcome(
        name="latency",
        result=f"process begun {shown['begun'][0]:.0f}/{shown['begun'][1]:.0f} ms, review opened"
        f" {shown['reviewed'][0]:.0f}/{shown['reviewed'][1]:.0f} ms, danger: first rung called"
        f" {shown['called'][0]:.0f}/{shown['called'][1]:.0f} ms (p50/p99)",
        holds=f"danger: p99 <= {HOLD_SECONDS:.0f} s, idle",
        held=held,
        numbers={
            name: {"p50_ms": p50, "p99_ms": p99, "samples": len(waits[name])} for name, (p50, p99) in shown.items()
        },
    )


async def _measure(rig: Rig, count: int) -> dict[str, list[float]]:
    settings = TemporalSettings(temporal_address=rig.temporal, temporal_codec_keys=SecretStr(rig.codec_keys))
    client = await connect(settings)
    manager, admin = rig.token("registered_manager"), rig.token("platform_admin")
    async with httpx.AsyncClient(timeout=30) as http:
        desk = _Desk(http, rig)
        location = {"location_id": str(rig.location_id), "cqc_location_id": "1-100000001", "name": "Bench", "beds": 30}
        await desk.post("directory", "/providers", {"name": "Bench"}, admin)
        await desk.post("directory", "/locations", location, admin)
        # The consumer groups have formed once a first report has got through.
        first, _ = await desk.report(manager, danger=False)
        await _event(client, first, _first_task)
        reported, triaged, danger = [], [], []
        for _ in range(count):
            reported.append(await desk.report(manager, danger=False))
            triaged.append((reported[-1][0], await desk.triage(manager, reported[-1][0])))
            danger.append(await desk.report(manager, danger=True))
    return {
        "begun": [await _event(client, name, _first_task) - replied for name, replied in reported],
        "reviewed": [await _event(client, name, _completed(OPEN_REVIEW)) - replied for name, replied in triaged],
        "called": [await _event(client, name, _completed(ESCALATE)) - replied for name, replied in danger],
    }


class _Desk:
    """Somebody who reports and triages, a little irregularly."""

    def __init__(self, http: httpx.AsyncClient, rig: Rig) -> None:
        self._http, self._rig, self._chance = http, rig, random.Random(1)

    async def report(self, token: str, *, danger: bool) -> tuple[str, float]:
        """The incident's id, and when the reply came."""
        await self._pause()
        body = {
            "location_id": str(self._rig.location_id), "occurred_at": datetime.now(UTC).isoformat(),
            "category": "environment", "immediate_danger": danger, "narrative": "A door that should be shut stood open.",
        }  # fmt: skip
        answer = await self.post("intake", "/incidents", body, token)
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


async def _event(client: Client, incident_id: str, when: _When) -> float:
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


def _first_task(events: list[HistoryEvent]) -> HistoryEvent | None:
    return next((e for e in events if e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED), None)


def _completed(activity: str) -> _When:
    def when(events: list[HistoryEvent]) -> HistoryEvent | None:
        asked = {
            e.event_id for e in events if e.activity_task_scheduled_event_attributes.activity_type.name == activity
        }
        return next((e for e in events if e.activity_task_completed_event_attributes.scheduled_event_id in asked), None)

    return when
