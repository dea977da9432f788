"""The yardstick of the process: a workflow that does nothing, in as many activities, waits, timers and signals."""

from datetime import timedelta

from temporalio import workflow

NAME = "Trivial"
ACTIVITY = "trivial.answer"
SIGNAL = "go"

LIFE = ("wait", "ask", "ask", "wait", "ask", "ask", "wait", "ask", "wait", "ask", "ask", "wait", "ask", "sleep", "ask", "wait", "ask")  # fmt: skip
"""An incident's life, step by step: a wait ends with a signal, or a timer that is never reached."""

_PLANNED = 5
"""The signal from which on the sleep counts: it plans the checkpoint."""


@workflow.defn(name=NAME)
class Trivial:
    """Walks through the steps. The first signal comes with the start."""

    def __init__(self) -> None:
        self._signals = 0

    @workflow.signal(name=SIGNAL)
    def go(self, _: str) -> None:
        """One step may go on."""
        self._signals += 1

    @workflow.run
    async def run(self, sleep: float) -> None:
        """As many activities, waits and timers as an incident has."""
        taken = 1
        due = workflow.now()
        for step, kind in enumerate(LIFE):
            if kind == "ask":
                await workflow.execute_activity(ACTIVITY, step, start_to_close_timeout=timedelta(seconds=30))
            elif kind == "wait":
                taken += 1
                await workflow.wait_condition(lambda taken=taken: self._signals >= taken, timeout=timedelta(days=7))
                due = workflow.now() + timedelta(seconds=sleep) if taken == _PLANNED else due
            else:
                await workflow.sleep(max(due - workflow.now(), timedelta(milliseconds=1)))


@workflow.defn(name="Empty")
class Empty:
    """Ends at once."""

    @workflow.run
    async def run(self) -> None:
        """Nothing."""
