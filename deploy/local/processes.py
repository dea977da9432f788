"""Finding and ending the stack's processes by number and start time, never by name.

Each process the stack starts carries a mark in its environment: the part's name and the state folder. What it starts
itself inherits the mark. So a later `up` or `down` finds all that a killed supervisor left behind, and nothing else.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from deploy.local.state import Identity, Stack

GRACE_SECONDS = 10.0
_MARK = "PLUMBLINE_PART"
# Start times are derived from the boot time, which moves when the machine's clock is set.
_TOLERANCE_SECONDS = 2.0


def mark(part: str, home: Path) -> dict[str, str]:
    """The environment variable by which a process of the stack is known."""
    return {_MARK: f"{part}@{home}"}


def identify(pid: int) -> Identity:
    """The identity of a running process; for one that has just gone, one that matches nothing."""
    try:
        return Identity(pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return Identity(pid, 0.0)


def find(identity: Identity | None) -> psutil.Process | None:
    """The process, if it still runs and is the same one."""
    if identity is None:
        return None
    try:
        process = psutil.Process(identity.pid)
        same = abs(process.create_time() - identity.started) < _TOLERANCE_SECONDS
        return process if same and _runs(process) else None
    except psutil.NoSuchProcess:
        return None


def working_in(folder: Path) -> list[psutil.Process]:
    """The processes whose working folder this is. PostgreSQL's all work in its data folder, and hide their environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.cwd() == str(folder):
                found.append(process)
    return found


def survivors(stack: Stack) -> dict[str, list[psutil.Process]]:
    """What still runs of a stack, by part. Both the marks and the record are asked: each knows what the other may not."""
    found: dict[str, list[psutil.Process]] = {}
    suffix = f"@{stack.home.path}"
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            marked = process.environ().get(_MARK, "")
            if marked.endswith(suffix) and process.pid != os.getpid():
                found.setdefault(marked.removesuffix(suffix), []).append(process)
    for part in stack.parts:
        recorded = find(part.process)
        if recorded is not None and recorded not in found.get(part.name, []):
            found.setdefault(part.name, []).append(recorded)
    for process in working_in(stack.home.postgres):
        if process not in found.get("postgres", []):
            found.setdefault("postgres", []).append(process)
    return found


def end_survivors(stack: Stack) -> list[str]:
    """End what still runs of a stack whose supervisor is gone, PostgreSQL last. Answers the names of the parts."""
    found = survivors(stack)
    databases = found.pop("postgres", [])
    _end([process for processes in found.values() for process in processes], signal.SIGTERM)
    _end(databases, signal.SIGINT)
    return [*found, *(["postgres"] if databases else [])]


def kill_all(targets: Iterable[psutil.Process]) -> None:
    """End processes at once, and wait until they are gone."""
    _signal_and_wait(list(targets), signal.SIGKILL)


def _end(targets: list[psutil.Process], gently: signal.Signals) -> None:
    kill_all(_signal_and_wait(targets, gently))


def _signal_and_wait(targets: list[psutil.Process], number: signal.Signals) -> list[psutil.Process]:
    """Signal processes and wait until they are gone. Answers those that are still there after the time of grace."""
    for process in targets:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
    deadline = time.monotonic() + GRACE_SECONDS
    while targets and time.monotonic() < deadline:
        time.sleep(0.02)
        targets = [process for process in targets if _runs(process)]
    return targets


def _runs(process: psutil.Process) -> bool:
    """Whether a process still does anything. One that has ended may be listed until its parent has taken note."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
