"""What a number of incidents a year needs: `python -m tests.load.capacity [--incidents N]`. Arithmetic from measurements.

Each measured number names the command that measures it; nothing here is measured by itself. What carries more than one
machine is said in docs/capacity.md.
"""

import argparse
import math
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

DAYS_A_YEAR = 365.25
SECONDS_A_YEAR = DAYS_A_YEAR * 86_400
PEAK = 10.0
"""Assumed: the busiest minute of a year has ten times the mean."""
HEADROOM = 0.5
"""Of what was measured, so much is planned with."""
ENGLAND_A_DAY = 27_000
"""The design's assumption for all of England's adult social care."""


@dataclass(frozen=True)
class Measured:
    """On two cores shared by everything, one incident being a low-harm one from report to closed."""

    history_events: int = 118
    """`--only history`."""
    events: int = 22
    """Published in a life: counted in `tests.load.projection.life`, with one action."""
    reports_a_second: float = 659
    """`--only intake`: accepted by one process of the API."""
    lives_a_second: float = 7.0
    """`--only lifecycle`: processes from report to closed."""
    projected_a_second: float = 11_989
    """`--only projection`: by one consumer."""
    actions: float = 29
    """`--only cost`, as all below: what Temporal Cloud counts, up to the wait for the first checkpoint."""
    broker_bytes: float = 12_557
    database_bytes: float = 101_035
    """With indexes, of all services; measured with a dozen incidents, so pages that are not full count whole."""
    wal_bytes: float = 196_807


@dataclass(frozen=True)
class Need:
    """What a year of incidents needs at its busiest minute."""

    incidents: int
    reports_a_second: float
    events_a_second: float
    history_events_a_second: float
    api_processes: int
    partitions: int
    two_core_machines_for_processes: int
    actions_a_year: float
    database_gb_a_year: float
    wal_gb_a_day: float
    broker_gb_a_week: float


def need(incidents: int, measured: Measured = Measured()) -> Need:
    """The need of so many incidents a year. Raises ValueError for less than one."""
    if incidents < 1:
        raise ValueError("incidents: at least 1")
    peak = incidents / SECONDS_A_YEAR * PEAK

    def so_many(wanted: float, each: float) -> int:
        return max(math.ceil(wanted / (each * HEADROOM)), 1)

    return Need(
        incidents=incidents,
        reports_a_second=peak,
        events_a_second=peak * measured.events,
        history_events_a_second=peak * measured.history_events,
        api_processes=so_many(peak, measured.reports_a_second),
        # A partition is read by one consumer.
        partitions=so_many(peak * measured.events, measured.projected_a_second),
        two_core_machines_for_processes=so_many(peak, measured.lives_a_second),
        actions_a_year=incidents * measured.actions,
        database_gb_a_year=incidents * measured.database_bytes / 1e9,
        wal_gb_a_day=incidents / DAYS_A_YEAR * measured.wal_bytes / 1e9,
        # What the broker keeps; older events are in the outboxes.
        broker_gb_a_week=incidents / DAYS_A_YEAR * 7 * measured.broker_bytes / 1e9,
    )


SIZES = (1_000_000, round(ENGLAND_A_DAY * 365.25), 100_000_000)
"""A million; all of England's adult social care; ten times that."""


def main() -> None:
    """Print what each number of incidents needs."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.capacity", description=__doc__)
    parser.add_argument("--incidents", type=int, help="a year; otherwise a million, all of England, ten times that")
    asked = parser.parse_args().incidents
    table = Table(
        "incidents a year",
        "reports/s",
        "events/s",
        "history events/s",
        "API processes",
        "partitions",
        "machines for processes",
        "million actions",
        "GB of PostgreSQL",
        "GB of its log a day",
        "GB of broker",
    )
    for size in [asked] if asked else SIZES:
        one = need(size)
        table.add_row(
            f"{one.incidents:,}", f"{one.reports_a_second:.1f}", f"{one.events_a_second:.0f}",
            f"{one.history_events_a_second:.0f}", str(one.api_processes), str(one.partitions),
            str(one.two_core_machines_for_processes), f"{one.actions_a_year / 1e6:,.0f}", f"{one.database_gb_a_year:,.0f}",
            f"{one.wal_gb_a_day:,.1f}", f"{one.broker_gb_a_week:,.1f}",
        )  # fmt: skip
    Console(width=190).print(table)


if __name__ == "__main__":
    main()
