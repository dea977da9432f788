"""Has the schedule of patterns look now, and waits until it has."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from temporalio.client import Client, ScheduleOverlapPolicy

from deploy.local.state import Stack
from workflows.schedules import PATTERNS

_PATIENCE = timedelta(seconds=60)
_AGAIN_SECONDS = 0.2


def look(stack: Stack) -> None:
    """What happens by itself every hour of real time happens now. Returns when a look that began after the call is over.

    Raises TimeoutError if none is in a minute.
    """
    # Whoever plays may have an event loop in this thread.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, asyncio.wait_for(_look(stack), _PATIENCE.total_seconds())).result()


async def _look(stack: Stack) -> None:
    client = await Client.connect(stack.part("temporal").address)
    schedule = client.get_schedule_handle(PATTERNS)
    before = (await schedule.describe()).info.num_actions
    # One that is about to end would swallow a second: then it comes afterwards.
    await schedule.trigger(overlap=ScheduleOverlapPolicy.BUFFER_ONE)
    while True:
        info = (await schedule.describe()).info
        if info.num_actions > before and not info.running_actions:
            return
        await asyncio.sleep(_AGAIN_SECONDS)
