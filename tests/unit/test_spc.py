"""The statistics, by figures worked out by hand and by properties."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from services.spc.chart import MDC, NHSR, Assurance, Direction, Icon, PointType, draw
from services.spc.comparison import (
    Counted,
    autocorrelation,
    dispersion,
    rate_ratio,
    runs_analysis,
    widened,
)
from services.spc.limits import Kind
from services.spc.rules import Rules, TwoOfThree

NAN = math.nan
UP, DOWN = Direction.INCREASE, Direction.DECREASE

whole = st.lists(st.integers(0, 40).map(float), min_size=3, max_size=40)
blanks = st.lists(st.one_of(st.integers(0, 40).map(float), st.just(NAN)), min_size=3, max_size=40)
# Powers of two: multiplying by them changes no digit.
factors = st.integers(-6, 6).map(lambda n: 2.0**n)


def series(values: list[float]) -> np.ndarray:
    return np.array(values, dtype=float)


def test_lines_of_each_chart_by_hand() -> None:
    xmr = draw(Kind.XMR, [4, 6, 5, 9])  # moving ranges 2, 1, 4
    assert xmr.lines.centre[0] == 6
    assert xmr.lines.upper[0] == pytest.approx(6 + 2.66 * 7 / 3)
    assert xmr.lines.lower[0] == pytest.approx(6 - 2.66 * 7 / 3)
    c = draw(Kind.C, [4, 6, 5, 9])
    assert (c.lines.lower[0], c.lines.upper[0]) == (0, pytest.approx(6 + 3 * math.sqrt(6)))
    u = draw(Kind.U, [4, 6], [1000, 4000], scale=1000)
    assert u.values.tolist() == [4, 1.5]
    assert u.lines.centre[0] == 2  # the ratio of sums, not the mean of the rates
    assert u.lines.upper[1] == pytest.approx(2 + 3 * math.sqrt(2 / 4000 * 1000))
    p = draw(Kind.P, [19, 20], [20, 20])
    assert p.lines.centre[0] == pytest.approx(0.975)
    assert p.lines.upper[0] == 1
    g = draw(Kind.G, [1, 2, 9])
    assert g.lines.centre[0] == 2  # the median
    assert g.lines.upper[0] == pytest.approx(4 + 3 * math.sqrt(4 * 5))
    t = draw(Kind.T, [10, 10, 10])
    assert t.lines.centre[0] == pytest.approx(10)


def test_primed_limits_widen_with_the_spread() -> None:
    counts, sizes = [900, 990, 880, 1000], [1000, 1010, 1000, 1030]
    p, pp = draw(Kind.P, counts, sizes), draw(Kind.PP, counts, sizes)
    z = (p.values - p.lines.centre) / ((p.lines.upper - p.lines.centre) / 3)
    spread = np.abs(np.diff((p.values - p.lines.centre) / np.sqrt(p.lines.centre * (1 - p.lines.centre) / sizes)))
    assert np.abs(z).max() > 3
    lower = pp.lines.centre - 3 * np.sqrt(pp.lines.centre * (1 - pp.lines.centre) / sizes) * spread.mean() / 1.128
    assert pp.lines.lower == pytest.approx(lower)


def test_a_gap_has_no_moving_range_and_ends_a_run() -> None:
    chart = draw(Kind.XMR, [1, 2, NAN, 4, 5])
    assert np.isnan(chart.moving_range).tolist() == [True, False, True, True, False]
    assert chart.segments[0].n == 4
    seven = [9.0] * 6 + [NAN] + [9.0] + [1.0] * 8
    assert not draw(Kind.XMR, seven).signals.shift[:8].any()
    assert draw(Kind.XMR, [9.0] * 7 + [1.0] * 8).signals.shift[:7].all()


def test_no_exposure_is_a_gap_and_never_a_rate() -> None:
    chart = draw(Kind.U, [3, 2, 4], [100, 0, 100], scale=1000)
    assert chart.gaps.tolist() == [False, True, False]
    assert chart.lines.centre[0] == pytest.approx(35)
    assert np.isnan(draw(Kind.U, [3, 2], [0, 0]).lines.centre).all()


def test_a_t_chart_refuses_two_events_at_once() -> None:
    with pytest.raises(ValueError, match="greater than zero"):
        draw(Kind.T, [3, 0, 4])


def test_a_constant_series_keeps_its_head() -> None:
    for preset in (MDC, NHSR):
        chart = draw(Kind.XMR, [5.0] * 20, preset=preset)
        assert not chart.signals.high.any()
        assert not chart.signals.low.any()
        assert chart.icon(DOWN) is Icon.COMMON_CAUSE
    # Screening takes away every moving range: no limits, so no promise about a target.
    assert draw(Kind.XMR, [5.0] * 20, preset=NHSR).assurance(UP, 4) is None
    assert draw(Kind.XMR, [5.0] * 20, preset=MDC).assurance(UP, 4) is Assurance.CONSISTENT_PASS


def test_few_points_are_said_to_be_few() -> None:
    assert not draw(Kind.XMR, [1.0, 2.0] * 6).enough
    assert draw(Kind.XMR, [*[1.0, 2.0] * 6, 1.0]).enough
    assert np.isnan(draw(Kind.XMR, [3.0]).lines.upper).all()
    assert draw(Kind.XMR, [3.0]).assurance(UP, 1) is None


def test_two_of_three_in_its_three_ways() -> None:
    # Centre 0 and sigma 1 from a fixed baseline; then a pair beyond 2 sigma with the third on the other side.
    quiet = [a * 0.564 for a in (1, -1) * 10]
    other_side = [*quiet, 2.5, -0.1, 2.5]
    beyond = [*quiet, 2.5, 0.1, 3.5]

    def flagged(values: list[float], variant: TwoOfThree) -> list[bool]:
        from dataclasses import replace

        preset = replace(MDC, rules=Rules(two_of_three=variant))
        return [bool(s) for s in draw(Kind.XMR, values, preset=preset, fixed=20).signals.two_of_three[-3:]]

    assert flagged(other_side, TwoOfThree.MDC_2024) == [False] * 3
    assert flagged(other_side, TwoOfThree.NHSR_0_2_2) == [False] * 3
    assert flagged(other_side, TwoOfThree.WA) == [True, False, True]
    assert flagged(beyond, TwoOfThree.MDC_2024) == [True, False, True]
    assert flagged(beyond, TwoOfThree.NHSR_0_2_2) == [False] * 3


def test_a_point_with_two_signals_shows_improvement_and_its_conflict() -> None:
    # Far below the limit, but rising for seven points.
    values = [20.0, 21.0] * 10 + [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    chart = draw(Kind.XMR, values, fixed=20)
    assert chart.conflicts()[-1]
    assert chart.icon(DOWN) is Icon.IMPROVEMENT_LOW
    assert chart.icon(UP) is Icon.IMPROVEMENT_HIGH
    by_precedence = draw(Kind.XMR, values, fixed=20, preset=NHSR)
    assert by_precedence.icon(UP) is Icon.CONCERN_LOW


def test_rebasing_hides_a_signal_that_the_fixed_baseline_shows() -> None:
    values = [10.0, 12.0, 11.0] * 5 + [5.0, 6.0, 4.0] * 5
    assert draw(Kind.XMR, values, fixed=15).icon(DOWN) is Icon.IMPROVEMENT_LOW
    assert draw(Kind.XMR, values, starts=[15]).icon(DOWN) is Icon.COMMON_CAUSE


def test_icons_and_assurance_follow_the_direction() -> None:
    high = draw(Kind.XMR, [*[5.0, 6.0] * 8, 30.0])
    assert [high.icon(d) for d in Direction] == [Icon.IMPROVEMENT_HIGH, Icon.CONCERN_HIGH, Icon.NEUTRAL_HIGH]
    assert high.point_types(DOWN)[-1] is PointType.CONCERN
    assert high.assurance(UP, -100) is Assurance.CONSISTENT_PASS
    assert high.assurance(DOWN, -100) is Assurance.CONSISTENT_FAIL
    assert high.assurance(DOWN, 6) is Assurance.INCONSISTENT
    assert high.assurance(Direction.NEUTRAL, 6) is None


@given(blanks, factors)
def test_scaling_changes_no_signal(values: list[float], factor: float) -> None:
    one, other = draw(Kind.XMR, series(values)), draw(Kind.XMR, series(values) * factor)
    for name, flags in vars(one.signals).items():
        assert (flags == getattr(other.signals, name)).all(), name
    assert other.lines.upper == pytest.approx(one.lines.upper * factor, nan_ok=True)


@given(blanks)
def test_upside_down_turns_every_signal(values: list[float]) -> None:
    one, other = draw(Kind.XMR, series(values)), draw(Kind.XMR, -series(values))
    assert (one.signals.outside == -other.signals.outside).all()
    assert (one.signals.shift == -other.signals.shift).all()
    assert (one.signals.two_of_three == -other.signals.two_of_three).all()
    assert (one.signals.trend_up == other.signals.trend_down).all()
    assert one.point_types(DOWN) == other.point_types(UP)


@given(blanks)
def test_read_backwards_the_same_runs_are_found(values: list[float]) -> None:
    one, other = draw(Kind.XMR, series(values)), draw(Kind.XMR, series(values)[::-1])
    assert (one.signals.shift == other.signals.shift[::-1]).all()
    assert (one.signals.trend_up == other.signals.trend_down[::-1]).all()
    assert one.lines.upper[0] == pytest.approx(other.lines.upper[0], nan_ok=True)


@given(blanks, st.sampled_from([6, 7]))
def test_a_run_is_as_long_as_asked_for(values: list[float], least: int) -> None:
    from dataclasses import replace

    shift = draw(Kind.XMR, series(values), preset=replace(MDC, rules=Rules(shift=least))).signals.shift
    edges = np.flatnonzero(np.diff(np.concatenate(([0], shift, [0]))))
    for begin, end in itertools.pairwise(edges):
        if shift[begin]:
            assert end - begin >= least


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 900)), min_size=3, max_size=30), st.sampled_from(Kind))
def test_many_series_at_once_are_as_one_by_one(rows: list[tuple[int, int]], kind: Kind) -> None:
    counts = series([min(e, n) for e, n in rows])
    sizes = series([n for _, n in rows])
    if kind is Kind.T:
        counts = counts + 1
    batch = draw(
        kind, np.stack([counts, counts[::-1]]), np.stack([sizes, sizes[::-1]]) if kind in "u up p pp" else None
    )
    for index, row in enumerate((slice(None), slice(None, None, -1))):
        single = draw(kind, counts[row], sizes[row] if kind in "u up p pp" else None)
        picked = batch.of(index)
        for name in ("centre", "lower", "upper"):
            assert getattr(picked.lines, name) == pytest.approx(getattr(single.lines, name), nan_ok=True)
        assert picked.point_types(UP) == single.point_types(UP)
        assert picked.assurance(UP, 3) == single.assurance(UP, 3)


@given(whole, st.integers(1, 39))
def test_nothing_carries_over_a_rebase(values: list[float], at: int) -> None:
    assume(at < len(values))
    chart = draw(Kind.XMR, values, starts=[at])
    first, second = draw(Kind.XMR, values[:at]), draw(Kind.XMR, values[at:])
    assert chart.point_types(DOWN) == first.point_types(DOWN) + second.point_types(DOWN)


def test_rate_ratio_by_hand() -> None:
    found = rate_ratio(Counted(2, 100), Counted(1, 100))
    assert found is not None
    assert found.ratio == 0.5
    assert found.p_fewer == pytest.approx(0.5)  # P(X <= 1), X of 3 at one half
    assert found.p_more == pytest.approx(7 / 8)
    assert found.p_central == 1
    assert found.p_minlike == 1
    # Nothing after: the upper limit solves (1 - p)^2 = 0.025.
    none_after = rate_ratio(Counted(2, 100), Counted(0, 100))
    assert none_after is not None
    share = 1 - math.sqrt(0.025)
    assert (none_after.lower, none_after.upper) == (0, pytest.approx(share / (1 - share)))
    nothing_before = rate_ratio(Counted(0, 100), Counted(3, 100))
    assert nothing_before is not None
    assert math.isinf(nothing_before.ratio)
    assert math.isinf(nothing_before.upper)
    assert 0 < nothing_before.lower < 3


def test_what_cannot_be_estimated_is_none() -> None:
    assert rate_ratio(Counted(0, 10), Counted(0, 10)) is None
    assert rate_ratio(Counted(3, 0), Counted(3, 10)) is None
    assert rate_ratio(Counted(3, 10), Counted(3, 0)) is None


@given(st.integers(0, 200), st.integers(0, 200), st.floats(1, 1e5), st.floats(1, 1e5))
def test_central_p_agrees_with_the_interval_and_swapping_inverts(xb: int, xa: int, tb: float, ta: float) -> None:
    found = rate_ratio(Counted(xb, tb), Counted(xa, ta))
    if found is None:
        assert xb == xa == 0
        return
    assert 0 <= found.lower <= found.ratio <= found.upper
    if abs(found.p_central - 0.05) > 1e-9:
        assert (found.p_central < 0.05) == (found.upper < 1 or found.lower > 1)
    swapped = rate_ratio(Counted(xa, ta), Counted(xb, tb))
    assert swapped is not None
    if xb and xa:
        assert swapped.ratio == pytest.approx(1 / found.ratio)
        assert swapped.lower == pytest.approx(1 / found.upper)
    assert swapped.p_fewer == pytest.approx(found.p_more)


def test_dispersion_and_autocorrelation_by_hand() -> None:
    found = dispersion(series([2, 4]), series([1, 1]))
    assert found is not None
    assert (found.chi_square, found.degrees) == (pytest.approx(2 / 3), 1)
    assert found.p == pytest.approx(stats.chi2.sf(2 / 3, 1))
    assert dispersion(series([NAN, 4]), series([1, 1])) is None
    assert dispersion(series([0, 0, 0]), series([1, 1, 1])) is None
    wave = autocorrelation(series([1, -1] * 10))
    assert wave is not None
    assert wave.lag1 == pytest.approx(-19 / 20)
    assert wave.warns
    assert autocorrelation(series([3, 3, 3])) is None


@given(st.integers(1, 60), st.integers(1, 60), st.floats(1, 9))
def test_overdispersion_only_widens(xb: int, xa: int, spread: float) -> None:
    before, after = Counted(xb, 500), Counted(xa, 500)
    exact = rate_ratio(before, after)
    assert exact is not None
    found = dispersion(series([0, 10 * spread]), series([1, 1]))
    assert found is not None
    wide = widened(exact, before, after, found)
    assert wide.lower <= exact.lower
    assert wide.upper >= exact.upper
    assert wide.ratio == exact.ratio


def test_runs_analysis_by_hand() -> None:
    found = runs_analysis(np.array([1, 1, 0, -1, -1, -1, 1], dtype=np.int8))
    assert (found.useful, found.longest, found.crossings) == (6, 3, 2)
    assert found.longest_allowed == round(math.log2(6)) + 3
    assert not found.signal
    assert runs_analysis(np.array([1] * 20, dtype=np.int8)).signal
    assert not runs_analysis(np.zeros(5, dtype=np.int8)).signal


def test_chance_signals_stay_where_simulation_puts_them() -> None:
    """Nothing changes in 2,000 series of 24 normal points; about 15 in 100 still show a signal at seven points."""
    values = np.random.default_rng(7).normal(size=(2000, 24))
    signals = draw(Kind.XMR, values).signals
    share = float((signals.high | signals.low).any(axis=-1).mean())
    assert 0.12 < share < 0.18
