"""Running the stack in this process: from the first check of what an earlier run left, to the clock standing still."""

import signal
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console

from deploy.local import aftermath, credentials, parts, ports, progress
from deploy.local.clock_file import HEARTBEAT_SECONDS, ClockFile, ClockSetting
from deploy.local.state import PROJECT, Home, Phase, Stack
from deploy.local.supervisor import Supervisor, set_logs_aside, this_process

_POLL_SECONDS = 0.1
_LOG_CHECK_SECONDS = 10.0


def supervise(home: Home, setting: ClockSetting, only: Sequence[str], console: Console) -> int:
    """Be the supervisor until a signal comes or the start fails."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    record, clock = Stack.last(home), ClockFile(home)
    ended = aftermath.clear(record, clock)
    if ended:
        console.print(f"ended what an earlier run left behind: {', '.join(ended)}", highlight=False)
    set_logs_aside(home.logs)
    record.ports = ports.choose(record.ports, preferred=home == Home(PROJECT / ".plumbline"))
    chosen, record.left_out = parts.select(
        parts.all_parts(home, record.ports, credentials.load(home, parts.role_names())), only
    )
    record.supervisor = this_process()
    clock.beat()
    clock.start(datetime.now(UTC), setting.speed, setting.start)
    supervisor = Supervisor(record, chosen)
    shown = progress.Progress(console)
    supervisor.start()
    with shown.live():
        _keep_going(supervisor, clock, shown, stop, console)
        stopper = threading.Thread(target=supervisor.stop)
        stopper.start()
        while stopper.is_alive():
            stopper.join(_POLL_SECONDS)
            clock.beat()
            shown.show(record)
    clock.freeze(datetime.now(UTC))
    if record.failure is not None:
        progress.show_failure(console, record.failure)
        return 1
    return 0


def _keep_going(
    supervisor: Supervisor, clock: ClockFile, shown: progress.Progress, stop: threading.Event, console: Console
) -> None:
    """Show what happens, leave signs of life, keep logs bounded, until it is time to stop."""
    announced, next_beat, next_look = False, 0.0, 0.0
    while not stop.wait(_POLL_SECONDS) and not supervisor.stopping.is_set():
        now = time.monotonic()
        if now >= next_beat:
            clock.beat()
            next_beat = now + HEARTBEAT_SECONDS / 2
        if now >= next_look:
            supervisor.bound_logs()
            supervisor.save_again()
            next_look = now + _LOG_CHECK_SECONDS
        shown.show(supervisor.record)
        if not announced and supervisor.record.phase is Phase.RUNNING:
            progress.show_addresses(console, supervisor.record)
            announced = True
