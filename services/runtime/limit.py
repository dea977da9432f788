"""A limit on the public addresses of one process, over all senders together: nobody is told from another."""

import threading
import time

from services.runtime.errors import ServiceError


class Limit:
    """Lets so many through in a minute, spread evenly after a first burst of the same size."""

    def __init__(self, per_minute: int) -> None:
        self._size = float(per_minute)
        self._left, self._at = self._size, time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> None:
        """Let one through, or raise 429."""
        with self._lock:
            now = time.monotonic()
            self._left = min(self._size, self._left + (now - self._at) * self._size / 60)
            self._at = now
            if self._left < 1:
                raise ServiceError(
                    429,
                    "too-many",
                    "Too many people at once",
                    "Nothing was saved. Wait a minute, then send it again.",
                    headers={"Retry-After": "60"},
                )
            self._left -= 1
