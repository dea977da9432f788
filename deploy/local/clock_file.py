"""The clock that services and workflows read: when it runs, how fast, and that it stands still while the stack is down.

The file is append-only. Each segment says: from this real instant on, the clock stands at `virtual` and runs at `speed`.
A segment is appended only when nothing that reads the clock is running, so no instant anybody saw changes its date.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deploy.local.state import Home, write_whole

HEARTBEAT_SECONDS = 1.0


@dataclass(frozen=True)
class ClockSetting:
    """How fast the clock is to run, and what it is to show when a stack is started for the first time (UTC)."""

    speed: float
    start: datetime | None = None

    def options(self) -> list[str]:
        """The same as words of `plumbline up`."""
        start = [] if self.start is None else [f"--clock-start={self.start:%Y-%m-%dT%H:%M:%S}"]
        return [f"--clock-speed={self.speed}", *start]


@dataclass(frozen=True)
class Segment:
    """From `real` on, the clock shows `virtual` plus `speed` times what has passed since."""

    real: datetime
    virtual: datetime
    speed: float

    def at(self, real: datetime) -> datetime:
        """What the clock shows at a real instant of this segment."""
        return self.virtual + (real - self.real) * self.speed


class ClockFile:
    """The clock of one state folder."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._segments = _read(home.clock)

    @property
    def speed(self) -> float:
        """How many seconds pass on the clock in one real second; 0 while it stands still."""
        return self._segments[-1].speed if self._segments else 0.0

    def at(self, real: datetime) -> datetime:
        """What the clock shows at a real instant, now or later. Before its first start that is real time."""
        return self._segments[-1].at(real) if self._segments else real

    def start(self, real: datetime, speed: float, first: datetime | None = None) -> None:
        """Let the clock run from `real` on, at first from `first` or real time, later from where it stood."""
        shows = first if first is not None and not self._segments else self.at(real)
        self._append(Segment(real, shows, speed))

    def freeze(self, real: datetime) -> None:
        """Let the clock stand still from `real` on. Does nothing if it does already."""
        if self.speed:
            self._append(Segment(real, self.at(real), 0.0))

    def beat(self) -> None:
        """Leave a sign of life: should everything be killed, the clock stood still from about here on."""
        self._home.heartbeat.touch()

    def last_sign_of_life(self) -> datetime:
        """An instant, as early as can be known, after which no part of the last run was alive.

        Whatever a part did after the last heartbeat it did within the next interval, or it left a newer file. The
        supervisor's log is no sign: the run that asks has just opened it.
        """
        signs = [self._segments[-1].real] if self._segments else []
        if self._home.heartbeat.exists():
            signs.append(_touched(self._home.heartbeat) + timedelta(seconds=HEARTBEAT_SECONDS))
        for pattern in ("logs/*", "temporal.db*", "postgres/pg_wal/*"):
            found = self._home.path.glob(pattern)
            signs += [_touched(file) for file in found if file != self._home.log("supervisor")]
        now = datetime.now(UTC)
        return min(max(signs, default=now), now)

    def _append(self, segment: Segment) -> None:
        if self._segments and segment.real < self._segments[-1].real:
            # The machine's own clock was set back: what was seen stays as it was seen.
            last = self._segments[-1]
            segment = Segment(last.real, last.virtual, segment.speed)
        self._segments.append(segment)
        content = {
            "segments": [
                {"real": s.real.isoformat(), "virtual": s.virtual.isoformat(), "speed": s.speed} for s in self._segments
            ]
        }
        write_whole(self._home.clock, json.dumps(content, indent=1) + "\n")


def _touched(file: Path) -> datetime:
    return datetime.fromtimestamp(file.stat().st_mtime, UTC)


def _read(path: Path) -> list[Segment]:
    if not path.exists():
        return []
    return [
        Segment(datetime.fromisoformat(s["real"]), datetime.fromisoformat(s["virtual"]), float(s["speed"]))
        for s in json.loads(path.read_text())["segments"]
    ]
