"""Glass that was broken about an incident that had ended: those who need to know are told until one of them answers."""

from datetime import timedelta
from uuid import UUID

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from services.contracts import activities
    from workflows.concern import tell, until

WORKFLOW = "GlassWorkflow"

_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=3, maximum_interval=timedelta(minutes=10)
)


class GlassCase(BaseModel):
    """What the process carries from run to run."""

    break_glass_id: UUID
    incident_id: UUID
    provider_id: UUID
    looks: int = 0


def workflow_id(break_glass_id: object) -> str:
    """The one process of a broken glass."""
    return f"glass-{break_glass_id}"


@workflow.defn(name=WORKFLOW)
class GlassWorkflow:
    """From the break to somebody's answer. The incident itself, which has ended, has no process any more."""

    @workflow.run
    async def run(self, case: GlassCase) -> None:
        """Ends when somebody other than who broke it has answered."""
        while True:
            watch: activities.ConcernWatch = await workflow.execute_activity(
                activities.WATCH_GLASS,
                activities.WatchGlass(**case.model_dump()),
                task_queue=activities.INTAKE_QUEUE,
                result_type=activities.ConcernWatch,
                start_to_close_timeout=timedelta(minutes=1),
                retry_policy=_RETRY,
            )
            if not watch.waits:
                return
            await tell(
                watch,
                provider_id=case.provider_id,
                record_id=case.incident_id,
                about=case.break_glass_id,
                looks=case.looks,
                path=f"/incidents/{case.incident_id}",
            )
            case.looks += 1
            await until(watch.next_at)
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(case)
