"""A decision or challenge of a meeting: its owner is told, and whoever is called up the line for as long as nobody answers."""

import contextlib
from datetime import timedelta
from uuid import UUID

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel

    from services.contracts import activities
    from workflows import process_clock
    from workflows.concern import tell

WORKFLOW = "ChallengeWorkflow"
LOOK_SIGNAL = "look"

_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=3, maximum_interval=timedelta(minutes=10)
)


class ChallengeCase(BaseModel):
    """What the process carries from run to run. `call` is the last that was told."""

    item_id: UUID
    provider_id: UUID
    call: int = 0


def workflow_id(item_id: object) -> str:
    """The one process of a decision or challenge."""
    return f"challenge-{item_id}"


@workflow.defn(name=WORKFLOW)
class ChallengeWorkflow:
    """From a round to its answer. What is asked again has a process again."""

    def __init__(self) -> None:
        self._look = False

    @workflow.signal(name=LOOK_SIGNAL)
    def look(self) -> None:
        """It was raised, asked again or answered."""
        self._look = True

    @workflow.run
    async def run(self, case: ChallengeCase) -> None:
        """Ends when nobody is waited for. When time runs out, the look itself takes it up a level."""
        while True:
            self._look = False
            watch: activities.GovernanceWatch = await workflow.execute_activity(
                activities.WATCH_GOVERNANCE_ITEM,
                activities.WatchGovernanceItem(provider_id=case.provider_id, item_id=case.item_id),
                task_queue=activities.REPORTING_QUEUE,
                result_type=activities.GovernanceWatch,
                start_to_close_timeout=timedelta(minutes=1),
                retry_policy=_RETRY,
            )
            if not watch.waits:
                if self._look:
                    continue
                return
            if watch.call != case.call:
                await tell(
                    watch,
                    provider_id=case.provider_id,
                    record_id=case.item_id,
                    about=case.item_id,
                    looks=watch.call,
                    path=f"/governance/{case.item_id}",
                )
                case.call = watch.call
            clock = process_clock.current()
            while not self._look and clock.at(workflow.now()) < watch.next_at:
                delay = max(clock.real_delay(workflow.now(), watch.next_at), timedelta(milliseconds=1))
                with contextlib.suppress(TimeoutError):
                    await workflow.wait_condition(lambda: self._look, timeout=delay)
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(case)
