"""The yardstick of the lifecycle: a workflow that does nothing but as many activities, signals and timers."""

from datetime import timedelta

from temporalio import activity, workflow

TASK_QUEUE = "bench-trivial"
ROUNDS = 6
ACTIVITIES = (0, 2, 2, 1, 2, 3)
"""Activities in each round: as many as the incident's process has between two signals, 10 in all."""


@activity.defn(name="bench.nothing")
async def nothing(_: str) -> None:
    """Answer at once."""


@workflow.defn(name="TrivialWorkflow")
class TrivialWorkflow:
    """Rounds of: wait for a signal against a timer, then run activities."""

    def __init__(self) -> None:
        self._signals = 0

    @workflow.signal(name="event")
    def on_event(self, _: str) -> None:
        """Count."""
        self._signals += 1

    @workflow.run
    async def run(self, payload: str) -> None:
        """All rounds."""
        for number in range(ROUNDS):
            wanted = number + 1
            for _ in range(ACTIVITIES[number]):
                await workflow.execute_activity(nothing, payload, start_to_close_timeout=timedelta(seconds=30))
            try:
                await workflow.wait_condition(lambda wanted=wanted: self._signals >= wanted, timeout=timedelta(days=1))  # type: ignore[misc]
            except TimeoutError:
                return
