"""Charts of a large provider: 1,000 locations by 20 measures over three years of months, beside a bare pass of numpy."""

import time
from collections.abc import Callable

import numpy as np

from services.spc.chart import draw
from services.spc.limits import Floats, Kind, moving_range
from tests.load.outcome import Outcome, middle, ratio
from tests.load.rig import Rig

_LOCATIONS, _MEASURES, _MONTHS = 1_000, 20, 36
_SECONDS = 10.0


def measure(_: Rig, *, quick: bool) -> Outcome:
    """Limits, all four rules and moving ranges of 20,000 charts, half XmR and half u; in turns with the yardstick."""
    rounds = 1 if quick else 5
    random = np.random.default_rng(42)
    exposure = random.uniform(300, 1_500, size=(_LOCATIONS * _MEASURES, _MONTHS))
    events = random.poisson(exposure * 0.004).astype(np.float64)
    half = len(events) // 2
    taken, bare = [], []
    for _round in range(rounds):
        taken.append(_seconds(lambda: _charts(events, exposure, half)))
        bare.append(_seconds(lambda: _bare(events, exposure)))
    seconds, count = middle(taken), len(events)
    alone = events[0], exposure[0]
    one = middle([_seconds(lambda: draw(Kind.U, *alone, scale=1000)) for _ in range(50)])
    return Outcome(
        name="charts",
        result=f"{count:,} charts of {_MONTHS} months in {seconds:.2f} s, {ratio(taken, bare):.0f} x a bare pass of means"
        f" and moving ranges; one by one it would be {one * count:.0f} s",
        holds=f"{_SECONDS:.0f} s",
        held=seconds <= _SECONDS,
        numbers={
            "charts": count,
            "seconds": seconds,
            "charts_per_second": count / seconds,
            "times_bare_pass": ratio(taken, bare),
            "seconds_of_one": one,
        },
    )


def _charts(events: Floats, exposure: Floats, half: int) -> None:
    rates = events[:half] / exposure[:half] * 1000
    drawn = (draw(Kind.XMR, rates), draw(Kind.U, events[half:], exposure[half:], scale=1000))
    for chart in drawn:
        if chart.signals.high.shape != chart.values.shape:
            raise RuntimeError("not all was drawn")


def _bare(events: Floats, exposure: Floats) -> None:
    rates = events / exposure * 1000
    np.nanmean(rates, axis=-1)
    np.nanmean(moving_range(rates)[..., 1:], axis=-1)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
