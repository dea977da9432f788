"""Bringing the stack up, here or in the background, and bringing it down."""

import subprocess
import sys
import time
from collections.abc import Sequence

from rich.console import Console

from deploy.local import aftermath, processes, progress
from deploy.local.clock_file import ClockFile, ClockSetting
from deploy.local.state import PROJECT, Home, Identity, Phase, Stack, StackError, State

_POLL_SECONDS = 0.1
_STOP_SECONDS = 90.0


def up(home: Home, *, clock: ClockSetting, only: Sequence[str], detach: bool, console: Console) -> int:
    """Bring the stack up. Answers the exit code.

    Here: runs it until a signal comes, and answers when everything has stopped. Detached: answers when everything is
    ready, and leaves it running. If it runs already, that is said and nothing changes.
    """
    running = _running(home)
    if running is not None:
        if running.phase is Phase.STOPPING:
            raise StackError("the stack is just stopping: try again in a moment")
        console.print("the stack is up already; its clock and parts stay as they are", highlight=False)
        assert running.supervisor is not None
        return _follow(home, running.supervisor, console)
    if detach:
        return _detach(home, clock, only, console)
    with home.lock():
        # Imported here because it takes long to load, and 'down' is to be quick.
        from deploy.local.foreground import supervise

        return supervise(home, clock, only, console)


def down(home: Home, console: Console) -> int:
    """Stop the stack, whoever started it and whatever is left of it. The clock stands still from here on."""
    if not home.record.exists():
        console.print("there is no stack to stop")
        return 0
    running = _running(home)
    if running is not None and running.supervisor is not None:
        _stop_supervisor(home, running.supervisor, console)
    with home.lock():
        record = Stack.last(home)
        ended = aftermath.clear(record, ClockFile(home))
        if ended:
            console.print(f"ended what was left behind: {', '.join(ended)}", highlight=False)
        record.phase = Phase.STOPPED
        for part in record.parts:
            part.state = part.state if part.state is State.DONE else State.STOPPED
            part.process = None
        record.save()
    console.print("the stack is down; what it knows is kept in", str(home.path), highlight=False, soft_wrap=True)
    return 0


def _detach(home: Home, clock: ClockSetting, only: Sequence[str], console: Console) -> int:
    """Start the supervisor in the background, and follow it until everything is ready."""
    home.create()
    log = home.log("supervisor")
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
    command = [sys.executable, "-m", "deploy.local.cli", "--home", str(home.path), "up", *clock.options()]
    command += [f"--only={name}" for name in only]
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        return _follow(home, processes.identify(child.pid), console)
    except KeyboardInterrupt:
        console.print("stopping what was started")
        child.terminate()
        child.wait()
        return 1


def _follow(home: Home, supervisor: Identity, console: Console) -> int:
    """Show how a supervisor in the background gets on, until all is ready or it gives up."""
    shown = progress.Progress(console)
    with shown.live():
        while True:
            gone = processes.find(supervisor) is None
            record = Stack.last(home)
            if record.supervisor == supervisor:
                shown.show(record)
                if record.phase is Phase.RUNNING and not gone:
                    break
            if gone:
                break
            time.sleep(_POLL_SECONDS)
    if record.supervisor == supervisor and record.phase is Phase.RUNNING and not gone:
        progress.show_addresses(console, record)
        return 0
    if record.supervisor == supervisor and record.failure is not None:
        progress.show_failure(console, record.failure)
        return 1
    log = home.log("supervisor")
    raise StackError(f"the stack did not start:\n{log.read_text().strip()}\n(from {log})")


def _stop_supervisor(home: Home, supervisor: Identity, console: Console) -> None:
    """Ask a supervisor to stop everything, and wait for it; end it if it takes far too long."""
    process = processes.find(supervisor)
    if process is None:
        return
    process.terminate()
    shown, deadline = progress.Progress(console, only_stops=True), time.monotonic() + _STOP_SECONDS
    with shown.live():
        while processes.find(supervisor) is not None:
            if time.monotonic() > deadline:
                process.kill()
            shown.show(Stack.last(home))
            time.sleep(_POLL_SECONDS)
        shown.show(Stack.last(home))


def _running(home: Home) -> Stack | None:
    record = Stack.last(home)
    return record if processes.find(record.supervisor) is not None else None
