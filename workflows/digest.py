"""One routine word a day: whoever has something waiting is told once, and by day. What cannot wait has the ladder.

Runs on a Temporal schedule.
"""

from datetime import timedelta
from itertools import groupby

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from services.contracts import activities
    from workflows import process_clock

PAGE = 1000
_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=5), backoff_coefficient=2, maximum_interval=timedelta(minutes=10)
)
_PATIENCE = timedelta(hours=12)
"""A mail server may be away for so long; after that tomorrow's word is the better one."""


@workflow.defn(name="DigestWorkflow")
class DigestWorkflow:
    """The digest of one day, to the people of all providers."""

    @workflow.run
    async def run(self) -> int:
        """Answers how many were sent."""
        day = process_clock.current().at(workflow.now()).date()
        sent, after = 0, None
        while True:
            page: activities.WaitingPage = await workflow.execute_activity(
                activities.LIST_WAITING,
                activities.ListWaiting(after=after, limit=PAGE),
                task_queue=activities.INTAKE_QUEUE,
                result_type=activities.WaitingPage,
                start_to_close_timeout=timedelta(minutes=1),
                retry_policy=_RETRY,
            )
            for provider_id, waiting in groupby(page.waiting, key=lambda one: one.provider_id):
                sent += await self._send(activities.SendDigest(provider_id=provider_id, day=day, waiting=list(waiting)))
            if len(page.waiting) < PAGE:
                return sent
            after = page.waiting[-1]

    async def _send(self, command: activities.SendDigest) -> int:
        try:
            delivered: activities.Delivered = await workflow.execute_activity(
                activities.SEND_DIGEST,
                command,
                task_queue=activities.DIRECTORY_QUEUE,
                result_type=activities.Delivered,
                start_to_close_timeout=timedelta(minutes=10),
                schedule_to_close_timeout=_PATIENCE,
                retry_policy=_RETRY,
            )
        except ActivityError:
            workflow.logger.warning("a digest was given up", extra={"provider_id": str(command.provider_id)})
            return 0
        return delivered.sent
