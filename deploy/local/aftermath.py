"""What a run leaves that was killed: processes to end, and a clock to stop where that run ended."""

from datetime import UTC, datetime

from deploy.local import processes
from deploy.local.clock_file import ClockFile
from deploy.local.state import Stack


def clear(record: Stack, clock: ClockFile) -> list[str]:
    """Leave nothing running and the clock standing still. Answers the names of the parts that had to be ended.

    If some were alive they may have looked at the clock until now; if none was, it stops at the last sign of life.
    Only for the holder of the folder's lock.
    """
    ended = processes.end_survivors(record)
    clock.freeze(datetime.now(UTC) if ended else clock.last_sign_of_life())
    return ended
