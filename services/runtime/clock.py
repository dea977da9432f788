"""One clock for every service and workflow: real time, or a faster one for demonstrations.

A clock is an append-only list of segments. Each says: from this real instant on, time stands at `virtual` and runs at
`speed`. Because segments are only ever appended, the virtual time of a past real instant never changes, which is what
lets a workflow use it and still replay.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path


@dataclass(frozen=True)
class Segment:
    """From `real` on, time is `virtual` plus `speed` times what has passed since. Both instants carry a time zone."""

    real: datetime
    virtual: datetime
    speed: float


class Clock:
    """Maps real instants to the time that records, deadlines and statistics use. Without segments the two are equal."""

    def __init__(self, segments: tuple[Segment, ...] = ()) -> None:
        self._segments = segments

    @classmethod
    def from_file(cls, path: Path | None) -> "Clock":
        """Read segments from JSON: `{"segments": [{"real", "virtual", "speed"}]}`. No path means real time."""
        if path is None:
            return cls()
        segments = json.loads(path.read_text())["segments"]
        return cls(
            tuple(
                Segment(datetime.fromisoformat(s["real"]), datetime.fromisoformat(s["virtual"]), float(s["speed"]))
                for s in segments
            )
        )

    def _segment(self, real: datetime) -> Segment | None:
        for segment in reversed(self._segments):
            if segment.real <= real:
                return segment
        return None

    def at(self, real: datetime) -> datetime:
        """The time on this clock at a real instant; UTC."""
        segment = self._segment(real)
        if segment is None:
            return real
        return segment.virtual + (real - segment.real) * segment.speed

    def now(self) -> datetime:
        """The time on this clock now; UTC."""
        return self.at(datetime.now(UTC))

    def real_delay(self, real_now: datetime, due: datetime) -> timedelta:
        """How long to wait in real time, from `real_now`, until this clock shows `due`. Never negative.

        A stopped clock gives one second: ask again.
        """
        segment = self._segment(real_now)
        speed = segment.speed if segment else 1.0
        if speed <= 0:
            return timedelta(seconds=1)
        return max((due - self.at(real_now)) / speed, timedelta(0))
