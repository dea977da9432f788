"""The state folder of the one-machine stack, and its record: what runs, where, since when.

Everything the stack keeps is in one ignored folder, `.plumbline/` in the checkout or `PLUMBLINE_HOME`. Remove the folder
while the stack is down and nothing is left of it.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

PROJECT = Path(__file__).resolve().parents[2]


class StackError(Exception):
    """Something the person at the keyboard can put right. The message says what happened and what to do."""


@dataclass(frozen=True)
class Home:
    """The state folder: where each thing is kept."""

    path: Path

    @classmethod
    def default(cls) -> "Home":
        """`PLUMBLINE_HOME`, or `.plumbline` in the checkout."""
        chosen = os.environ.get("PLUMBLINE_HOME")
        return cls(Path(chosen).expanduser().resolve() if chosen else PROJECT / ".plumbline")

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data."""
        return self.path / "postgres"

    @property
    def temporal_db(self) -> Path:
        """Temporal's data."""
        return self.path / "temporal.db"

    @property
    def logs(self) -> Path:
        """One log a part."""
        return self.path / "logs"

    @property
    def secrets(self) -> Path:
        """Generated passwords and keys; readable by the owner only."""
        return self.path / "secrets.json"

    @property
    def issuer_key(self) -> Path:
        """The private key of the development issuer; readable by the owner only."""
        return self.path / "issuer-key.pem"

    @property
    def clock(self) -> Path:
        """The clock that services and workflows read."""
        return self.path / "clock.json"

    @property
    def record(self) -> Path:
        """What runs, where, since when."""
        return self.path / "stack.json"

    @property
    def heartbeat(self) -> Path:
        """Touched every second while the supervisor lives."""
        return self.path / "heartbeat"

    def log(self, part: str) -> Path:
        """The log of one part."""
        return self.logs / f"{part}.log"

    def create(self) -> None:
        """Make the folder if it is not there.

        Others may pass through it, because a PostgreSQL started by root runs under another account, but not list it.
        """
        self.path.mkdir(parents=True, exist_ok=True, mode=0o711)
        self.logs.mkdir(exist_ok=True, mode=0o700)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only supervisor of this folder. The kernel lets go of the lock however the process ends."""
        self.create()
        with (self.path / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StackError("another 'plumbline up' is at work on this folder: try again in a moment") from None
            yield


def write_whole(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace a file so that a reader, or a power cut, finds either the old content or the new."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


class State(StrEnum):
    """Where a part is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    DEAD = "dead"
    STOPPED = "stopped"


class Phase(StrEnum):
    """Where the whole stack is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class Identity:
    """A process, told from a later one with the same number by when it started."""

    pid: int
    started: float


@dataclass
class PartRecord:
    """What is known of one part. One that runs `elsewhere` is neither started nor stopped here."""

    name: str
    address: str = ""
    elsewhere: bool = False
    state: State = State.WAITING
    process: Identity | None = None
    restarts: int = 0
    took_seconds: float | None = None
    ready_at: float | None = None
    note: str = ""


@dataclass
class Failure:
    """Why the stack did not come up: what happened, the last lines of the log, what to do."""

    part: str
    message: str
    log: str
    tail: list[str]
    advice: str


@dataclass
class Stack:
    """The record of the stack, kept in `stack.json` by the supervisor and read by everybody else."""

    home: Home
    phase: Phase = Phase.STOPPED
    supervisor: Identity | None = None
    ports: dict[str, int] = field(default_factory=dict)
    parts: list[PartRecord] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    failure: Failure | None = None

    @classmethod
    def load(cls, home: Home | None = None) -> "Stack":
        """The record as it stands. Raises StackError if no stack was ever started there."""
        home = home or Home.default()
        try:
            content: dict[str, Any] = json.loads(home.record.read_text())
        except FileNotFoundError:
            raise StackError("there is no stack here yet: start one with 'plumbline up'") from None
        return cls(
            home=home,
            phase=Phase(content["phase"]),
            supervisor=_identity(content["supervisor"]),
            ports=content["ports"],
            parts=[
                PartRecord(**{**part, "state": State(part["state"]), "process": _identity(part["process"])})
                for part in content["parts"]
            ],
            left_out=content["left_out"],
            failure=Failure(**content["failure"]) if content["failure"] else None,
        )

    @classmethod
    def last(cls, home: Home) -> "Stack":
        """The record of the last run, or an empty one if there was none."""
        return cls.load(home) if home.record.exists() else cls(home)

    def save(self) -> Self:
        """Write the record; a reader never sees half of it."""
        content = {
            "phase": self.phase,
            "supervisor": asdict(self.supervisor) if self.supervisor else None,
            "ports": self.ports,
            "parts": [asdict(part) for part in self.parts],
            "left_out": self.left_out,
            "failure": asdict(self.failure) if self.failure else None,
        }
        write_whole(self.home.record, json.dumps(content, indent=1) + "\n")
        return self

    def part(self, name: str) -> PartRecord:
        """One part's record. Raises StackError if this stack has no such part."""
        for part in self.parts:
            if part.name == name:
                return part
        raise StackError(f"this stack has no part '{name}': see 'plumbline status'")

    def url(self, name: str) -> str:
        """The base address of a part, for example `http://127.0.0.1:7702` for intake. Without a slash at the end."""
        return self.part(name).address

    def addresses(self) -> dict[str, str]:
        """The address of every part that has one, and of Temporal's own pages and metrics."""
        found = {part.name: part.address for part in self.parts if part.address}
        if "temporal" in found and found["temporal"].endswith(f":{self.ports.get('temporal')}"):
            found["temporal_ui"] = f"http://127.0.0.1:{self.ports['temporal_ui']}"
            found["temporal_metrics"] = f"http://127.0.0.1:{self.ports['temporal_metrics']}/metrics"
        if "workflows" in found:
            found["workflows_temporal_metrics"] = f"http://127.0.0.1:{self.ports['workflows_temporal_metrics']}/metrics"
        return found


def _identity(content: dict[str, Any] | None) -> Identity | None:
    return Identity(**content) if content else None
