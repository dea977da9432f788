"""Starts the parts, watches them, starts again what dies, and stops them in reverse order.

One thread keeps one part, so that the life of a part reads from top to bottom. Parts are sessions of their own: the
terminal's Ctrl-C reaches only the supervisor, which then stops them in order. If the supervisor itself is killed the
parts go on serving; the next `up` or `down` finds and ends them (see `processes`).
"""

import contextlib
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.local import processes
from deploy.local.parts import Part
from deploy.local.postgres import running_as
from deploy.local.state import PROJECT, Failure, Identity, PartRecord, Phase, Stack, StackError, State

logger = logging.getLogger(__name__)

START_SECONDS = 120.0
ATTEMPTS = 2
LONGEST_PAUSE_SECONDS = 30.0
STABLE_SECONDS = 60.0
TAIL_LINES = 20
LOG_LIMIT_BYTES = 20_000_000

_POLL_SECONDS = 0.1


class Supervisor:
    """Keeps a list of parts running and their record true.

    Until everything has been ready once, a part that cannot be started ends the whole start, with `record.failure`
    saying why. After that nothing ends it but `stop`: a part that dies is started again, at growing intervals.
    """

    def __init__(self, record: Stack, parts: Sequence[Part]) -> None:
        self.record = record
        self.stopping = threading.Event()
        # Held to start a process and to begin stopping: no process can start behind the back of a stop.
        self.starting = threading.Lock()
        self._saving, self._unsaved = threading.Lock(), False
        record.parts = [PartRecord(part.name, part.address, elsewhere=part.command is None) for part in parts]
        self._keepers = {part.name: _Keeper(self, part, entry) for part, entry in zip(parts, record.parts, strict=True)}
        record.phase, record.failure = Phase.STARTING, None
        record.save()

    def start(self) -> None:
        """Begin starting everything; returns at once."""
        for keeper in self._keepers.values():
            keeper.start()

    def wait_for(self, name: str) -> bool:
        """Wait until a part is ready or done. False if the stack is being stopped instead."""
        keeper = self._keepers[name]
        while not self.stopping.is_set():
            if keeper.up.wait(_POLL_SECONDS):
                return True
        return False

    def changed(self) -> None:
        """Save the record after a part has changed; once all have come up, the stack is running."""
        with self._saving:
            everything_up = all(keeper.up.is_set() for keeper in self._keepers.values())
            if self.record.phase is Phase.STARTING and everything_up:
                self.record.phase = Phase.RUNNING
            self._save()

    def save_again(self) -> None:
        """Save the record if it could not be saved when it changed."""
        if self._unsaved:
            with self._saving:
                self._save()

    def _save(self) -> None:
        """Save the record. On a full disk it stays as it was, and nothing else ends by that: parts are kept running."""
        try:
            self.record.save()
        except OSError as error:
            if not self._unsaved:
                logger.warning("the record cannot be saved: %s", error.strerror)
            self._unsaved = True
        else:
            self._unsaved = False

    def fail(self, failure: Failure) -> None:
        """Give up the start. The first reason counts: what follows are its consequences."""
        with self._saving:
            self.record.failure = self.record.failure or failure
        self._begin_stop()

    def stop(self) -> None:
        """Stop everything, dependants before what they depend on: SIGTERM, and SIGKILL to what is left after ten seconds."""
        self._begin_stop()
        with self._saving:
            self.record.phase = Phase.STOPPING
            self._save()
        for layer in reversed(self._layers()):
            for keeper in layer:
                keeper.ask_to_end()
            deadline = time.monotonic() + processes.GRACE_SECONDS
            for keeper in layer:
                keeper.finish(max(deadline - time.monotonic(), 0.0))
        with self._saving:
            self.record.phase = Phase.FAILED if self.record.failure else Phase.STOPPED
            self._save()

    def bound_logs(self) -> None:
        """Keep each log below its limit: what it held moves aside, in place of what was moved aside before."""
        for keeper in self._keepers.values():
            # Not there yet, or no room on the disk to move it aside.
            with contextlib.suppress(OSError):
                if keeper.log.stat().st_size > LOG_LIMIT_BYTES:
                    # Parts append, so truncating under them is safe; a few lines written meanwhile may be lost.
                    _previous(keeper.log).write_bytes(keeper.log.read_bytes())
                    os.truncate(keeper.log, 0)

    def _begin_stop(self) -> None:
        with self.starting:
            self.stopping.set()

    def _layers(self) -> list[list["_Keeper"]]:
        """Parts by how many running parts must stay until they have stopped; a task that has ended holds nobody up."""
        below: dict[str, int] = {}
        layers: dict[int, list[_Keeper]] = {}
        for name, keeper in self._keepers.items():
            layer = max((below[need] for need in keeper.part.needs if need in below), default=0)
            below[name] = layer if keeper.part.once else layer + 1
            layers.setdefault(layer, []).append(keeper)
        return [layers[layer] for layer in sorted(layers)]


class _StartFailed(Exception):
    pass


class _Keeper(threading.Thread):
    """Keeps one part: waits for what it needs, starts it, watches it, starts it again."""

    def __init__(self, supervisor: Supervisor, part: Part, entry: PartRecord) -> None:
        super().__init__(name=part.name, daemon=True)
        self.part = part
        self.up = threading.Event()
        self.log = supervisor.record.home.log(part.name)
        self._supervisor = supervisor
        self._entry = entry
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """The life of the part."""
        try:
            if all(self._supervisor.wait_for(need) for need in self.part.needs):
                self._live()
        except Exception as error:  # noqa: BLE001 - whatever it was, it must be seen
            self._give_up(f"{type(error).__name__}: {error}", "This is a fault in the stack itself: please report it.")
        finally:
            self._end_process()

    def ask_to_end(self) -> None:
        """Ask the part's process to end."""
        process = self._process
        if process is not None:
            process.send_signal(self.part.stop_signal)

    def finish(self, seconds: float) -> None:
        """Wait for the end; after these seconds, force it. The record then says stopped, if it ever ran."""
        self.join(seconds)
        process = self._process
        if process is not None and process.poll() is None:
            logger.warning("%s did not stop in time and was killed", self.part.name)
            process.kill()
        self.join(processes.GRACE_SECONDS)
        if self._entry.state in (State.STARTING, State.READY) or (self.up.is_set() and not self.part.once):
            self._note(State.STOPPED)

    def _live(self) -> None:
        failed, pause = 0, 0.5
        while not self._supervisor.stopping.is_set():
            try:
                self._start()
                if self.part.once:
                    return
                began, failed = time.monotonic(), 0
                what_happened = self._watch()
                if time.monotonic() - began > STABLE_SECONDS:
                    pause = 0.5
            except Exception as error:  # noqa: BLE001 - whatever kept it from starting, it is tried again or told
                if self._supervisor.stopping.is_set():
                    return
                failed += 1
                known = isinstance(error, (_StartFailed, StackError, OSError))
                what_happened = str(error) if known else f"{type(error).__name__}: {error}"
                hopeless = isinstance(error, StackError) or self.part.once or failed == ATTEMPTS
                if hopeless and not self.up.is_set():
                    self._give_up(what_happened)
                    return
            if self._supervisor.stopping.is_set():
                return
            self._end_process()
            self._entry.restarts += 1
            self._note(State.DEAD)
            logger.warning("%s %s; starting it again in %.1f s", self.part.name, what_happened, pause)
            self._supervisor.stopping.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _start(self) -> None:
        """Start the part and wait until it is ready. Raises if it does not get there."""
        began = time.monotonic()
        self._note(State.STARTING)
        if self.part.prepare is not None:
            self._entry.note = self.part.prepare()
        self._spawn()
        if self.part.once:
            self._wait_for_the_task()
        else:
            self._wait_until_ready(began + START_SECONDS)
        if self._supervisor.stopping.is_set():
            return
        if self.part.settle is not None:
            self.part.settle()
        self._entry.took_seconds = round(time.monotonic() - began, 2)
        self._entry.ready_at = time.time()
        self.up.set()
        self._note(State.DONE if self.part.once else State.READY)

    def _spawn(self) -> None:
        """Start the process, unless the stack is being stopped or the part runs elsewhere."""
        if self.part.command is None:
            return
        with self._supervisor.starting, self.log.open("ab") as log:
            if self._supervisor.stopping.is_set():
                return
            if self._entry.restarts:
                log.write(f"--- plumbline: restart {self._entry.restarts} ---\n".encode())
                log.flush()
            self._process = subprocess.Popen(
                self.part.command,
                env=self._environment(),
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,
                **running_as(self.part.account),
            )
        self._entry.process = processes.identify(self._process.pid)
        self._note(State.STARTING)

    def _wait_for_the_task(self) -> None:
        if self._process is not None and self._process.wait() != 0:
            raise _StartFailed(_ending(self._process.returncode))

    def _wait_until_ready(self, deadline: float) -> None:
        while not self._supervisor.stopping.is_set():
            if self._process is not None and self._process.poll() is not None:
                raise _StartFailed(f"{_ending(self._process.returncode)} before it was ready")
            # A process that has just died may have left its port to another program: look at the process first.
            if self.part.ready():
                return
            if time.monotonic() > deadline:
                raise _StartFailed(f"was not ready within {START_SECONDS:.0f} s")
            time.sleep(_POLL_SECONDS)

    def _watch(self) -> str:
        """Wait until the part ends, whoever ends it. Answers how."""
        if self._process is None:
            self._supervisor.stopping.wait()
            return "is no longer needed"
        return _ending(self._process.wait())

    def _end_process(self) -> None:
        """Make sure that nothing of the part still runs, what it started itself included."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.kill()
            process.wait()
        # The number of a group is not given away while the group has a member.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)

    def _note(self, state: State) -> None:
        self._entry.state = state
        if state is not State.STARTING and state is not State.READY:
            self._entry.process = None
        self._supervisor.changed()

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name != "PLUMBLINE_ADMIN_DATABASE_URL"}
        local = ",".join(filter(None, ["127.0.0.1,localhost", inherited.get("NO_PROXY") or inherited.get("no_proxy")]))
        return {
            **inherited,
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": local,
            "no_proxy": local,
            **self.part.env,
            **processes.mark(self.part.name, self._supervisor.record.home.path),
        }

    def _give_up(self, message: str, advice: str = "") -> None:
        tail = _tail(self.log)
        self._note(State.DEAD)
        if not advice and any("address already in use" in line.lower() for line in tail):
            advice = "Another program took its port meanwhile. Run the same command again: it chooses another port."
        advice = advice or "Put right what the log says, then run the same command again."
        self._supervisor.fail(Failure(self.part.name, message, str(self.log), tail, advice))


def set_logs_aside(logs: Path) -> None:
    """Begin new logs; those of the last run stay beside them, older ones go."""
    for log in logs.glob("*.log"):
        if log.stem != "supervisor":
            log.replace(_previous(log))


def this_process() -> Identity:
    """The identity of the supervisor itself."""
    return processes.identify(os.getpid())


def _previous(log: Path) -> Path:
    return log.with_name(f"{log.name}.1")


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was ended by {next((known.name for known in signal.Signals if known == -code), f'signal {-code}')}"


def _tail(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(log.stat().st_size - 16_384, 0))
            return file.read().decode(errors="replace").splitlines()[-TAIL_LINES:]
    except FileNotFoundError:
        return []
