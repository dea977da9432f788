"""Patterns are looked for by themselves: one provider after another, on a Temporal schedule, never in a request."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from services.contracts import activities

_RETRY = RetryPolicy(initial_interval=timedelta(seconds=5), maximum_interval=timedelta(minutes=5))
_PATIENCE = timedelta(hours=1)
"""One provider's trouble must not keep the others waiting: the next run tries again."""


@workflow.defn(name="PatternsWorkflow")
class PatternsWorkflow:
    """One look at every provider."""

    @workflow.run
    async def run(self) -> int:
        """Answers how many signals were raised or came back."""
        listed: activities.Providers = await workflow.execute_activity(
            activities.LIST_PROVIDERS,
            task_queue=activities.REPORTING_QUEUE,
            result_type=activities.Providers,
            start_to_close_timeout=timedelta(minutes=1),
            retry_policy=_RETRY,
        )
        raised = 0
        for provider_id in listed.providers:
            try:
                found: activities.Searched = await workflow.execute_activity(
                    activities.SEARCH_PATTERNS,
                    activities.SearchPatterns(provider_id=provider_id),
                    task_queue=activities.REPORTING_QUEUE,
                    result_type=activities.Searched,
                    start_to_close_timeout=timedelta(minutes=10),
                    schedule_to_close_timeout=_PATIENCE,
                    retry_policy=_RETRY,
                )
                raised += found.raised + found.returned
            except ActivityError:
                workflow.logger.warning("a look for patterns was given up", extra={"provider_id": str(provider_id)})
        return raised
