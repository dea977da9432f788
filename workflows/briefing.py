"""After a briefing went out: whoever owes a return is reminded, and weeks later people are asked again.

Beside the process of the incident, which does not wait for it: an incident may be closed before.
"""

import contextlib
from datetime import timedelta
from uuid import UUID, uuid5

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from services.contracts import activities
    from workflows import process_clock

WORKFLOW = "BriefingWorkflow"
LOOK_SIGNAL = "look"

_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=3, maximum_interval=timedelta(minutes=10)
)
_TIMEOUT = timedelta(minutes=1)
_PATIENCE = timedelta(hours=20)
"""A mail server may be away for so long; the next reminder comes anyway."""
_EVERYWHERE = UUID(int=0)
"""No location: whoever covers the whole provider."""


class BriefingCase(BaseModel):
    """What the process carries from run to run."""

    briefing_id: UUID
    provider_id: UUID


def workflow_id(briefing_id: object) -> str:
    """The one process of a briefing."""
    return f"briefing-{briefing_id}"


@workflow.defn(name=WORKFLOW)
class BriefingWorkflow:
    """From a briefing with something to follow up to the last answer that is waited for."""

    def __init__(self) -> None:
        self._look = False

    @workflow.signal(name=LOOK_SIGNAL)
    def look(self) -> None:
        """Something new is waited for."""
        self._look = True

    @workflow.run
    async def run(self, case: BriefingCase) -> None:
        """Ends when nothing is waited for."""
        while True:
            self._look = False
            found: activities.BriefingFollowUp = await workflow.execute_activity(
                activities.FOLLOW_UP_BRIEFING,
                activities.FollowUpBriefing(provider_id=case.provider_id, briefing_id=case.briefing_id),
                task_queue=activities.REVIEW_QUEUE,
                result_type=activities.BriefingFollowUp,
                start_to_close_timeout=_TIMEOUT,
                retry_policy=_RETRY,
            )
            for one in found.tell:
                await self._tell(case, one)
            if found.next_at is None:
                if self._look:
                    continue
                return
            clock = process_clock.current()
            while not self._look and clock.at(workflow.now()) < found.next_at:
                delay = max(clock.real_delay(workflow.now(), found.next_at), timedelta(milliseconds=1))
                with contextlib.suppress(TimeoutError):
                    await workflow.wait_condition(lambda: self._look, timeout=delay)
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(case)

    async def _tell(self, case: BriefingCase, one: activities.ToTell) -> None:
        person_id = one.person_id
        if person_id is None and one.role is not None:
            command = activities.ResolveOnCall(
                command_id=f"{case.briefing_id}:{one.about}",
                provider_id=case.provider_id,
                incident_id=case.briefing_id,
                location_id=one.location_id or _EVERYWHERE,
                role=one.role,
            )
            on_call: activities.OnCall = await workflow.execute_activity(
                activities.RESOLVE_ON_CALL,
                command,
                task_queue=activities.DIRECTORY_QUEUE,
                result_type=activities.OnCall,
                start_to_close_timeout=_TIMEOUT,
                retry_policy=_RETRY,
            )
            person_id = on_call.person_id
        if person_id is None:
            workflow.logger.warning("nobody holds the role that is to be told", extra={"role": str(one.role)})
            return
        notice_id = uuid5(case.briefing_id, f"{one.about}:{person_id}")
        notice = activities.DeliverNotice(
            command_id=f"{case.briefing_id}:{one.about}:{person_id}",
            provider_id=case.provider_id,
            incident_id=case.briefing_id,
            notice_id=notice_id,
            person_id=person_id,
            path=f"/briefings/{case.briefing_id}",
            urgent=one.urgent,
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
            workflow.logger.warning("a notice was given up", extra={"notice_id": str(notice_id)})
