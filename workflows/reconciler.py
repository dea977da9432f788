"""No incident, and no theme, may fall silently out of the chain: compare open records with running workflows, repair, and say so.

Runs on a Temporal schedule. An open record without a running workflow is an orphan: its events are sent again from the
outboxes, which starts the workflow anew and leads it to where the records are. A workflow that still runs for an ended
record is told again how it ended.
"""

from datetime import timedelta
from uuid import UUID

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from services.contracts import activities
    from services.contracts.taxonomy import CaseKind

PAGE = 500
# Younger incidents may simply not have come through Kafka yet. Real time, from the time in the UUID (version 7).
GRACE_SECONDS = 120

_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))


_LISTED = {
    CaseKind.INCIDENT: (activities.LIST_OPEN_INCIDENTS, activities.INTAKE_QUEUE),
    CaseKind.THEME: (activities.LIST_OPEN_THEMES, activities.REVIEW_QUEUE),
}
"""Who knows which records are open."""


class Look(BaseModel):
    """A page of open incidents, or themes, and the range of ids that it covers, for comparison with what runs."""

    open: list[activities.OpenIncident]
    after: UUID | None
    last: bool
    grace_seconds: int = GRACE_SECONDS
    kind: CaseKind = CaseKind.INCIDENT


class Found(BaseModel):
    """What did not match."""

    orphans: list[activities.OpenIncident]
    strays: list[activities.OpenIncident]


class Outcome(BaseModel):
    """What one run found and repaired."""

    looked_at: int = 0
    orphans: int = 0
    strays: int = 0


@workflow.defn(name="ReconcileWorkflow")
class ReconcileWorkflow:
    """One comparison of all open records with all running workflows."""

    @workflow.run
    async def run(self, grace_seconds: int) -> Outcome:
        """Answers what was found; repairs go on after it has ended."""
        outcome = Outcome()
        for kind in CaseKind:
            await self._reconcile(kind, grace_seconds, outcome)
        await workflow.execute_activity(
            "reconciler.report", outcome, start_to_close_timeout=timedelta(seconds=10), retry_policy=_RETRY
        )
        return outcome

    async def _reconcile(self, kind: CaseKind, grace_seconds: int, outcome: Outcome) -> None:
        after = None
        listing, queue = _LISTED[kind]
        while True:
            page: activities.OpenIncidents = await workflow.execute_activity(
                listing,
                activities.ListOpenIncidents(after=after, limit=PAGE),
                task_queue=queue,
                result_type=activities.OpenIncidents,
                start_to_close_timeout=timedelta(seconds=30),
                retry_policy=_RETRY,
            )
            last = len(page.incidents) < PAGE
            found: Found = await workflow.execute_activity(
                "reconciler.compare",
                Look(open=page.incidents, after=after, last=last, grace_seconds=grace_seconds, kind=kind),
                result_type=Found,
                start_to_close_timeout=timedelta(minutes=2),
                retry_policy=_RETRY,
            )
            for item in [*found.orphans, *found.strays]:
                await self._republish(item)
            outcome.looked_at += len(page.incidents)
            outcome.orphans += len(found.orphans)
            outcome.strays += len(found.strays)
            if last:
                break
            after = page.incidents[-1].incident_id

    async def _republish(self, item: activities.OpenIncident) -> None:
        for queue in (activities.INTAKE_QUEUE, activities.REVIEW_QUEUE, activities.ACTIONS_QUEUE):
            command = activities.Republish(
                command_id=f"{workflow.info().run_id}:{item.incident_id}:{queue}",
                provider_id=item.provider_id,
                incident_id=item.incident_id,
            )
            await workflow.execute_activity(
                f"{queue}.{activities.REPUBLISH}",
                command,
                task_queue=queue,
                start_to_close_timeout=timedelta(seconds=30),
                retry_policy=_RETRY,
            )
