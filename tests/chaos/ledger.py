"""What people were told: a line for each command, accepted only once its reply was there. The audit goes by it."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID


class Answer(StrEnum):
    """What somebody knows of a command that they sent."""

    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass
class Line:
    """One command. `status`, `body` and `etag` are those of the reply; while the answer is unknown there is none."""

    provider_id: UUID
    actor_id: UUID
    service: str
    method: str
    path: str
    key: str
    answer: Answer = Answer.UNKNOWN
    status: int = 0
    body: Any = None
    etag: str | None = None


@dataclass
class Ledger:
    """All commands of a day, written by many desks at once. `oddities` are replies that nobody should ever see."""

    lines: list[Line] = field(default_factory=list)
    oddities: list[str] = field(default_factory=list)
    unfinished: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def intend(self, line: Line) -> Line:
        """Somebody is about to send a command."""
        with self._lock:
            self.lines.append(line)
        return line

    def odd(self, what: str) -> None:
        """Something was answered that should not be, whatever is broken."""
        with self._lock:
            self.oddities.append(what)

    def left(self, story: str) -> None:
        """A story was not played to its end."""
        with self._lock:
            self.unfinished[story] += 1

    @property
    def commands(self) -> list[Line]:
        """Each command once, by its key: one that was refused and sent again with its key has the better of its answers."""
        best: dict[tuple[str, UUID, str], Line] = {}
        for line in self.lines:
            known = best.setdefault((line.service, line.actor_id, line.key), line)
            if _BETTER[line.answer] > _BETTER[known.answer]:
                best[line.service, line.actor_id, line.key] = line
        return list(best.values())

    def count(self, answer: Answer) -> int:
        """How many commands had this answer."""
        return sum(line.answer is answer for line in self.commands)


_BETTER = {Answer.REFUSED: 0, Answer.UNKNOWN: 1, Answer.ACCEPTED: 2}
