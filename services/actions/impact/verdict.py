"""What the figures say: the ladder from what was counted to the verdict that is proposed. docs/impact.md explains it.

Pure. The first rung that fits decides; each has a name, which the checkpoint keeps.
"""

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np

from services.actions.domain import ImprovementPolicy
from services.actions.impact.domain import Observed, Proposal, RateRatio
from services.contracts.taxonomy import Verdict
from services.spc import comparison
from services.spc.chart import Chart, Direction, draw
from services.spc.limits import Kind

_SIGNIFICANT = 0.05
# A share's limits hold where of both, what is counted and what is not, so many are to be expected in a month.
_LIMITS_HOLD = 5
_LEFT_OUT = "incident-month-left-out"


def rate_ratio(before: Observed, after: Observed, confidence: float) -> RateRatio | None:
    """Rate after over rate before, with exact limits. None without exposure, or without events before."""
    if before.events == 0:
        return None
    found = comparison.rate_ratio(_counted(before), _counted(after), confidence)
    return None if found is None else RateRatio(found.ratio, found.lower, found.upper)


def _counted(observed: Observed) -> comparison.Counted:
    return comparison.Counted(observed.events, float(observed.exposure))


@dataclass(frozen=True)
class Series:
    """Points by month, the baseline first: `basis` of them, then those after the change. No value is None.

    With denominators the points are counts over exposure, or out of a whole for a `share`; without, values as they were
    recorded.
    """

    months: tuple[date, ...]
    numbers: tuple[float | None, ...]
    denominators: tuple[float, ...] | None
    basis: int
    share: bool = False

    def __post_init__(self) -> None:
        assert len(self.months) == len(self.numbers)
        assert self.denominators is None or len(self.denominators) == len(self.numbers)


@dataclass(frozen=True)
class Found:
    """All that a proposal rests on.

    `before` and `after` are of counts; a series of plain values has none. `other_reports` is what else was reported
    in both windows. `between` is the care from one event to the next, that of the baseline first. `based` is whether the
    baseline belongs to the definition by which was measured, `one_definition` whether all points do. `last` is whether
    no further checkpoint is planned, `improved_before` whether an earlier one of this cycle proposed an improvement.
    `left_out` is whether the month of the incident that prompted the change lies in the baseline and counts no point.
    """

    direction: Direction
    series: Series
    before: Observed | None = None
    after: Observed | None = None
    other_reports: tuple[Observed, Observed] | None = None
    between: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    based: bool = True
    one_definition: bool = True
    last: bool = False
    improved_before: bool = False
    left_out: bool = False


@dataclass(frozen=True)
class Concluded:
    """A proposal with what decided it: the ratio or the comparison of shares, the chart, and what to be careful about."""

    proposal: Proposal
    ratio: RateRatio | None = None
    chart: Chart | None = None
    warnings: tuple[str, ...] = ()
    shares: comparison.Shares | None = None
    between: Chart | None = None


def conclude(rules: ImprovementPolicy, found: Found) -> Concluded:
    """Propose a verdict. Never more than the figures carry: what is missing or mixed cannot be judged.

    Nor can a measure of which neither way is better: it says what moved, and a person what that means.
    """
    concluded = _concluded(rules, found)
    return replace(concluded, warnings=(_LEFT_OUT, *concluded.warnings)) if found.left_out else concluded


def _concluded(rules: ImprovementPolicy, found: Found) -> Concluded:
    if not found.based:
        return Concluded(Proposal(Verdict.CANNOT_JUDGE, "redefined-without-baseline"))
    if not found.one_definition:
        return Concluded(Proposal(Verdict.CANNOT_JUDGE, "mixed-definitions"))
    if found.before is not None and found.after is not None:
        if found.series.share:
            return _by_shares(rules, found, found.before, found.after)
        return _by_counts(rules, found, found.before, found.after)
    return _by_values(rules, found)


def _by_counts(rules: ImprovementPolicy, found: Found, before: Observed, after: Observed) -> Concluded:
    if before.exposure <= 0 or after.exposure <= 0:
        return Concluded(Proposal(Verdict.CANNOT_JUDGE, "no-exposure"))
    chart, warnings = drawn(found.series), []
    exact = rate_ratio(before, after, rules.confidence)
    ratio = exact
    if exact is not None:
        ratio, spread = _widened(rules, found.series, before, after, exact)
        warnings += ["overdispersed"] if spread else []
    warnings += ["autocorrelated"] if _autocorrelated(found.series) else []

    def say(verdict: Verdict, rule: str, between: Chart | None = None) -> Concluded:
        return Concluded(Proposal(verdict, rule), ratio, chart, tuple(warnings), between=between)

    if _known(found.series, before=True) < rules.min_baseline_months:
        return say(Verdict.CANNOT_JUDGE, "short-baseline")
    if ratio is None or before.events < rules.min_baseline_events:
        return say(Verdict.CANNOT_JUDGE, "few-events-before")
    fewer, more = ratio.upper < 1, ratio.lower > 1
    better, worse = (fewer, more) if found.direction is Direction.DECREASE else (more, fewer)
    word = "fell" if fewer else "rose"
    neutral = found.direction is Direction.NEUTRAL
    if neutral and (fewer or more):
        return say(Verdict.CANNOT_JUDGE, f"neutral-rate-{word}")
    if worse:
        return say(Verdict.WORSE, f"rate-{word}")
    if better:
        if found.direction is Direction.DECREASE and _reporting_fell(rules, found):
            return say(Verdict.CANNOT_JUDGE, "reporting-fell-too")
        if _last_point_is_bad(chart, found):
            return say(Verdict.IMPROVING, "last-month-out-of-line")
        if found.last and found.improved_before:
            return say(Verdict.SUSTAINED, f"rate-{word}-and-stayed")
        return say(Verdict.IMPROVING, f"rate-{word}")
    if before.events * after.exposure / before.exposure < rules.min_expected_events:
        rare = _drawn_between(rules, found.between)
        if found.direction is Direction.DECREASE and _longer_between(rare, len(found.between[0])):
            return say(Verdict.IMPROVING, "longer-between-events", rare)
        return say(Verdict.CANNOT_JUDGE, "few-events-expected", rare)
    if neutral:
        return say(Verdict.CANNOT_JUDGE, "neutral-no-clear-change")
    return say(Verdict.NO_CHANGE, "no-clear-change")


def _by_values(rules: ImprovementPolicy, found: Found) -> Concluded:
    if not any(number is not None for number in found.series.numbers):
        return Concluded(Proposal(Verdict.CANNOT_JUDGE, "no-points"))
    chart = drawn(found.series)
    warnings = ("autocorrelated",) if _autocorrelated(found.series) else ()

    def say(verdict: Verdict, rule: str) -> Concluded:
        return Concluded(Proposal(verdict, rule), None, chart, warnings)

    if chart is None or _known(found.series, before=True) < rules.min_baseline_months:
        return say(Verdict.CANNOT_JUDGE, "short-baseline")
    seen = _signalled(chart, found)
    points = _known(found.series, before=False)
    neutral = found.direction is Direction.NEUTRAL
    if neutral and (seen.good or seen.bad):
        return say(Verdict.CANNOT_JUDGE, "neutral-special-cause")
    if seen.bad and not seen.good:
        return say(Verdict.WORSE, "signal-of-concern")
    if seen.bad:
        return say(Verdict.CANNOT_JUDGE, "signals-both-ways")
    if seen.good and seen.moved:
        if seen.runs_alone and warnings:
            return say(Verdict.CANNOT_JUDGE, "runs-alone-while-autocorrelated")
        if found.last and found.improved_before and points > 1:
            return say(Verdict.SUSTAINED, "signal-of-improvement-stayed")
        return say(Verdict.IMPROVING, "signal-of-improvement")
    if points < rules.min_points_after:
        return say(Verdict.CANNOT_JUDGE, "few-points-after")
    if neutral:
        return say(Verdict.CANNOT_JUDGE, "neutral-no-special-cause")
    return say(Verdict.NO_CHANGE, "no-special-cause")


def _by_shares(rules: ImprovementPolicy, found: Found, before: Observed, after: Observed) -> Concluded:
    """The signals of the p chart count where its limits hold, the exact comparison where months do not spread more than
    chance has it; either is enough."""
    if before.exposure <= 0 or after.exposure <= 0:
        return Concluded(Proposal(Verdict.CANNOT_JUDGE, "no-exposure"))
    spreads = _spreads(found.series)
    warnings = ["overdispersed"] if spreads else []
    warnings += ["autocorrelated"] if _autocorrelated(found.series) else []
    chart, exact = drawn(found.series), comparison.shares(_counted(before), _counted(after))

    def say(verdict: Verdict, rule: str) -> Concluded:
        return Concluded(Proposal(verdict, rule), None, chart, tuple(warnings), exact)

    if chart is None or exact is None or _known(found.series, before=True) < rules.min_baseline_months:
        return say(Verdict.CANNOT_JUDGE, "short-baseline")
    seen = _signalled(chart, found) if spreads or _limits_hold(found.series, exact.before) else _Signalled()
    clear = not spreads and exact.p_central < 1 - rules.confidence
    rose = exact.after > exact.before
    better = clear and rose == (found.direction is Direction.INCREASE)
    good, bad = better or (seen.good and seen.moved), (clear and not better) or seen.bad
    points = _known(found.series, before=False)
    word = "share-rose" if rose else "share-fell"
    neutral = found.direction is Direction.NEUTRAL
    if neutral and (clear or seen.good or seen.bad):
        return say(Verdict.CANNOT_JUDGE, f"neutral-{word}" if clear else "neutral-special-cause")
    if good and bad:
        return say(Verdict.CANNOT_JUDGE, "signals-both-ways")
    if bad:
        return say(Verdict.WORSE, "signal-of-concern" if seen.bad else word)
    if good:
        if not better and seen.runs_alone and "autocorrelated" in warnings:
            return say(Verdict.CANNOT_JUDGE, "runs-alone-while-autocorrelated")
        if _last_point_is_bad(chart, found):
            return say(Verdict.IMPROVING, "last-month-out-of-line")
        rule = word if better else "signal-of-improvement"
        if found.last and found.improved_before and points > 1:
            return say(Verdict.SUSTAINED, f"{rule}-and-stayed" if better else f"{rule}-stayed")
        return say(Verdict.IMPROVING, rule)
    if points < rules.min_points_after:
        return say(Verdict.CANNOT_JUDGE, "few-points-after")
    if float(after.exposure) * min(exact.before, 1 - exact.before) < rules.min_expected_events:
        return say(Verdict.CANNOT_JUDGE, "few-events-expected")
    if neutral:
        return say(Verdict.CANNOT_JUDGE, "neutral-no-clear-change")
    return say(Verdict.NO_CHANGE, "no-clear-change")


@dataclass(frozen=True)
class _Signalled:
    """What the points after the change say: better, worse, whether their mean moved the good way, and whether nothing
    but runs says that it is better."""

    good: bool = False
    bad: bool = False
    moved: bool = False
    runs_alone: bool = False


def _signalled(chart: Chart, found: Found) -> _Signalled:
    after = slice(found.series.basis, None)
    signals = chart.signals
    up = found.direction is Direction.INCREASE
    good, bad = (signals.high, signals.low) if up else (signals.low, signals.high)
    mean_after = np.nanmean(chart.values[after]) if not chart.gaps[after].all() else np.nan
    moved = mean_after > chart.lines.centre[0] if up else mean_after < chart.lines.centre[0]
    alone = not (signals.outside[after].any() or signals.two_of_three[after].any())
    return _Signalled(bool(good[after].any()), bool(bad[after].any()), bool(moved), alone)


def _limits_hold(series: Series, share: float) -> bool:
    """Whether each month after the change has enough for limits that are taken from the normal curve."""
    assert series.denominators is not None
    sizes = [size for size in series.denominators[series.basis :] if size > 0]
    return bool(sizes) and min(sizes) * min(share, 1 - share) >= _LIMITS_HOLD


def drawn(series: Series) -> Chart | None:
    """The chart with its lines fixed by the baseline; None when there is no point in it.

    Runs begin anew with the change: what went up or down before it is no effect of it.
    """
    numbers = np.array([np.nan if n is None else n for n in series.numbers], dtype=np.float64)
    if not series.basis or np.isnan(numbers[: series.basis]).all():
        return None
    if series.denominators is None:
        return draw(Kind.XMR, numbers, fixed=series.basis, apart=True)
    if series.share:
        # Where months before a change spread more than chance has it, limits that only know chance would make a signal
        # of each after it. In a series without a change, what moved is spread as well.
        kind = Kind.PP if series.basis < len(series.numbers) and _spreads(series) else Kind.P
        return draw(kind, numbers, np.array(series.denominators), scale=100, fixed=series.basis, apart=True)
    return draw(Kind.U, numbers, np.array(series.denominators), scale=1000, fixed=series.basis, apart=True)


def _known(series: Series, *, before: bool) -> int:
    part = slice(None, series.basis) if before else slice(series.basis, None)
    exposed = series.denominators[part] if series.denominators is not None else None
    return sum(
        number is not None and (exposed is None or exposed[index] > 0)
        for index, number in enumerate(series.numbers[part])
    )


def _widened(
    rules: ImprovementPolicy, series: Series, before: Observed, after: Observed, exact: RateRatio
) -> tuple[RateRatio, bool]:
    """The interval as wide as the months before ask for, and whether they spread more than chance has them."""
    spread = _spreads(series)
    if spread is None:
        return exact, False
    full = comparison.rate_ratio(_counted(before), _counted(after), rules.confidence)
    assert full is not None
    wide = comparison.widened(full, _counted(before), _counted(after), spread, rules.confidence)
    if after.events == 0:
        # Nothing to widen by the logarithm: as if one had happened.
        one = comparison.Counted(1, float(after.exposure))
        as_if = comparison.rate_ratio(_counted(before), one, rules.confidence)
        assert as_if is not None
        wide = replace(wide, upper=comparison.widened(as_if, _counted(before), one, spread, rules.confidence).upper)
    return RateRatio(wide.ratio, wide.lower, wide.upper), True


def _spreads(series: Series) -> comparison.Dispersion | None:
    """How much more than by chance the months of the baseline spread; None where they do not."""
    if series.denominators is None:
        return None
    events = np.array([np.nan if n is None else n for n in series.numbers[: series.basis]], dtype=np.float64)
    sizes = np.array(series.denominators[: series.basis], dtype=np.float64)
    spread = comparison.dispersion(events, sizes, binomial=series.share)
    return None if spread is None or spread.ratio <= 1 or spread.p >= _SIGNIFICANT else spread


def _autocorrelated(series: Series) -> bool:
    if series.denominators is None:
        numbers = [np.nan if n is None else n for n in series.numbers[: series.basis]]
    else:
        numbers = [
            np.nan if n is None or not d else n / d
            for n, d in zip(series.numbers[: series.basis], series.denominators[: series.basis], strict=True)
        ]
    found = comparison.autocorrelation(np.array(numbers, dtype=np.float64))
    return found is not None and found.warns


def _reporting_fell(rules: ImprovementPolicy, found: Found) -> bool:
    """Whether all else that people report fell as clearly: then fewer incidents may be fewer reports."""
    if found.other_reports is None:
        return False
    before, after = found.other_reports
    if before.events < rules.min_baseline_events:
        return False
    ratio = rate_ratio(before, after, rules.confidence)
    return ratio is not None and ratio.upper < 1


def _last_point_is_bad(chart: Chart | None, found: Found) -> bool:
    if chart is None:
        return False
    known = np.flatnonzero(~chart.gaps)
    if not known.size or known[-1] < found.series.basis:
        return False
    signals = chart.signals
    bad = signals.outside if found.direction is Direction.DECREASE else -signals.outside
    return bool(bad[known[-1]] > 0)


def _drawn_between(rules: ImprovementPolicy, between: tuple[tuple[float, ...], tuple[float, ...]]) -> Chart | None:
    """For rare events: a t chart of the care from one to the next, its lines fixed by the baseline."""
    before, after = between
    if len(before) < rules.min_baseline_months or not after:
        return None
    return draw(Kind.T, np.array([*before, *after], dtype=np.float64), fixed=len(before), apart=True)


def _longer_between(chart: Chart | None, basis: int) -> bool:
    """Whether it grew beyond the upper limit, and is nowhere shorter than before."""
    if chart is None:
        return False
    return bool((chart.signals.outside[basis:] > 0).any() and not chart.signals.low[basis:].any())


def shown_between(chart: Chart, basis: int) -> dict[str, Any]:
    """The chart of rare events as data: care from one event to the next, and no day on which one happened."""
    return {**_shown(chart), "baseline_points": basis}


def compared(shares: comparison.Shares) -> dict[str, Any]:
    """The comparison of shares as data, in per cent as on the chart beside it."""
    return {
        "method": "fisher_exact_central",
        "before": 100 * shares.before,
        "after": 100 * shares.after,
        "p": shares.p_central,
    }


def shown(chart: Chart, series: Series, direction: Direction) -> dict[str, Any]:
    """A chart as data: points, lines, the signals on them, and icons where there are enough points."""
    return {
        **_shown(chart),
        "months": [month.isoformat() for month in series.months],
        "baseline_points": series.basis,
        "points": chart.point_types(direction),
        "gaps": [m.isoformat() for m, gap in zip(series.months, chart.gaps, strict=True) if gap],
        "variation_icon": chart.icon(direction) if bool(chart.enough) else None,
        "limits_are_provisional": _known(series, before=True) < 12,
    }


def _shown(chart: Chart) -> dict[str, Any]:
    def numbers(values: Any) -> list[float | None]:
        return [None if np.isnan(v) else float(v) for v in values]

    signals = chart.signals
    return {
        "kind": chart.kind,
        "preset": chart.preset.name,
        "shift": chart.preset.rules.shift,
        "trend": chart.preset.rules.trend,
        "two_of_three": chart.preset.rules.two_of_three,
        "values": numbers(chart.values),
        "centre": numbers(chart.lines.centre),
        "lower": numbers(chart.lines.lower),
        "upper": numbers(chart.lines.upper),
        "outside_limits": [int(s) for s in signals.outside],
        "shift_signal": [int(s) for s in signals.shift],
        "trend_signal": [int(u) - int(d) for u, d in zip(signals.trend_up, signals.trend_down, strict=True)],
        "two_of_three_signal": [int(s) for s in signals.two_of_three],
    }
