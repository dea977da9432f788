"""Where cases and governance stand, for Prometheus: counts over all providers, by stage, band, level and kind only."""

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from services.contracts.taxonomy import Band, GovernanceKind, MeetingLevel, Stage, ThemeStage
from services.reporting.domain import OPEN_STAGES, THEME_STAGE, ClockKind
from services.reporting.outcome_metrics import OutcomeCounts
from services.reporting.patterns.domain import PatternKind
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

_THEMES = text(
    "select stage, count(*) as open, count(*) filter (where earliest_due_at < :now) as overdue"
    " from reporting.incident where ended_at is null and origin = 'theme' and stage is not null group by 1"
)

_SIGNALS = text(
    "select kind, case when age < 7 then '0-7' when age < 28 then '7-28' else '>28' end as age, count(*) as open from"
    " (select kind, extract(epoch from :now - coalesce(returned_at, raised_at)) / 86400 as age from reporting.signal"
    " where status = 'raised') as waiting group by 1, 2"
)
SIGNAL_AGES = ("0-7", "7-28", ">28")

# A meeting that a later agenda took the place of is history; those held count for a quarter of a year.
_MEETINGS = text(
    "select level, case when held_at is not null then 'held' when hold_by < :now then 'late' else 'due' end as state,"
    " count(*) as number from reporting.meeting m where held_at > :now - interval '92 days' or (held_at is null"
    " and not exists (select 1 from reporting.meeting later where later.previous_id = m.meeting_id)) group by 1, 2"
)
MEETING_STATES = ("due", "late", "held")
_ITEMS = text(
    "select kind, level, case when age < 7 then '0-7' when age < 28 then '7-28' else '>28' end as age, count(*) as open,"
    " count(*) filter (where late) as late from (select kind, level, climbs > 0 or due_at < :now as late,"
    " extract(epoch from :now - raised_at) / 86400 as age from reporting.governance_item where status = 'open') as waiting"
    " group by 1, 2, 3"
)

_PROGRESS = text("select max(last_event_at) as last_event_at, max(lag_seconds) as lag_seconds from reporting.progress")


_Counts = tuple[Sequence[Any], Any, Sequence[Any], Sequence[Any], Sequence[Any], Sequence[Any]]


class CaseMetrics(Collector):
    """Reads the counts when Prometheus asks, at most every `refresh` seconds.

    A database that does not answer gives no counts at all: an old count would look like a true one.
    """

    def __init__(self, system_engine: Engine, clock: Clock, refresh: float = REFRESH_SECONDS) -> None:
        self._engine, self._clock, self._refresh = system_engine, clock, refresh
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._counts: _Counts | None = None

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Names and labels, so that registering does not ask the database."""
        yield from _families()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All counts, zeros included."""
        counts = self._read()
        if counts is None:
            return
        rows, progress, themes, waiting, met, asked = counts
        (
            incidents, overdue, done, escalations, signals, last, lag, themes_open, themes_overdue, meetings, items_open,
            items_overdue,
        ) = _families()  # fmt: skip
        by_place = {(row.stage, row.band): row.open for row in rows}
        for stage in OPEN_STAGES:
            for band in (_UNTRIAGED, *Band):
                incidents.add_metric([stage, band], by_place.get((stage, band), 0))
        for kind in ClockKind:
            overdue.add_metric([kind], sum(getattr(row, f"overdue_{kind}") for row in rows))
        done.add_metric([], sum(row.actions_done for row in rows))
        escalations.add_metric([], sum(row.escalations for row in rows))
        by_age = {(row.kind, row.age): row.open for row in waiting}
        for pattern in PatternKind:
            for age in SIGNAL_AGES:
                signals.add_metric([pattern, age], by_age.get((pattern, age), 0))
        if progress.last_event_at is not None:
            last.add_metric([], progress.last_event_at.timestamp())
            lag.add_metric([], progress.lag_seconds)
        of_themes = {THEME_STAGE[Stage(row.stage)]: row.open for row in themes}
        for theme_stage in ThemeStage:
            if not theme_stage.over:
                themes_open.add_metric([theme_stage], of_themes.get(theme_stage, 0))
        themes_overdue.add_metric([], sum(row.overdue for row in themes))
        by_state = {(row.level, row.state): row.number for row in met}
        by_item = {(row.kind, row.level, row.age): row for row in asked}
        for level in MeetingLevel:
            for state in MEETING_STATES:
                meetings.add_metric([level, state], by_state.get((level, state), 0))
            for item in GovernanceKind:
                found = [by_item.get((item, level, age)) for age in SIGNAL_AGES]
                for age, row in zip(SIGNAL_AGES, found, strict=True):
                    items_open.add_metric([item, level, age], row.open if row else 0)
                items_overdue.add_metric([item, level], sum(row.late for row in found if row))
        yield from (
            incidents, overdue, done, escalations, signals, last, lag, themes_open, themes_overdue, meetings, items_open,
            items_overdue,
        )  # fmt: skip

    def _read(self) -> _Counts | None:
        with self._lock:
            if time.monotonic() - self._read_at >= self._refresh:
                try:
                    with self._engine.connect() as connection:
                        now = {"now": self._clock.now()}
                        rows, themes = connection.execute(_OPEN, now).all(), connection.execute(_THEMES, now).all()
                        waiting = connection.execute(_SIGNALS, now).all()
                        met, asked = connection.execute(_MEETINGS, now).all(), connection.execute(_ITEMS, now).all()
                        progress = connection.execute(_PROGRESS).one()
                        self._counts = rows, progress, themes, waiting, met, asked
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
            "plumbline_signals_open",
            "Patterns that nobody has decided about, by the days since they were raised or came back.",
            labels=["kind", "age"],
        ),
        GaugeMetricFamily(
            "plumbline_projection_last_event_timestamp_seconds",
            "When the newest event that was projected happened, on the clock of the records.",
        ),
        GaugeMetricFamily(
            "plumbline_projection_lag_seconds",
            "How long the last event that was projected had waited, in real time: of the provider that waits longest.",
        ),
        GaugeMetricFamily("plumbline_themes_open", "Thematic reviews that are not over.", labels=["stage"]),
        GaugeMetricFamily("plumbline_themes_overdue", "Open thematic reviews with a clock that ran out."),
        GaugeMetricFamily(
            "plumbline_meetings",
            "Agendas that wait for their meeting, those not held in time, and meetings held in the last 92 days.",
            labels=["level", "state"],
        ),
        GaugeMetricFamily(
            "plumbline_governance_items_open",
            "Decisions and challenges without an answer, by the level they are with and the days since they were raised.",
            labels=["kind", "level", "age"],
        ),
        GaugeMetricFamily(
            "plumbline_governance_items_overdue",
            "Decisions and challenges that nobody answered in time.",
            labels=["kind", "level"],
        ),
    )


def build(context: Context) -> Sequence[Collector]:
    """The domain metrics of reporting."""
    return [CaseMetrics(context.system_engine, context.clock), OutcomeCounts(context.system_engine, context.clock)]
