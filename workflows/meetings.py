"""Meetings get their agendas by themselves: each provider's by its own cadence, on Plumbline's clock.

A Temporal schedule sees to it that this process is there; it looks again when the next agenda is due, and each day for
providers and services that are new.
"""

from datetime import datetime, timedelta
from uuid import UUID

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from services.contracts import activities
    from workflows import process_clock

_RETRY = RetryPolicy(initial_interval=timedelta(seconds=5), maximum_interval=timedelta(minutes=5))
_PATIENCE = timedelta(hours=1)
"""One provider's trouble must not keep the others waiting: the next look tries again."""
_DAY = timedelta(days=1)
_REST = timedelta(seconds=20)
"""However fast the clock runs, this much real time passes between two looks."""


@workflow.defn(name="MeetingsWorkflow")
class MeetingsWorkflow:
    """The agendas of all providers."""

    @workflow.run
    async def run(self) -> None:
        """Never ends; begins anew when its history is long."""
        while not workflow.info().is_continue_as_new_suggested():
            listed: activities.Providers = await workflow.execute_activity(
                activities.LIST_PROVIDERS,
                task_queue=activities.REPORTING_QUEUE,
                result_type=activities.Providers,
                start_to_close_timeout=timedelta(minutes=1),
                retry_policy=_RETRY,
            )
            clock = process_clock.current()
            look_at = clock.at(workflow.now()) + _DAY
            for provider_id in listed.providers:
                next_at = await self._compile(provider_id)
                look_at = look_at if next_at is None else min(look_at, next_at)
            await workflow.sleep(max(clock.real_delay(workflow.now(), look_at), _REST))
        workflow.continue_as_new()

    async def _compile(self, provider_id: UUID) -> datetime | None:
        while True:
            try:
                made: activities.CompiledMeetings = await workflow.execute_activity(
                    activities.COMPILE_MEETINGS,
                    activities.CompileMeetings(provider_id=provider_id),
                    task_queue=activities.REPORTING_QUEUE,
                    result_type=activities.CompiledMeetings,
                    start_to_close_timeout=timedelta(minutes=10),
                    schedule_to_close_timeout=_PATIENCE,
                    retry_policy=_RETRY,
                )
            except ActivityError:
                workflow.logger.warning("agendas were given up", extra={"provider_id": str(provider_id)})
                return None
            if not made.more:
                return made.next_at
