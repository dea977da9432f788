"""How open cases get on, for Prometheus: their age, calls nobody answers, changes without effect, reach of learning."""

from collections.abc import Iterable
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily
from sqlalchemy import Connection, text

from services.contracts.taxonomy import Band, Verdict
from services.reporting.domain import OPEN_STAGES
from services.runtime.counts import DatabaseCounts

AGES = ("<7", "7-28", "28-90", ">=90")
"""Days since the report."""

_BY_AGE = text(
    "select stage, case when age < 7 then '<7' when age < 28 then '7-28' when age < 90 then '28-90' else '>=90' end"
    " as age, count(*) as open from (select stage, extract(epoch from :now - reported_at) / 86400 as age"
    " from reporting.incident where ended_at is null and reported_at is not null and stage is not null) as cases"
    " group by 1, 2"
)

_OUTCOMES = text(
    "select count(*) filter (where band = any(:urgent) and escalations_unacknowledged > 0) as unheard,"
    " count(*) filter (where last_verdict = any(:ineffective)) as ineffective,"
    " count(briefing_sent_at) as sent, count(briefing_sent_at) filter (where briefing_reached_at is not null) as reached,"
    " count(briefing_sent_at) filter (where briefing_reached_at is null and briefing_due_at < :now) as unreached"
    " from reporting.incident where ended_at is null and reported_at is not null and stage is not null"
)
_URGENT = [band.value for band in Band if band.urgent]
_INEFFECTIVE = [Verdict.NO_CHANGE.value, Verdict.WORSE.value]


class OutcomeCounts(DatabaseCounts):
    """Over all cases that are open."""

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """In the order in which `read` fills them."""
        return (
            GaugeMetricFamily(
                "plumbline_incidents_open_by_age",
                "Incidents that have not ended, by the days since their report.",
                labels=["stage", "age"],
            ),
            GaugeMetricFamily(
                "plumbline_high_risk_unacknowledged",
                "Open incidents of high or extreme risk with a call that nobody has answered.",
            ),
            GaugeMetricFamily(
                "plumbline_incidents_without_effect",
                "Open incidents whose last verdict is no change or worse.",
            ),
            GaugeMetricFamily(
                "plumbline_briefings_below_target",
                "Briefings of open incidents that are past their time and not understood by as many as should.",
            ),
            GaugeMetricFamily(
                "plumbline_learning_reach_ratio",
                "Of the briefings of open incidents, the part that is understood by as many as should.",
            ),
        )

    def read(self, connection: Connection, now: datetime) -> Iterable[GaugeMetricFamily]:
        """All counts, zeros included. Without a briefing that was sent there is no reach."""
        by_age, unheard, ineffective, unreached, reach = self.describe()
        found = {(row.stage, row.age): row.open for row in connection.execute(_BY_AGE, {"now": now})}
        for stage in OPEN_STAGES:
            for age in AGES:
                by_age.add_metric([stage, age], found.get((stage.value, age), 0))
        row = connection.execute(_OUTCOMES, {"now": now, "urgent": _URGENT, "ineffective": _INEFFECTIVE}).one()
        unheard.add_metric([], row.unheard)
        ineffective.add_metric([], row.ineffective)
        unreached.add_metric([], row.unreached)
        if row.sent:
            reach.add_metric([], row.reached / row.sent)
        return by_age, unheard, ineffective, unreached, reach
