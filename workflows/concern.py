"""A concern that somebody raised: those who review it are told, and told again for as long as nobody answers."""

from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID, uuid5

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from services.contracts import activities
    from services.contracts.identity import EVERYWHERE
    from workflows import process_clock

WORKFLOW = "ConcernWorkflow"

_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=3, maximum_interval=timedelta(minutes=10)
)
_TIMEOUT = timedelta(minutes=1)
_PATIENCE = timedelta(hours=20)
"""A mail server may be away for so long: then the next look comes, and tells again."""


class ConcernCase(BaseModel):
    """What the process carries from run to run."""

    concern_id: UUID
    provider_id: UUID
    looks: int = 0


def workflow_id(concern_id: object) -> str:
    """The one process of a concern."""
    return f"concern-{concern_id}"


@workflow.defn(name=WORKFLOW)
class ConcernWorkflow:
    """From a concern, or a further message, to its answer."""

    @workflow.run
    async def run(self, case: ConcernCase) -> None:
        """Ends when somebody has answered."""
        while True:
            query = activities.WatchConcern(provider_id=case.provider_id, concern_id=case.concern_id, looks=case.looks)
            watch: activities.ConcernWatch = await workflow.execute_activity(
                activities.WATCH_CONCERN,
                query,
                task_queue=activities.INTAKE_QUEUE,
                result_type=activities.ConcernWatch,
                start_to_close_timeout=_TIMEOUT,
                retry_policy=_RETRY,
            )
            if not watch.waits:
                return
            if case.looks == 0 or watch.late:
                await tell(
                    watch,
                    provider_id=case.provider_id,
                    record_id=case.concern_id,
                    about=case.concern_id,
                    looks=case.looks,
                    path=f"/concerns/{case.concern_id}",
                )
            case.looks += 1
            await until(watch.next_at)
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(case)


async def until(at: datetime) -> None:
    """Sleep until a time of the process's clock."""
    clock = process_clock.current()
    while clock.at(workflow.now()) < at:
        await workflow.sleep(max(clock.real_delay(workflow.now(), at), timedelta(milliseconds=1)))


async def tell(
    watch: activities.ConcernWatch, *, provider_id: UUID, record_id: UUID, about: UUID, looks: int, path: str
) -> None:
    """Notify whoever the watch names, and whoever stands now for its roles, each once for a look; never who is away."""
    people = list(watch.people)
    for role in watch.roles:
        command = activities.ResolveOnCall(
            command_id=f"{about}:{looks}:{role}",
            provider_id=provider_id,
            incident_id=record_id,
            location_id=watch.location_id or EVERYWHERE,
            role=role,
        )
        on_call: activities.OnCall = await workflow.execute_activity(
            activities.RESOLVE_ON_CALL,
            command,
            task_queue=activities.DIRECTORY_QUEUE,
            result_type=activities.OnCall,
            start_to_close_timeout=_TIMEOUT,
            retry_policy=_RETRY,
        )
        on_rung = [(on_call.role, on_call.person_id), *((one.role, one.person_id) for one in on_call.others)]
        fit = (one for by, one in on_rung if one is not None and by in watch.roles and one not in watch.away)
        people.extend(islice(fit, 1))
    for person_id in dict.fromkeys(one for one in people if one not in watch.away):
        notice = activities.DeliverNotice(
            command_id=f"{about}:{looks}:{person_id}",
            provider_id=provider_id,
            incident_id=record_id,
            notice_id=uuid5(about, f"{looks}:{person_id}"),
            person_id=person_id,
            path=path,
            urgent=watch.late,
        )
        try:
            await workflow.execute_activity(
                activities.DELIVER_NOTICE,
                notice,
                task_queue=activities.DIRECTORY_QUEUE,
                result_type=activities.Delivered,
                start_to_close_timeout=_TIMEOUT,
                schedule_to_close_timeout=_PATIENCE,
                retry_policy=_RETRY,
            )
        except ActivityError:
            workflow.logger.warning("a notice was given up", extra={"notice_id": str(notice.notice_id)})
