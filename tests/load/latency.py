"""How soon the process has a report: from the API's reply to the workflow's start, on an idle stack."""

import asyncio
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.service import RPCError

from services.runtime.temporal import data_converter
from tests.load.outcome import Outcome, quantile
from tests.load.rig import Rig
from workflows.incident import workflow_id


async def _report(http: httpx.AsyncClient, rig: Rig, token: str) -> str:
    answer = await http.post(
        f"http://127.0.0.1:{rig.ports['intake']}/incidents",
        headers={"Authorization": f"Bearer {token}", "Idempotency-Key": str(uuid.uuid4())},
        json={
            "location_id": str(rig.location_id), "occurred_at": datetime.now(UTC).isoformat(), "category": "fall",
            "immediate_danger": False, "narrative": "Slipped in the bathroom.",
        },
    )  # fmt: skip
    answer.raise_for_status()
    incident_id: str = answer.json()["incident_id"]
    return incident_id


async def _until_started(client: Client, incident_id: str) -> float:
    replied = time.time()
    handle = client.get_workflow_handle(workflow_id(incident_id))
    for _ in range(2000):
        try:
            described = await handle.describe()
        except RPCError:
            await asyncio.sleep(0.005)
            continue
        return max(described.start_time.timestamp() - replied, 0.0)
    raise RuntimeError("a report never reached the process engine")


async def _measure(rig: Rig, *, quick: bool) -> Outcome:
    client = await Client.connect(rig.temporal, data_converter=data_converter(SecretStr(rig.codec_keys)))
    token, waits = rig.token("carer"), []
    async with httpx.AsyncClient(timeout=30) as http:
        await _until_started(client, await _report(http, rig, token))
        for _ in range(20 if quick else 100):
            waits.append(await _until_started(client, await _report(http, rig, token)))
    p50, p99 = quantile(waits, 0.5), quantile(waits, 0.99)
    numbers: dict[str, Any] = {"p50_s": round(p50, 4), "p99_s": round(p99, 4), "reports": len(waits)}
    return Outcome(
        name="latency",
        result=f"report to process: p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms",
        numbers=numbers,
    )


def measure(rig: Rig, *, quick: bool) -> Outcome:
    """Reports one after the other through intake, its relay, the broker and the router."""
    with rig.running("intake", "workflows"):
        return asyncio.run(_measure(rig, quick=quick))
