"""`make bench`: `python -m tests.load.bench [--json] [--only NAME] [--quick]`. Each number stands beside its yardstick.

Starts servers of its own, measures, stops them, prints a table and writes JSON. Everything shares the machine with
whatever else runs there, so two things are compared in turns and by medians; look at ratios, not at rates.
"""

import argparse
import functools
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.load import (
    charts,
    cost,
    intake,
    latency,
    lifecycle,
    national_day,
    open_workflows,
    projection,
    reads,
    yardsticks,
)
from tests.load.outcome import Outcome
from tests.load.rig import Rig, rig

MEASUREMENTS: dict[str, Callable[..., Outcome]] = {
    "lifecycle": lifecycle.measure,
    "history": lifecycle.measure_history,
    "projection": projection.measure,
    "yardsticks": yardsticks.measure,
    "latency": latency.measure,
    "intake": intake.measure,
    "charts": charts.measure,
    "cost": cost.measure,
    "reads": reads.measure,
    # Last: they leave thousands of processes on the server.
    "latency-behind": latency.measure_behind,
    "national-day": national_day.measure,
    "open-workflows": open_workflows.measure,
}

LONG = {"reads", "national-day", "open-workflows"}
"""Each takes minutes, or gigabytes: measured when it is named."""


def run(names: Sequence[str], *, quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure on fresh servers. A measurement that fails is reported as not held, and the others go on."""
    began = time.monotonic()
    outcomes = []
    say("starting PostgreSQL, Temporal and the broker")
    with rig() as servers:
        for name in names:
            say(f"measuring {name}")
            outcomes.append(_measured(name, servers, quick=quick))
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cpus": os.cpu_count(), "python": platform.python_version(), "load_before": os.getloadavg()[0]},
        "quick": quick,
        "seconds": round(time.monotonic() - began, 1),
        "held": all(outcome.held is not False for outcome in outcomes),
        "measurements": {outcome.name: asdict(outcome) for outcome in outcomes},
    }


def _measured(name: str, servers: Rig, *, quick: bool) -> Outcome:
    try:
        return MEASUREMENTS[name](servers, quick=quick)
    except Exception as error:
        if os.environ.get("BENCH_RAISE"):
            raise
        return Outcome(name, f"failed: {type(error).__name__}: {error}", held=False)


def _print(found: dict[str, Any]) -> None:
    table = Table("measurement", "result", "to hold", "held")
    for name, outcome in found["measurements"].items():
        held = {True: "yes", False: "NO", None: ""}[outcome["held"]]
        table.add_row(name, outcome["result"], outcome["holds"], held)
    Console().print(table)
    print(f"{found['seconds']:.0f} s on {found['machine']['cpus']} CPUs")


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def main() -> int:
    """The command line. Answers 0 when all that was measured held, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--only", action="append", choices=list(MEASUREMENTS), help="measure only this; may be repeated"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, to see that it works")
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"), help="where the JSON goes")
    parser.add_argument(
        "--incidents", type=int, help="how many the larger population of `reads` has, or a `national-day`"
    )
    parser.add_argument("--count", type=int, help="how many are to be open in `open-workflows`")
    options = parser.parse_args()
    names = [name for name in MEASUREMENTS if name in (options.only or MEASUREMENTS.keys() - LONG)]
    MEASUREMENTS["reads"] = functools.partial(reads.measure, incidents=options.incidents or reads.LARGE, say=_say)
    MEASUREMENTS["national-day"] = functools.partial(national_day.measure, incidents=options.incidents, say=_say)
    MEASUREMENTS["open-workflows"] = functools.partial(open_workflows.measure, count=options.count, say=_say)
    found = run(names, quick=options.quick, say=_say)
    text = json.dumps(found, indent=1)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text + "\n")
    print(text) if options.json else _print(found)
    return 0 if found["held"] else 1


if __name__ == "__main__":
    sys.exit(main())
