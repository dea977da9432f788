"""Counts that a service exports from its own tables: read when Prometheus asks, over all providers, by codes only."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from services.runtime.clock import Clock

REFRESH_SECONDS = 15


class DatabaseCounts(Collector):
    """Reads its counts at most every `refresh` seconds, however many ask.

    A database that does not answer gives no counts at all: an old count would look like a true one.
    """

    def __init__(self, system_engine: Engine, clock: Clock, refresh: float = REFRESH_SECONDS) -> None:
        self._engine, self._clock, self._refresh = system_engine, clock, refresh
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._counts: Sequence[GaugeMetricFamily] = ()

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Names and labels, so that registering does not ask the database."""
        raise NotImplementedError

    def read(self, connection: Connection, now: datetime) -> Iterable[GaugeMetricFamily]:
        """The families of `describe` with all their counts, zeros included. `now` is the time of the records."""
        raise NotImplementedError

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The counts as they were at most `refresh` seconds ago."""
        with self._lock:
            if time.monotonic() - self._read_at >= self._refresh:
                try:
                    with self._engine.connect() as connection:
                        self._counts = tuple(self.read(connection, self._clock.now()))
                except SQLAlchemyError:
                    self._counts = ()
                self._read_at = time.monotonic()
            yield from self._counts
