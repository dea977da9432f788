"""The rules of actions, without a database."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from services.actions import policy
from services.actions.domain import ActionStatus, independent
from services.actions.impact.domain import (
    Observed,
    Proposal,
    Window,
    baseline_before,
    counts_as,
    local_day,
    months_of,
    settles,
    window_before,
    window_between,
    window_of,
    without,
)
from services.actions.impact.verdict import Found, Series, compared, conclude, rate_ratio, shown, shown_between
from services.contracts.taxonomy import Band, Kind, Verdict
from services.spc.chart import Direction, draw
from services.spc.comparison import Counted, shares
from services.spc.limits import Kind as ChartKind

RULES = policy.shipped()
instants = st.integers(0, 15 * 365 * 24 * 60).map(lambda m: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=m))
exposures = st.decimals(min_value=1, max_value=1_000_000, places=2)
counts = st.integers(min_value=0, max_value=400)


def observed(events: int, exposure: float | Decimal | str, near_misses: int = 0) -> Observed:
    """Something counted."""
    return Observed(events, near_misses, Decimal(str(exposure)))


# --- the interval ---


def test_ratio_as_in_the_manual_of_r() -> None:
    """R's documentation of poisson.test: c(11, 6+8+7) over c(800, 1083+1050+878)."""
    found = rate_ratio(before=observed(21, 3011), after=observed(11, 800), confidence=0.95)
    assert found is not None
    assert found.ratio == pytest.approx(1.971488, abs=1e-6)
    assert found.lower == pytest.approx(0.8584264, abs=1e-6)
    assert found.upper == pytest.approx(4.277266, abs=1e-6)


def test_ratio_without_events_after() -> None:
    """The upper limit has a closed form then: (0.025 ** (-1/n) - 1) at equal exposure."""
    found = rate_ratio(before=observed(10, 1000), after=observed(0, 1000), confidence=0.95)
    assert found is not None
    assert (found.ratio, found.lower) == (0, 0)
    assert found.upper == pytest.approx(0.025 ** (-1 / 10) - 1, rel=1e-9)


def _at_least(count: int, total: int, share: float) -> float:
    """Probability of at least `count` of `total`, term by term."""
    return sum(math.comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(count, total + 1))


@given(st.integers(1, 40), st.integers(0, 40), exposures, exposures)
def test_limits_are_exact(before: int, after: int, exposure: Decimal, later: Decimal) -> None:
    """At each limit, what was seen or something more extreme has a probability of exactly 2.5 %."""
    found = rate_ratio(observed(before, exposure), observed(after, later), 0.95)
    assert found is not None

    def share(ratio: float) -> float:
        return ratio * float(later) / (ratio * float(later) + float(exposure))

    total = before + after
    if after:
        assert _at_least(after, total, share(found.lower)) == pytest.approx(0.025, rel=1e-6)
    assert 1 - _at_least(after + 1, total, share(found.upper)) == pytest.approx(0.025, rel=1e-6)
    assert found.lower <= found.ratio <= found.upper


@given(st.integers(1, 200), st.integers(1, 200), exposures, exposures)
def test_swapping_before_and_after_inverts_the_ratio(a: int, b: int, exposure: Decimal, later: Decimal) -> None:
    there = rate_ratio(observed(a, exposure), observed(b, later), 0.95)
    back = rate_ratio(observed(b, later), observed(a, exposure), 0.95)
    assert there is not None
    assert back is not None
    assert there.lower == pytest.approx(1 / back.upper)
    assert there.upper == pytest.approx(1 / back.lower)


@pytest.mark.parametrize(("before", "after"), [((5, 0), (5, 10)), ((5, 10), (5, 0)), ((0, 10), (5, 10))])
def test_no_ratio(before: tuple[int, int], after: tuple[int, int]) -> None:
    assert rate_ratio(observed(*before), observed(*after), 0.95) is None


# --- the proposal ---

MONTHS = tuple(date(2025, 1 + n, 1) if n < 12 else date(2026, n - 11, 1) for n in range(15))


def spread(total: int, months: int) -> list[int]:
    """A total over months, as evenly as it goes."""
    return [total * (n + 1) // months - total * n // months for n in range(months)]


def counted(before: Observed, after: Observed, **changes: Any) -> Found:
    """A year before and three months after, as even as their totals allow."""
    numbers = [*spread(before.events, 12), *spread(after.events, 3)]
    exposures = [float(before.exposure) / 12] * 12 + [float(after.exposure) / 3] * 3
    series = Series(MONTHS, tuple(float(n) for n in numbers), tuple(exposures), basis=12)
    values: dict[str, Any] = {"direction": Direction.DECREASE, "series": series, "before": before, "after": after}
    return Found(**{**values, "last": True, "improved_before": True, **changes})


def propose(before: Observed, after: Observed, **changes: Any) -> tuple[Verdict, str]:
    """What the shipped policy says."""
    found = conclude(RULES, counted(before, after, **changes)).proposal
    return found.verdict, found.rule


@pytest.mark.parametrize(
    ("before", "after", "changes", "verdict", "rule"),
    [
        ((40, 12000), (3, 2000), {}, Verdict.NO_CHANGE, "no-clear-change"),
        ((60, 12000), (0, 2000), {"last": False}, Verdict.IMPROVING, "rate-fell"),
        ((60, 12000), (0, 2000), {"improved_before": False}, Verdict.IMPROVING, "rate-fell"),
        ((60, 12000), (0, 2000), {}, Verdict.SUSTAINED, "rate-fell-and-stayed"),
        ((40, 12000), (40, 3000), {}, Verdict.WORSE, "rate-rose"),
        ((4, 12000), (40, 3000), {}, Verdict.CANNOT_JUDGE, "few-events-before"),
        ((5, 12000), (40, 3000), {}, Verdict.WORSE, "rate-rose"),
        ((40, 0), (4, 3000), {}, Verdict.CANNOT_JUDGE, "no-exposure"),
        ((40, 12000), (4, 0), {}, Verdict.CANNOT_JUDGE, "no-exposure"),
        ((40, 12000), (0, 899), {}, Verdict.CANNOT_JUDGE, "few-events-expected"),
        ((40, 12000), (1, 900), {}, Verdict.NO_CHANGE, "no-clear-change"),
        # More is better: everything turns round.
        ((40, 12000), (40, 3000), {"direction": Direction.INCREASE}, Verdict.SUSTAINED, "rate-rose-and-stayed"),
        ((60, 12000), (0, 2000), {"direction": Direction.INCREASE}, Verdict.WORSE, "rate-fell"),
        # A measure that was changed midway, or a series that changed its meaning.
        ((60, 12000), (0, 2000), {"based": False}, Verdict.CANNOT_JUDGE, "redefined-without-baseline"),
        ((60, 12000), (0, 2000), {"one_definition": False}, Verdict.CANNOT_JUDGE, "mixed-definitions"),
        # All else that is reported fell as well, or there is too little of it to say.
        (
            (60, 12000), (0, 2000), {"other_reports": (Observed(90, 0, Decimal(12000)), Observed(1, 0, Decimal(2000)))},
            Verdict.CANNOT_JUDGE, "reporting-fell-too",
        ),
        (
            (60, 12000), (0, 2000), {"other_reports": (Observed(4, 0, Decimal(12000)), Observed(0, 0, Decimal(2000)))},
            Verdict.SUSTAINED, "rate-fell-and-stayed",
        ),
        # Rare events: 13 of the year before were about a month apart, now there was none for most of a year.
        (
            (13, 12000), (0, 800), {"between": ((28.0, 30.0) * 6, (280.0,))},
            Verdict.IMPROVING, "longer-between-events",
        ),
        ((13, 12000), (0, 800), {"between": ((28.0, 30.0) * 6, (31.0,))}, Verdict.CANNOT_JUDGE, "few-events-expected"),
        ((13, 12000), (0, 800), {"between": ((28.0, 30.0), (280.0,))}, Verdict.CANNOT_JUDGE, "few-events-expected"),
    ],
)  # fmt: skip
def test_proposals(before: Any, after: Any, changes: dict[str, Any], verdict: Verdict, rule: str) -> None:
    assert propose(observed(*before), observed(*after), **changes) == (verdict, rule)


NEUTRAL = {"direction": Direction.NEUTRAL}


def test_a_measure_without_a_better_way_says_what_moved_and_is_never_judged() -> None:
    for found, rule in (
        (counted(observed(60, 12000), observed(0, 2000), **NEUTRAL), "neutral-rate-fell"),
        (counted(observed(40, 12000), observed(40, 3000), **NEUTRAL), "neutral-rate-rose"),
        (counted(observed(40, 12000), observed(3, 2000), **NEUTRAL), "neutral-no-clear-change"),
        (counted(observed(4, 12000), observed(40, 3000), **NEUTRAL), "few-events-before"),
        (values(95.0, 94.0, **NEUTRAL), "neutral-special-cause"),
        (values(40.0, 72.0, **NEUTRAL), "neutral-special-cause"),
        (values(95.0, 40.0, **NEUTRAL), "neutral-special-cause"),
        (values(72.0, 71.0, 73.0, **NEUTRAL), "neutral-no-special-cause"),
        (shared(EIGHTY, [(20, 20), (20, 20), (19, 20)], **NEUTRAL), "neutral-share-rose"),
        (shared(EIGHTY, [(10, 20), (11, 20), (9, 20)], **NEUTRAL), "neutral-share-fell"),
        (shared(MANY, [(74, 100), (75, 100), (61, 100)], **NEUTRAL), "neutral-special-cause"),
        (shared(EIGHTY, [(16, 20), (17, 20), (15, 20)], **NEUTRAL), "neutral-no-clear-change"),
    ):
        concluded = conclude(RULES, found)
        assert concluded.proposal == Proposal(Verdict.CANNOT_JUDGE, rule)
        assert concluded.chart is not None
    moved = values(95.0, 94.0, **NEUTRAL)
    chart = conclude(RULES, moved).chart
    assert chart is not None
    assert shown(chart, moved.series, moved.direction)["points"][-2:] == ["special_cause_neutral_high"] * 2


def test_the_chart_of_rare_events_is_kept_with_its_verdict() -> None:
    """Its limits by Nelson's power: the mean of the 3.6th roots, and 2.66 times their mean moving range."""
    before, after = (28.0, 30.0) * 6, (280.0,)
    concluded = conclude(RULES, counted(observed(13, 12000), observed(0, 800), between=(before, after)))
    assert concluded.proposal.rule == "longer-between-events"
    assert concluded.between is not None
    drawn = shown_between(concluded.between, len(before))
    roots = [n ** (1 / 3.6) for n in before]
    upper = (sum(roots) / 12 + 2.66 * abs(roots[1] - roots[0])) ** 3.6
    assert (drawn["kind"], drawn["baseline_points"], drawn["values"]) == ("t", 12, [*before, *after])
    assert drawn["upper"][0] == pytest.approx(upper)
    assert drawn["outside_limits"] == [0] * 12 + [1]
    assert conclude(RULES, counted(observed(60, 12000), observed(0, 2000))).between is None


def test_a_short_baseline_is_never_compared_with() -> None:
    found = counted(observed(60, 12000), observed(0, 2000))
    assert found.series.denominators is not None
    gone = replace(found.series, denominators=(0.0, *found.series.denominators[1:]))
    assert conclude(RULES, replace(found, series=gone)).proposal == Proposal(Verdict.CANNOT_JUDGE, "short-baseline")


def test_months_that_spread_too_much_widen_the_interval() -> None:
    """The same totals; before, all came in two months. What was clear is not any more."""
    even = counted(observed(60, 12000), observed(4, 2000))
    assert conclude(RULES, even).proposal.verdict is Verdict.NO_CHANGE
    even = counted(observed(60, 12000), observed(2, 2000))
    assert conclude(RULES, even).proposal.verdict is Verdict.SUSTAINED
    uneven = replace(even, series=replace(even.series, numbers=(30.0, 30.0, *[0.0] * 10, 1.0, 1.0, 0.0)))
    concluded = conclude(RULES, uneven)
    assert (concluded.proposal.verdict, "overdispersed" in concluded.warnings) == (Verdict.NO_CHANGE, True)


def test_a_last_month_out_of_line_is_not_sustained() -> None:
    found = counted(observed(240, 12000), observed(30, 6000))
    # Two months without any, then one far above all before.
    late = replace(found, series=replace(found.series, numbers=(*found.series.numbers[:12], 0.0, 0.0, 90.0)))
    assert conclude(RULES, late).proposal == Proposal(Verdict.IMPROVING, "last-month-out-of-line")


@given(counts, counts, exposures, exposures, st.booleans(), st.booleans())
def test_a_verdict_follows_the_interval(
    a: int, b: int, exposure: Decimal, later: Decimal, last: bool, improved: bool
) -> None:
    before, after = observed(a, exposure), observed(b, later)
    verdict, _ = propose(before, after, last=last, improved_before=improved)
    ratio = rate_ratio(before, after, RULES.confidence)
    if verdict is Verdict.SUSTAINED:
        assert last
        assert improved
    if verdict in (Verdict.SUSTAINED, Verdict.IMPROVING):
        assert ratio is not None
        assert ratio.upper < 1
    if verdict is Verdict.WORSE:
        assert ratio is not None
        assert ratio.lower > 1
    if verdict is Verdict.NO_CHANGE:
        assert ratio is not None
        assert ratio.lower <= 1 <= ratio.upper
    if a < RULES.min_baseline_events:
        assert verdict is Verdict.CANNOT_JUDGE


@given(st.integers(5, 2000), st.integers(0, 10), st.floats(0.01, 2.99))
def test_few_expected_events_come_with_a_wide_interval(a: int, b: int, expected: float) -> None:
    """Why the rule need not ask how wide the interval is."""
    before, after = observed(a, 100_000), observed(b, 100_000 * expected / a)
    assume(propose(before, after)[1] == "few-events-expected")
    ratio = rate_ratio(before, after, 0.95)
    assert ratio is not None
    assert ratio.lower == 0 or ratio.upper / ratio.lower > 4


@given(st.integers(5, 400), st.integers(1, 400), exposures, exposures)
def test_fewer_events_never_look_worse(a: int, b: int, exposure: Decimal, later: Decimal) -> None:
    order = [Verdict.SUSTAINED, Verdict.IMPROVING, Verdict.NO_CHANGE, Verdict.WORSE]
    before = observed(a, exposure)
    more, fewer = propose(before, observed(b, later))[0], propose(before, observed(b - 1, later))[0]
    assume(Verdict.CANNOT_JUDGE not in (more, fewer))
    assert order.index(fewer) <= order.index(more)


# --- series of plain values ---


def values(*after: float | None, before: Any = (70.0, 74.0, 72.0, 71.0) * 3, **changes: Any) -> Found:
    """An audit score, month by month, higher is better; twelve months before the change."""
    months = tuple(date(2025 + n // 12, 1 + n % 12, 1) for n in range(len(before) + len(after)))
    found = Found(Direction.INCREASE, Series(months, (*before, *after), None, basis=len(before)))
    return replace(found, **{"last": True, "improved_before": True, **changes})


@pytest.mark.parametrize(
    ("found", "verdict", "rule"),
    [
        (values(95.0, 94.0), Verdict.SUSTAINED, "signal-of-improvement-stayed"),
        (values(95.0), Verdict.IMPROVING, "signal-of-improvement"),
        (values(95.0, 94.0, improved_before=False), Verdict.IMPROVING, "signal-of-improvement"),
        (values(95.0, 94.0, last=False), Verdict.IMPROVING, "signal-of-improvement"),
        (values(40.0, 72.0), Verdict.WORSE, "signal-of-concern"),
        (values(95.0, 40.0), Verdict.CANNOT_JUDGE, "signals-both-ways"),
        (values(72.0, 71.0, 73.0), Verdict.NO_CHANGE, "no-special-cause"),
        (values(72.0, 71.0), Verdict.CANNOT_JUDGE, "few-points-after"),
        (values(), Verdict.CANNOT_JUDGE, "few-points-after"),
        (values(None, None, None), Verdict.CANNOT_JUDGE, "few-points-after"),
        (values(95.0, 94.0, before=(70.0,) * 11), Verdict.CANNOT_JUDGE, "short-baseline"),
        (values(95.0, 94.0, before=(None,) * 12), Verdict.CANNOT_JUDGE, "short-baseline"),
        (values(before=()), Verdict.CANNOT_JUDGE, "no-points"),
        (values(95.0, 94.0, one_definition=False), Verdict.CANNOT_JUDGE, "mixed-definitions"),
    ],
)
def test_proposals_of_plain_values(found: Found, verdict: Verdict, rule: str) -> None:
    assert conclude(RULES, found).proposal == Proposal(verdict, rule)


# --- shares ---


def shared(before: Any, after: Any, **changes: Any) -> Found:
    """Numerators and denominators month by month; more is better."""
    pairs = [*before, *after]
    months = tuple(date(2025 + n // 12, 1 + n % 12, 1) for n in range(len(pairs)))
    numbers, sizes = tuple(float(a) for a, _ in pairs), tuple(float(b) for _, b in pairs)
    first, second = (Observed(sum(a for a, _ in p), 0, Decimal(sum(b for _, b in p))) for p in (before, after))
    series = Series(months, numbers, sizes, basis=len(before), share=True)
    found = Found(Direction.INCREASE, series, first, second, last=True, improved_before=True)
    return replace(found, **changes)


# 192 of 240; 5 of 14; three of four of 1,200; two of three, and far more spread than chance has it.
EIGHTY = [(16, 20)] * 12
FEW = [(1, 1), (0, 1), (0, 1), (1, 1), (0, 1), (1, 2), (0, 1), (1, 1), (0, 1), (1, 1), (0, 1), (0, 2)]
MANY = [(76, 100), (74, 100), (75, 100), (73, 100)] * 3
UNEVEN = [(95, 100), (40, 100), (70, 100)] * 4


@pytest.mark.parametrize(
    ("found", "verdict", "rule"),
    [
        (shared(EIGHTY, [(20, 20), (20, 20), (19, 20)]), Verdict.SUSTAINED, "share-rose-and-stayed"),
        (shared(EIGHTY, [(59, 60)]), Verdict.IMPROVING, "share-rose"),
        (shared(EIGHTY, [(20, 20), (20, 20), (19, 20)], last=False), Verdict.IMPROVING, "share-rose"),
        (shared(EIGHTY, [(20, 20), (39, 40)], direction=Direction.DECREASE), Verdict.WORSE, "share-rose"),
        (shared(EIGHTY, [(10, 20), (11, 20), (9, 20)]), Verdict.WORSE, "share-fell"),
        (shared(EIGHTY, [(16, 20), (17, 20), (15, 20)]), Verdict.NO_CHANGE, "no-clear-change"),
        (shared(EIGHTY, [(17, 20), (16, 20)]), Verdict.CANNOT_JUDGE, "few-points-after"),
        (shared(EIGHTY, [(4, 4), (3, 4), (4, 4)]), Verdict.CANNOT_JUDGE, "few-events-expected"),
        (shared(EIGHTY, [(0, 0)]), Verdict.CANNOT_JUDGE, "no-exposure"),
        (shared(EIGHTY[:11], [(59, 60)]), Verdict.CANNOT_JUDGE, "short-baseline"),
        # One of three failed in a month: 2 sigma and more below 98 %, and nothing to wonder at.
        (shared([(49, 50)] * 12, [(2, 3), (3, 3), (3, 3)]), Verdict.CANNOT_JUDGE, "few-events-expected"),
        # As in SC-05: few are looked at, and what was seen is clear all the same.
        (shared(FEW, [(17, 19)]), Verdict.IMPROVING, "share-rose"),
        (shared(FEW, [(17, 19), (15, 15)]), Verdict.SUSTAINED, "share-rose-and-stayed"),
        # Where the limits hold, a point beyond them counts by itself.
        (shared(MANY, [(75, 100), (90, 100), (60, 100)]), Verdict.CANNOT_JUDGE, "signals-both-ways"),
        (shared(MANY, [(74, 100), (75, 100), (61, 100)]), Verdict.WORSE, "signal-of-concern"),
        (shared(MANY, [(75, 100), (74, 100), (76, 100)]), Verdict.NO_CHANGE, "no-clear-change"),
        # Months that spread: 85 of 100 are no news where 95 were there before, whatever chance alone would say.
        (shared(UNEVEN, [(85, 100), (84, 100), (83, 100)]), Verdict.NO_CHANGE, "no-clear-change"),
    ],
)
def test_proposals_of_shares(found: Found, verdict: Verdict, rule: str) -> None:
    assert conclude(RULES, found).proposal == Proposal(verdict, rule)


def test_what_a_rate_ratio_does_not_see_in_a_share() -> None:
    """192 of 240 and 59 of 60, taken as events over exposure, have an interval that holds 1; as shares they differ."""
    ratio = rate_ratio(observed(192, 240), observed(59, 60), 0.95)
    assert ratio is not None
    assert ratio.lower < 1 < ratio.upper
    found = shared(EIGHTY, [(20, 20), (20, 20), (19, 20)])
    concluded = conclude(RULES, found)
    assert (concluded.ratio, concluded.shares is not None) == (None, True)
    assert concluded.shares is not None
    table = [[59, 1], [192, 48]]
    more = stats.fisher_exact(table, alternative="greater").pvalue
    assert concluded.shares.p_central == pytest.approx(2 * more, rel=1e-9)
    assert compared(concluded.shares)["before"] == pytest.approx(80)
    assert concluded.chart is not None
    # Limits of a p chart by hand: 80 % plus and minus 3 sqrt(0.8 * 0.2 / 20), and no share is above 100 %.
    assert concluded.chart.kind == ChartKind.P
    assert concluded.chart.lines.centre[0] == pytest.approx(80)
    assert concluded.chart.lines.lower[0] == pytest.approx(100 * (0.8 - 3 * math.sqrt(0.8 * 0.2 / 20)))
    assert concluded.chart.lines.upper[0] == 100
    assert conclude(RULES, shared(UNEVEN, [(85, 100)])).warnings == ("overdispersed",)
    spread = conclude(RULES, shared(UNEVEN, [(85, 100)])).chart
    assert spread is not None
    assert spread.kind == ChartKind.PP


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_shares_are_compared_as_scipy_does(a: int, b: int, c: int, d: int) -> None:
    assume(a + b and c + d)
    found = shares(Counted(a, a + b), Counted(c, c + d))
    assert found is not None
    table = [[c, d], [a, b]]
    fewer, more = (stats.fisher_exact(table, alternative=side).pvalue for side in ("less", "greater"))
    assert (found.p_fewer, found.p_more) == (pytest.approx(fewer, rel=1e-7), pytest.approx(more, rel=1e-7))
    assert found.p_central == pytest.approx(min(1, 2 * min(fewer, more)), rel=1e-7)


def test_large_shares_are_compared_as_scipy_does() -> None:
    for before, after in ((80_000, 20_300), (80_000, 19_500), (80_000, 24_999), (0, 25_000)):
        found = shares(Counted(before, 100_000), Counted(after, 25_000))
        assert found is not None
        known = stats.hypergeom(125_000, before + after, 25_000)
        assert found.p_fewer == pytest.approx(known.cdf(after), rel=1e-5, abs=1e-300)
        assert found.p_more == pytest.approx(known.sf(after - 1), rel=1e-5, abs=1e-200)
    assert shares(Counted(0, 0), Counted(1, 2)) is None


@given(st.lists(st.integers(0, 30), min_size=1, max_size=5), st.booleans(), st.booleans())
def test_what_is_not_counted_gives_the_same_verdict_the_other_way(after: list[int], last: bool, improved: bool) -> None:
    """Of 30 each month, those who were competent, or those who were not."""
    before = [(24, 30), (25, 30), (23, 30), (24, 30)] * 3
    found = shared(before, [(a, 30) for a in after], last=last, improved_before=improved)
    others = shared(
        [(b - a, b) for a, b in before], [(30 - a, 30) for a in after], last=last, improved_before=improved,
        direction=Direction.DECREASE,
    )  # fmt: skip
    one, two = conclude(RULES, found).proposal, conclude(RULES, others).proposal
    assert one.verdict is two.verdict


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("step", [1.0, -1.0])
def test_what_went_up_or_down_before_the_change_is_no_effect_of_it(direction: Direction, step: float) -> None:
    """Six points on one side, and going one way, before the change, and one more after it: seven, but one of them after."""
    before = [72.0, 71.0, 73.0, 70.0, 74.0, 72.0, 72.0, 71.0, 73.0, 71.0, 73.0, 72.0]
    shifted = values(72.0 + step, before=(*before, *[72.0 + step] * 6), direction=direction)
    trending = values(
        72.0 + step * 0.7, before=(*before, *[72.0 + step * n / 10 for n in range(1, 7)]), direction=direction
    )
    for found in (shifted, trending):
        concluded = conclude(RULES, found)
        assert concluded.proposal == Proposal(Verdict.CANNOT_JUDGE, "few-points-after")
        assert concluded.chart is not None
        basis = found.series.basis
        assert not (concluded.chart.signals.high | concluded.chart.signals.low)[basis:].any()
        # The same points as one segment: what was reported as an effect.
        one = draw(ChartKind.XMR, np.array(found.series.numbers, dtype=float), fixed=basis)
        assert (one.signals.high | one.signals.low)[basis:].any()


def test_seven_points_after_the_change_are_a_shift_of_their_own() -> None:
    """Against the lines of the baseline, whose mean is 71.75."""
    six, seven = values(*[73.0] * 6), values(*[73.0] * 7)
    assert conclude(RULES, six).proposal == Proposal(Verdict.NO_CHANGE, "no-special-cause")
    assert conclude(RULES, seven).proposal == Proposal(Verdict.SUSTAINED, "signal-of-improvement-stayed")
    assert conclude(RULES, replace(seven, direction=Direction.DECREASE)).proposal == Proposal(
        Verdict.WORSE, "signal-of-concern"
    )


def test_the_month_that_prompted_the_change_is_said_to_be_left_out() -> None:
    for found in (values(95.0, 94.0), counted(observed(60, 12000), observed(0, 2000)), values(based=False)):
        told = conclude(RULES, replace(found, left_out=True))
        silent = conclude(RULES, found)
        assert told.proposal == silent.proposal
        assert told.warnings == ("incident-month-left-out", *silent.warnings)


@given(st.lists(st.integers(0, 100).map(float), min_size=0, max_size=6), st.booleans(), st.booleans())
def test_plain_values_upside_down_give_the_same_verdict(after: list[float], last: bool, improved: bool) -> None:
    found = replace(values(*after), last=last, improved_before=improved)
    turned = replace(
        found,
        direction=Direction.DECREASE,
        series=replace(found.series, numbers=tuple(None if n is None else -n for n in found.series.numbers)),
    )
    assert conclude(RULES, found).proposal == conclude(RULES, turned).proposal


def test_a_chart_shows_its_rules_its_gaps_and_no_icon_with_few_points() -> None:
    found = values(95.0, None, 94.0)
    concluded = conclude(RULES, found)
    assert concluded.chart is not None
    drawn = shown(concluded.chart, found.series, found.direction)
    assert (drawn["kind"], drawn["preset"], drawn["shift"], drawn["baseline_points"]) == ("xmr", "mdc", 7, 12)
    assert drawn["gaps"] == ["2026-02-01"]
    assert (drawn["variation_icon"], drawn["limits_are_provisional"]) == ("improvement_high", False)
    few = values(95.0, before=(70.0, 71.0, 72.0))
    concluded = conclude(RULES, few)
    assert concluded.chart is not None
    drawn = shown(concluded.chart, few.series, few.direction)
    assert (drawn["variation_icon"], drawn["limits_are_provisional"]) == (None, True)


def test_only_a_final_verdict_settles() -> None:
    assert {verdict for verdict in Verdict if settles(verdict)} == {
        Verdict.SUSTAINED,
        Verdict.NO_CHANGE,
        Verdict.WORSE,
    }


# --- what is counted ---


def test_rates_and_shares() -> None:
    assert observed(5, 2500).per_1000 == 2
    assert observed(5, 0).per_1000 is None
    assert observed(3, 1, near_misses=1).near_miss_share == 0.25
    assert observed(0, 1).near_miss_share is None


def test_near_misses_are_counted_apart_and_good_care_not_at_all() -> None:
    assert {kind: counts_as(kind) for kind in Kind} == {
        Kind.INCIDENT: (1, 0),
        Kind.NEAR_MISS: (0, 1),
        Kind.GOOD_CARE: (0, 0),
    }


def test_a_day_is_a_day_in_england() -> None:
    assert local_day(datetime(2026, 6, 8, 23, 30, tzinfo=UTC)) == date(2026, 6, 9)
    assert local_day(datetime(2026, 12, 8, 23, 30, tzinfo=UTC)) == date(2026, 12, 8)


@given(instants, st.integers(0, 400))
def test_windows_hold_whole_days(since: datetime, days: int) -> None:
    now = since + timedelta(days=days)
    window = window_between(since, now)
    assert window.first > local_day(since)
    assert window.until == local_day(now)
    # A clock that changes in between may move one of the two instants over midnight.
    assert abs((window.until - window.first).days - (days - 1)) <= 1
    before = window_before(since, 365)
    assert (before.until - before.first).days == 365
    assert before.until <= local_day(since) < window.first


@given(instants, st.integers(-40, 400))
def test_a_year_to_compare_with_is_left_beside_the_month_that_prompted_the_change(at: datetime, ago: int) -> None:
    prompted = local_day(at) - timedelta(days=ago)
    month = window_of(prompted)
    assert (month.first.day, month.until.day) == (1, 1)
    assert 28 <= (month.until - month.first).days <= 31
    whole = baseline_before(at, 365, prompted)
    kept = without(whole, month)
    assert (whole.first.day, whole.until) == (1, local_day(at))
    assert sum((part.until - part.first).days for part in kept) >= 365
    assert all(part.until <= month.first or month.until <= part.first for part in kept)
    # Also for a series with one value a month, of which only months that begin in the baseline count.
    begun = {m for part in kept for m in months_of(part) if whole.first <= m < whole.until}
    assert len(begun - {month.first}) >= 12
    assert baseline_before(at, 365, None).first <= local_day(at) - timedelta(days=365)


def test_the_window_of_the_same_day_is_empty() -> None:
    at = datetime(2026, 6, 8, 9, tzinfo=UTC)
    assert window_between(at, at) == Window(date(2026, 6, 9), date(2026, 6, 8))


# --- people and statuses ---


@given(st.uuids(), st.uuids(), st.none() | st.uuids())
def test_nobody_verifies_their_own(verifier: UUID, owner: UUID, done_by: UUID | None) -> None:
    assert not independent(owner, above=(), owner=owner, done_by=done_by)
    if done_by is not None:
        assert not independent(done_by, above=(), owner=owner, done_by=done_by)
        assert not independent(uuid4(), above=[uuid4(), done_by], owner=owner, done_by=done_by)
    if verifier not in (owner, done_by):
        assert independent(verifier, above=[uuid4()], owner=owner, done_by=done_by)
    assert not independent(uuid4(), above=[owner], owner=owner, done_by=done_by)


def test_what_is_settled() -> None:
    assert [status for status in ActionStatus if status.settled] == [ActionStatus.VERIFIED, ActionStatus.CANCELLED]
    assert independent(uuid4(), above=(), owner=uuid4(), done_by=None)


# --- the policy ---


@given(instants, st.sampled_from(Band))
def test_checkpoints_lie_ahead_in_order(at: datetime, band: Band) -> None:
    plan = RULES.plan(band, at)
    assert plan
    assert plan == sorted(plan)
    assert plan[0] > at


def test_higher_bands_are_watched_longer() -> None:
    at = datetime(2026, 6, 8, 9, tzinfo=UTC)
    assert {band: [(due - at).days for due in RULES.plan(band, at)] for band in Band} == {
        Band.LOW: [30],
        Band.MODERATE: [30, 90],
        Band.HIGH: [30, 90, 180],
        Band.EXTREME: [30, 90, 180],
    }


SHIPPED = Path(policy.__file__).parent / "policies" / "default.yaml"


@pytest.mark.parametrize(
    ("path", "value", "names"),
    [
        ("checkpoints", {"low": [30]}, "every risk band"),
        ("checkpoints.low", [], "at least one"),
        ("checkpoints.high", [90, 30], "must rise"),
        ("checkpoints.high", [30, 30], "must rise"),
        ("checkpoints.low", [0], "greater than or equal to 1"),
        ("verify_days", 0, "greater than or equal to 1"),
        ("measure.confidence_percent", 100, "less than 100"),
        ("measure.min_expected_events", 50, "less than or equal to 5"),
        ("measure.default_unit", "doses", "occupied_bed_days"),
        ("verify_day", 14, "Extra inputs"),
    ],
)
def test_a_policy_that_cannot_work_is_refused(tmp_path: Path, path: str, value: Any, names: str) -> None:
    document = yaml.safe_load(SHIPPED.read_text())
    *parents, last = path.split(".")
    target = document
    for parent in parents:
        target = target[parent]
    target[last] = value
    changed = tmp_path / "policy.yaml"
    changed.write_text(yaml.safe_dump(document))
    with pytest.raises(ValueError, match=names):
        policy.load(changed)
