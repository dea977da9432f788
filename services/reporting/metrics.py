"""Where cases stand, for Prometheus: counts over all providers, by stage, band and kind of clock only."""

import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from services.contracts.taxonomy import Band
from services.reporting.domain import OPEN_STAGES, ClockKind
from services.runtime.clock import Clock
from services.runtime.process import Context

REFRESH_SECONDS = 15

_UNTRIAGED = "untriaged"

_OVERDUE = ", ".join(f"count(*) filter (where clock_{kind} < :now) as overdue_{kind}" for kind in ClockKind)

_OPEN = text(
    f"select stage, coalesce(band, '{_UNTRIAGED}') as band, count(*) as open, sum(actions_done) as actions_done,"
    f" sum(escalations_unacknowledged) as escalations, {_OVERDUE}"
    " from reporting.incident where ended_at is null and reported_at is not null and stage is not null group by 1, 2"
)

_PROGRESS = text("select max(last_event_at) from reporting.progress")


class CaseMetrics(Collector):
    """Reads the counts when Prometheus asks, at most every `refresh` seconds.

    A database that does not answer gives no counts at all: an old count would look like a true one.
    """

    def __init__(self, system_engine: Engine, clock: Clock, refresh: float = REFRESH_SECONDS) -> None:
        self._engine, self._clock, self._refresh = system_engine, clock, refresh
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._counts: tuple[Sequence[Any], datetime | None] | None = None

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Names and labels, so that registering does not ask the database."""
        yield from _families()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All counts, zeros included."""
        counts = self._read()
        if counts is None:
            return
        rows, last_event_at = counts
        incidents, overdue, done, escalations, last = _families()
        by_place = {(row.stage, row.band): row.open for row in rows}
        for stage in OPEN_STAGES:
            for band in (_UNTRIAGED, *Band):
                incidents.add_metric([stage, band], by_place.get((stage, band), 0))
        for kind in ClockKind:
            overdue.add_metric([kind], sum(getattr(row, f"overdue_{kind}") for row in rows))
        done.add_metric([], sum(row.actions_done for row in rows))
        escalations.add_metric([], sum(row.escalations for row in rows))
        if last_event_at is not None:
            last.add_metric([], last_event_at.timestamp())
        yield from (incidents, overdue, done, escalations, last)

    def _read(self) -> tuple[Sequence[Any], datetime | None] | None:
        with self._lock:
            if time.monotonic() - self._read_at >= self._refresh:
                try:
                    with self._engine.connect() as connection:
                        rows = connection.execute(_OPEN, {"now": self._clock.now()}).all()
                        self._counts = rows, connection.scalar(_PROGRESS)
                except SQLAlchemyError:
                    self._counts = None
                self._read_at = time.monotonic()
            return self._counts


def _families() -> tuple[GaugeMetricFamily, ...]:
    return (
        GaugeMetricFamily("plumbline_incidents_open", "Incidents that have not ended.", labels=["stage", "band"]),
        GaugeMetricFamily(
            "plumbline_incidents_overdue", "Open incidents with a clock of this kind that ran out.", labels=["clock"]
        ),
        GaugeMetricFamily(
            "plumbline_actions_done_unverified", "Actions whose owner says done and nobody else has checked."
        ),
        GaugeMetricFamily(
            "plumbline_escalations_unacknowledged", "Escalations of open incidents that nobody has answered."
        ),
        GaugeMetricFamily(
            "plumbline_projection_last_event_timestamp_seconds",
            "When the newest event that was projected happened, on the clock of the records.",
        ),
    )


def build(context: Context) -> Sequence[Collector]:
    """The domain metrics of reporting."""
    return [CaseMetrics(context.system_engine, context.clock)]
