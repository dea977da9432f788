"""What the reconciler asks of Temporal itself."""

import asyncio
import time
from collections.abc import Callable, Sequence
from uuid import UUID

from prometheus_client import Counter, Gauge
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from services.contracts.activities import OpenIncident
from services.contracts.taxonomy import CaseKind
from workflows import incident, thematic
from workflows.reconciler import GRACE_SECONDS, Found, Look, Outcome
from workflows.search_attributes import PROVIDER

ORPHANS = Gauge("plumbline_orphan_incidents", "Open incidents and themes without a running process at the last look.")
REPAIRED = Counter("plumbline_orphan_incidents_repaired_total", "Orphans whose process was started again.")
STRAYS = Counter("plumbline_stray_processes_total", "Processes found running for an incident or theme that had ended.")
LAST = Gauge("plumbline_reconciler_last_run_timestamp_seconds", "When the reconciler last finished.")


_PROCESSES: dict[CaseKind, tuple[str, Callable[[object], str]]] = {
    CaseKind.INCIDENT: (incident.WORKFLOW, incident.workflow_id),
    CaseKind.THEME: (thematic.WORKFLOW, thematic.workflow_id),
}


class ReconcilerActivities:
    """What the reconciler asks of Temporal itself."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @activity.defn(name="reconciler.compare")
    async def compare(self, look: Look) -> Found:
        """Compare a page of open records with what runs. Visibility lags, so each mismatch is confirmed one by one."""
        workflow, workflow_id = _PROCESSES[look.kind]
        query = f"WorkflowType = '{workflow}' AND ExecutionStatus = 'Running'"
        if look.after is not None:
            query += f" AND WorkflowId > '{workflow_id(look.after)}'"
        if not look.last:
            query += f" AND WorkflowId <= '{workflow_id(look.open[-1].incident_id)}'"
        running = {execution.id async for execution in self._client.list_workflows(query, page_size=1000)}
        known = {workflow_id(item.incident_id): item for item in look.open}
        oldest = time.time() - look.grace_seconds
        missing = [known[name] for name in known if name not in running and _made_at(known[name]) < oldest]
        orphans = await self._confirmed(missing, workflow_id)
        strays = await self._strays([name for name in running if name not in known])
        return Found(orphans=orphans, strays=strays)

    async def _confirmed(
        self, missing: Sequence[OpenIncident], workflow_id: Callable[[object], str]
    ) -> list[OpenIncident]:
        gate = asyncio.Semaphore(20)

        async def runs(item: OpenIncident) -> bool:
            async with gate:
                try:
                    described = await self._client.get_workflow_handle(workflow_id(item.incident_id)).describe()
                except RPCError as error:
                    if error.status == RPCStatusCode.NOT_FOUND:
                        return False
                    raise
                return described.status == WorkflowExecutionStatus.RUNNING

        found = await asyncio.gather(*(runs(item) for item in missing))
        return [item for item, running in zip(missing, found, strict=True) if not running]

    async def _strays(self, names: Sequence[str]) -> list[OpenIncident]:
        strays = []
        for name in names:
            described = await self._client.get_workflow_handle(name).describe()
            age = time.time() - described.start_time.timestamp()
            provider = described.typed_search_attributes.get(PROVIDER)
            if described.status == WorkflowExecutionStatus.RUNNING and age > GRACE_SECONDS and provider:
                incident_id = UUID(name.partition("-")[2])
                strays.append(OpenIncident(provider_id=UUID(provider), incident_id=incident_id))
        return strays

    @activity.defn(name="reconciler.report")
    async def report(self, outcome: Outcome) -> None:
        """Export what was found."""
        ORPHANS.set(outcome.orphans)
        REPAIRED.inc(outcome.orphans)
        STRAYS.inc(outcome.strays)
        LAST.set(time.time())


def _made_at(item: OpenIncident) -> float:
    """Seconds since the epoch at which a version 7 UUID was made; other versions count as old."""
    return (item.incident_id.int >> 80) / 1000 if item.incident_id.version == 7 else 0.0
