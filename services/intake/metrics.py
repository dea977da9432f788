"""Who outside must still be told, for Prometheus: counts over all providers, by how their own time stands."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Connection, text

from services.contracts.taxonomy import Stage
from services.runtime.counts import DatabaseCounts
from services.runtime.process import Context

_UNSETTLED = text(
    "select count(*) filter (where limit_at < :now) as late,"
    " count(*) filter (where limit_at >= :now and warn_at < :now) as at_risk,"
    " count(*) filter (where (limit_at is null or limit_at >= :now) and (warn_at is null or warn_at >= :now)) as in_time"
    " from (select o.warn_at, least(o.target_at, o.statutory_due_at) as limit_at"
    " from intake.obligation o join intake.incident i using (incident_id)"
    # The opposite of `Obligation.settled`, as the index has it.
    " where o.submitted_at is null and o.decision is distinct from 'not_notify'"
    " and (o.decision is not null or o.must_decide) and i.stage <> all(:ended)) as open"
)
_ENDED_WITHOUT = [Stage.WITHDRAWN.value, Stage.DUPLICATE.value]


class ObligationCounts(DatabaseCounts):
    """Obligations that nobody has met or decided against, of incidents that count."""

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """One family."""
        yield GaugeMetricFamily(
            "plumbline_obligations_open",
            "Obligations to tell somebody outside that are not settled: in time, past their warning, or past their limit.",
            labels=["state"],
        )

    def read(self, connection: Connection, now: datetime) -> Iterable[GaugeMetricFamily]:
        """By the earlier of the provider's own target and the limit of the law; without either they are in time."""
        (family,) = self.describe()
        row = connection.execute(_UNSETTLED, {"now": now, "ended": _ENDED_WITHOUT}).one()
        for state in ("in_time", "at_risk", "late"):
            family.add_metric([state], getattr(row, state))
        yield family


def build(context: Context) -> Sequence[Collector]:
    """The domain metrics of intake."""
    return [ObligationCounts(context.system_engine, context.clock)]
