"""Outside systems are told what happened, on a Temporal schedule: whoever does not answer is tried again by a later run."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from services.contracts import activities

_RETRY = RetryPolicy(initial_interval=timedelta(seconds=5), maximum_interval=timedelta(minutes=1))


@workflow.defn(name="WebhooksWorkflow")
class WebhooksWorkflow:
    """One round of all webhooks."""

    @workflow.run
    async def run(self) -> int:
        """Answers how many events were taken."""
        sent: activities.WebhooksSent = await workflow.execute_activity(
            activities.SEND_WEBHOOKS,
            task_queue=activities.REPORTING_QUEUE,
            result_type=activities.WebhooksSent,
            start_to_close_timeout=timedelta(minutes=10),
            schedule_to_close_timeout=timedelta(minutes=30),
            retry_policy=_RETRY,
        )
        return sent.events
