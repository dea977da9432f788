"""Whether a rate is another since some period, and since which: for counts too small to draw limits around.

A control chart of the last periods against all that was before: each of several lengths is tried, by exact tails, and what
is found is held against the number of lengths. The most likely length says since when. (A generalised likelihood ratio
chart of counts: Höhle and Paul 2008, doi:10.1016/j.csda.2008.02.015.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.spc.chance import at_least, fewer


@dataclass(frozen=True)
class Change:
    """That the last `periods` differ: seen and to be expected, and how likely that is if nothing changed."""

    periods: int
    seen: float
    expected: float
    chance: float

    @property
    def ratio(self) -> float:
        """How many times what was to be expected."""
        return self.seen / self.expected if self.expected else 0.0


def more_or_fewer(
    events: Sequence[float],
    exposure: Sequence[float],
    *,
    baseline: int,
    lengths: Sequence[int],
    prior: tuple[float, float] = (0.0, 0.0),
    strongest: float,
    dispersion: float = 1.0,
) -> tuple[Change | None, Change | None]:
    """The likeliest rise and the likeliest fall of a rate up to its last period; None where nothing is known.

    At least `baseline` periods come before it. `prior` is what is known besides the series: events over an exposure. What
    was before counts as at most `strongest` events. Where counts vary `dispersion` times as much as chance explains, all
    events weigh so much less.
    """
    rise: Change | None = None
    fall: Change | None = None
    tried = [length for length in lengths if length <= len(events) - baseline]
    for length in tried:
        seen, lasted = sum(events[-length:]), sum(exposure[-length:])
        before = prior[0] + sum(events[:-length])
        over = prior[1] + sum(exposure[:-length])
        if before <= 0 or over <= 0 or lasted <= 0:
            continue
        weight = min(1.0, strongest / before) / dispersion
        known = (before * weight, over * weight, lasted / dispersion)
        expected = before / over * lasted
        high = min(1.0, at_least(seen / dispersion, *known) * len(tried))
        low = min(1.0, fewer(seen / dispersion, *known) * len(tried))
        if rise is None or high < rise.chance:
            rise = Change(length, seen, expected, high)
        if fall is None or low < fall.chance:
            fall = Change(length, seen, expected, low)
    return rise, fall


def common_dispersion(series: Sequence[tuple[Sequence[float], Sequence[float]]], baseline: int) -> float:
    """How many times as much counts vary as chance explains, in the first `baseline` periods of many series together.

    A series of few points says next to nothing of it by itself. Never below 1; each series is (events, exposure).
    """
    squares = 0.0
    free = 0
    for events, exposure in series:
        seen, over = sum(events[:baseline]), sum(exposure[:baseline])
        if seen <= 0 or over <= 0:
            continue
        expected = [seen / over * one for one in exposure[:baseline]]
        squares += sum((one - mean) ** 2 / mean for one, mean in zip(events, expected, strict=False) if mean > 0)
        free += baseline - 1
    return max(1.0, squares / free) if free else 1.0
