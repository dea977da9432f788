"""Whether a rate is another since some period: found where it is, and seldom where it is not."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.spc.chance import at_least, fewer
from services.spc.change import common_dispersion, more_or_fewer

ASKED = {"baseline": 9, "lengths": [1, 2, 3, 4, 6, 8, 12], "strongest": 400.0}


def _counts(chance: random.Random, means: list[float]) -> list[float]:
    """Poisson counts: events of a unit rate until the mean is used up."""
    found = []
    for mean in means:
        at, number = chance.expovariate(1), 0
        while at < mean:
            at, number = at + chance.expovariate(1), number + 1
        found.append(float(number))
    return found


@given(st.integers(0, 60), st.floats(0.5, 200), st.floats(0.5, 500), st.floats(0.5, 100))
def test_the_two_tails_hold_all_there_is(seen: int, known: float, over: float, exposure: float) -> None:
    both = at_least(seen, known, over, exposure) + (fewer(seen - 1, known, over, exposure) if seen else 0.0)
    assert abs(both - 1) < 1e-6


def test_a_rise_and_a_fall_are_found_with_the_period_since_which_they_are() -> None:
    rise, fall = more_or_fewer([2.0] * 14 + [8.0] * 4, [100.0] * 18, **ASKED)  # type: ignore[arg-type]
    assert rise is not None
    assert (rise.periods, rise.seen, rise.expected) == (4, 32, 8)
    assert rise.chance < 1e-6
    assert fall is not None
    assert fall.chance > 0.5
    rise, fall = more_or_fewer([8.0] * 14 + [1.0] * 4, [100.0] * 18, **ASKED)  # type: ignore[arg-type]
    assert fall is not None
    assert (fall.periods, fall.ratio) == (4, 0.125)
    assert fall.chance < 1e-6


def test_more_care_is_no_rise() -> None:
    rise, _ = more_or_fewer([2.0] * 14 + [8.0] * 4, [100.0] * 14 + [400.0] * 4, **ASKED)  # type: ignore[arg-type]
    assert rise is not None
    assert rise.chance > 0.3


def test_nothing_is_found_before_there_is_a_baseline_or_anything_known() -> None:
    assert more_or_fewer([5.0] * 9, [100.0] * 9, **ASKED) == (None, None)  # type: ignore[arg-type]
    assert more_or_fewer([0.0] * 12, [0.0] * 12, **ASKED) == (None, None)  # type: ignore[arg-type]


def test_where_nothing_changed_a_chance_of_one_in_a_hundred_comes_no_more_often_than_that() -> None:
    chance = random.Random(5)
    alarms = 0
    for _ in range(600):
        rise, fall = more_or_fewer(_counts(chance, [3.0] * 20), [100.0] * 20, **ASKED)  # type: ignore[arg-type]
        assert rise is not None
        assert fall is not None
        alarms += (rise.chance <= 0.01) + (fall.chance <= 0.01)
    assert alarms <= 2 * 600 * 0.01 * 1.5


@settings(max_examples=30)
@given(st.integers(1, 8))
def test_counts_that_come_in_heaps_are_seen_to_vary_more_and_weigh_less(heap: int) -> None:
    chance = random.Random(heap)
    series = [([heap * one for one in _counts(chance, [4.0] * 20)], [100.0] * 20) for _ in range(60)]
    varies = common_dispersion(series, 20)
    assert abs(varies / heap - 1) < 0.25
    one = [2.0 * heap] * 14 + [3.0 * heap] * 4
    plain, _ = more_or_fewer(one, [100.0] * 18, **ASKED)  # type: ignore[arg-type]
    loose, _ = more_or_fewer(one, [100.0] * 18, dispersion=varies, **ASKED)  # type: ignore[arg-type]
    assert plain is not None
    assert loose is not None
    assert plain.chance <= loose.chance * 1.5
