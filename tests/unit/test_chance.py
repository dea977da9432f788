"""Exact tails agree with scipy's distributions, and move the right way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from services.spc.chance import at_least, at_most, gamma_prior, poisson_dispersion, share_at_least


@given(st.integers(0, 40), st.floats(0.5, 400), st.floats(1, 1e5), st.floats(0.1, 1e4))
def test_at_least_is_the_negative_binomial_tail(seen: int, known: float, over: float, exposure: float) -> None:
    expected = stats.nbinom.sf(seen - 1, known, over / (over + exposure))
    assert at_least(seen, known, over, exposure) == pytest.approx(expected, rel=1e-6, abs=1e-300)
    assert at_least(seen + 1, known, over, exposure) <= at_least(seen, known, over, exposure) + 1e-12


@given(st.integers(0, 60), st.integers(1, 60), st.floats(0.001, 0.999))
def test_share_at_least_is_the_binomial_tail(seen: int, total: int, share: float) -> None:
    assert share_at_least(seen, total, share) == pytest.approx(
        stats.binom.sf(seen - 1, total, share), rel=1e-6, abs=1e-300
    )


@given(st.integers(0, 40), st.floats(0.1, 60))
def test_at_most_is_poisson_and_wider_with_dispersion(seen: int, expected: float) -> None:
    assert at_most(seen, expected) == pytest.approx(stats.poisson.cdf(seen, expected), rel=1e-6)
    if seen < expected / 2:
        assert at_most(seen, expected, 3.0) >= at_most(seen, expected) - 1e-9


def test_a_prior_of_equal_units_is_narrow_and_of_unequal_ones_wide() -> None:
    alike, _ = gamma_prior([10.0] * 20, [100.0] * 20)
    apart, rate = gamma_prior([2.0, 30.0, 5.0, 25.0, 1.0, 28.0], [100.0] * 6)
    assert alike > apart
    assert apart / rate == pytest.approx(91 / 600)
    assert gamma_prior([0.0], [10.0]) == (0.0, 0.0)
    assert poisson_dispersion([10.0] * 5, [10.0] * 5) == 1.0
