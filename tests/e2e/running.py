"""The whole stack in a state folder of its own, with ways to hurt it."""

import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg

from deploy.local import credentials, people, postgres, probes, processes
from deploy.local.state import Home, Stack, State

SPEED = 86400
"""A day a second."""

_LOOP_SECONDS = 0.072
"""What the loop of `slower` takes on the machine on which the speeds of this folder's clocks were chosen."""

PATIENCE = 120.0
"""Seconds after which something that should happen counts as not happening, on a busy machine too."""


@functools.cache
def slower() -> float:
    """How many times as long as there this machine takes for a loop of plain Python, at least 1; clocks run so much slower.

    It is measured in processor time, the best of five: what else runs at the time hardly counts.
    """
    took = []
    for _ in range(5):
        began, total = time.thread_time(), 0
        for i in range(1_000_000):
            total += i * i % 7
        took.append(time.thread_time() - began)
    return max(1.0, min(took) / _LOOP_SECONDS)


def eventually(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """The condition's value as soon as it is true."""
    deadline, pause = time.monotonic() + seconds, 0.1
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(pause)
        pause = min(pause * 1.2, 0.5)
    return value


class RunningStack:
    """Starts, stops and hurts the stack of one state folder."""

    def __init__(self, home: Home) -> None:
        self.home = home

    @property
    def record(self) -> Stack:
        """The stack's record as it stands."""
        return Stack.load(self.home)

    def plumbline(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command as a person would, but not on a terminal."""
        command = [sys.executable, "-m", "deploy.local.cli", "--home", str(self.home.path), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=1200)

    def up(self, *words: str) -> None:
        """Start everything in the background; it must work. Without words: at a day a second, slower on a slow machine."""
        done = self.plumbline("up", "--detach", *(words or (f"--clock-speed={SPEED / slower():.0f}",)))
        assert done.returncode == 0, done.stdout + done.stderr

    def down(self) -> None:
        """Stop everything, whatever state it is in; nothing to do where it is down."""
        if self.home.record.exists():
            with contextlib.suppress(ProcessLookupError):
                self._signal_supervisor(signal.SIGCONT)
            done = self.plumbline("down")
            assert done.returncode == 0, done.stdout + done.stderr

    @contextlib.contextmanager
    def outage(self, name: str) -> Iterator[None]:
        """A part is killed and stays away; afterwards the supervisor starts it again, and it is ready."""
        before = self.record.part(name)
        self._signal_supervisor(signal.SIGSTOP)
        try:
            self.kill(name)
            eventually(lambda: not probes.answers(before.address), f"{name} to be silent")
            yield
        finally:
            self._signal_supervisor(signal.SIGCONT)
        eventually(lambda: self.record.part(name).restarts > before.restarts, f"{name} to be started again")
        self.wait_until_ready()

    def kill(self, name: str) -> None:
        """Kill -9 a part, with all that it started, and wait until it is gone."""
        processes.kill_all(processes.survivors(self.record)[name])

    def wait_until_ready(self) -> None:
        """Until every part is ready: whatever lost what it needed may have been started again too."""
        eventually(
            lambda: all(part.state in (State.READY, State.DONE) for part in self.record.parts), "all parts to be ready"
        )

    def kill_everything(self) -> None:
        """Kill -9 the supervisor first, so that nobody starts anything again, then every part."""
        self._signal_supervisor(signal.SIGKILL)
        record = self.record
        for found in processes.survivors(record).values():
            processes.kill_all(found)
        assert not processes.survivors(record)

    def metrics(self, name: str) -> str:
        """What a part exports."""
        return httpx.get(f"{self.record.url(name)}/metrics").text

    @contextlib.contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        """The database as its owner, each statement on its own."""
        made = postgres.Database.local(self.record.ports["postgres"], credentials.load(self.home).postgres_admin)
        with psycopg.connect(made.admin_url, autocommit=True) as connection:
            yield connection

    def _signal_supervisor(self, number: signal.Signals) -> None:
        supervisor = self.record.supervisor
        process = processes.find(supervisor)
        if process is not None:
            os.kill(process.pid, number)


@contextlib.contextmanager
def at_a_day_a_second(home: Home) -> Iterator[RunningStack]:
    """A whole stack of this folder while the block runs; what people wait for may take as long as on a busy machine."""
    running, usual = RunningStack(home), people.PATIENCE_SECONDS
    people.PATIENCE_SECONDS = PATIENCE
    try:
        running.up()
        yield running
    finally:
        people.PATIENCE_SECONDS = usual
        running.down()
