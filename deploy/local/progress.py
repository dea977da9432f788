"""What a person sees while the stack starts, runs and stops: a line for each part as it gets there."""

import contextlib
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.local.state import Failure, Phase, Stack, State

_MARKS = {
    State.READY: "[green]ready[/]  ",
    State.DONE: "[green]done[/]   ",
    State.DEAD: "[red]died[/]   ",
    State.STOPPED: "[dim]stopped[/]",
}


class Progress:
    """Prints what changed since it was last shown the record. On a terminal, also what is being waited for."""

    def __init__(self, console: Console, *, only_stops: bool = False) -> None:
        self._console = console
        self._only_stops = only_stops
        self._marks = {State.STOPPED: _MARKS[State.STOPPED]} if only_stops else _MARKS
        self._shown: dict[str, tuple[State, int]] = {}
        self._began = time.monotonic()
        self._status = console.status("starting") if console.is_terminal else None

    @contextlib.contextmanager
    def live(self) -> Iterator[None]:
        """While this lasts, a terminal also shows what is being waited for."""
        if self._status is None:
            yield
            return
        with self._status:
            yield

    def show(self, stack: Stack) -> None:
        """Print a line for each part that has become ready, died or stopped."""
        for name in stack.left_out if not self._shown and not self._only_stops else []:
            self._line(f"left out {name}: its code is not in this checkout", style="yellow")
        for part in stack.parts:
            now = (part.state, part.restarts)
            if self._shown.get(part.name) == now:
                continue
            self._shown[part.name] = now
            if part.state not in self._marks or (part.elsewhere and part.state is State.STOPPED):
                continue
            took = f"{part.took_seconds:5.1f} s" if part.took_seconds is not None and part.state in _UP else "       "
            note = "runs elsewhere" if part.elsewhere else part.note
            note = f"  ({note})" if note and part.state is State.READY else ""
            restarts = f"  (restart {part.restarts})" if part.restarts and part.state is not State.STOPPED else ""
            address = part.address if part.state in _UP else ""
            line = f"{self._marks[part.state]}  {part.name:<18} {took}  {escape(address + note)}{restarts}"
            self._line(line.rstrip())
        if self._status is not None and stack.phase is Phase.RUNNING:
            self._status.stop()
        elif self._status is not None:
            self._status.update(self._waiting(stack))
            self._status.start()

    def _waiting(self, stack: Stack) -> str:
        if stack.phase is Phase.STOPPING:
            return f"stopping: {', '.join(part.name for part in stack.parts if part.state in _ALIVE)}"
        pending = [part.name for part in stack.parts if part.state in (State.STARTING, State.WAITING)]
        return f"{time.monotonic() - self._began:.0f} s  starting: {', '.join(pending)}"

    def _line(self, text: str, style: str | None = None) -> None:
        self._console.print(text, style=style, highlight=False, soft_wrap=True)


_UP = (State.READY, State.DONE)
_ALIVE = (State.STARTING, State.READY)


def show_addresses(console: Console, stack: Stack) -> None:
    """Where everything is, once it runs."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name, address in stack.addresses().items():
        table.add_row(name, address)
    table.add_row("logs", str(stack.home.logs))
    console.print()
    console.print(table, soft_wrap=True)


def show_failure(console: Console, failure: Failure) -> None:
    """Why the stack did not come up, and what to do."""
    console.print(f"\n[bold red]{failure.part}[/] {escape(failure.message)}", highlight=False, soft_wrap=True)
    if failure.tail:
        console.print(f"\nthe last lines of {escape(failure.log)}:", highlight=False, soft_wrap=True)
        for line in failure.tail:
            console.print(f"  {escape(line)}", style="dim", highlight=False, soft_wrap=True)
    console.print(
        f"\n{escape(failure.advice)} Everything that had started was stopped.", highlight=False, soft_wrap=True
    )


def show_status(console: Console, status: dict[str, Any]) -> None:
    """Each part as it is, and the clock."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("part", "state", "pid", "restarts", "up", "address"):
        table.add_column(title)
    for part in status["parts"]:
        up = f"{timedelta(seconds=int(part['uptime_seconds']))}" if part["uptime_seconds"] is not None else ""
        colour = {State.READY: "green", State.DONE: "green", State.DEAD: "red"}.get(part["state"], "yellow")
        state = f"[{colour}]{part['state']}[/]"
        table.add_row(part["name"], state, str(part["pid"] or ""), str(part["restarts"]), up, part["address"])
    console.print(table, highlight=False, soft_wrap=True)
    clock = status["clock"]
    console.print(
        f"\n{status['phase']}; the clock shows {clock['now'][:19]} UTC and runs at {clock['speed']:g} x real time",
        highlight=False,
        soft_wrap=True,
    )
    if status["phase"] == "unsupervised":
        console.print(
            "Its supervisor was killed: 'plumbline up' starts it afresh, 'plumbline down' ends what is left.",
            soft_wrap=True,
        )
