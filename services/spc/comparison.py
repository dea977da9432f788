"""Before and after: the rate ratio with exact limits, and the two warnings that go with it.

The distributions are scipy.special's own functions: scipy.stats, which calls the same, takes a second to load.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from services.spc.limits import Floats


@dataclass(frozen=True)
class Counted:
    """Events over an exposure."""

    events: float
    exposure: float


@dataclass(frozen=True)
class RateRatio:
    """Rate after over rate before. Below 1 is fewer. `upper` and `ratio` may be infinite: nothing happened before.

    `p_central` agrees with the interval. `p_minlike`, R's, may not, and is there to compare with.
    """

    ratio: float
    lower: float
    upper: float
    p_central: float
    p_minlike: float
    p_fewer: float
    p_more: float


def rate_ratio(before: Counted, after: Counted, confidence: float = 0.95) -> RateRatio | None:
    """The ratio with its exact limits. None when it cannot be estimated: no exposure, or no events at all.

    Given the total of both, the events after are binomial; the Clopper-Pearson limits of their share give those of
    the ratio. Exact, so that it holds for the small numbers of a care home.
    """
    total = before.events + after.events
    if not (before.exposure > 0 and after.exposure > 0) or total <= 0:
        return None
    tail = (1 - confidence) / 2
    scale = before.exposure / after.exposure
    share = after.exposure / (after.exposure + before.exposure)
    fewer = float(special.bdtr(after.events, int(total), share))
    more = float(special.bdtrc(after.events - 1, int(total), share)) if after.events else 1.0
    return RateRatio(
        ratio=after.events / before.events * scale if before.events else math.inf,
        lower=_odds(special.betaincinv(after.events, before.events + 1, tail)) * scale if after.events else 0.0,
        upper=_odds(special.betaincinv(after.events + 1, before.events, 1 - tail)) * scale
        if before.events
        else math.inf,
        p_central=min(1.0, 2 * min(fewer, more)),
        p_minlike=_minlike(int(after.events), int(total), share),
        p_fewer=fewer,
        p_more=more,
    )


@dataclass(frozen=True)
class Shares:
    """Share after against share before. `p_central` is twice the smaller tail, and at most 1."""

    before: float
    after: float
    p_central: float
    p_fewer: float
    p_more: float


# Beyond so many standard deviations there is nothing left of a tail.
_REACH = 40.0


def shares(before: Counted, after: Counted) -> Shares | None:
    """Fisher's exact comparison of two shares, `events` out of `exposure`. None when one is out of nothing.

    Given the total of both, the events after are hypergeometric if nothing changed. Exact, so that it holds for 5 of 14
    and for 60 of 60, where limits from the normal curve reach past 1.
    """
    if before.exposure <= 0 or after.exposure <= 0:
        return None
    whole, drawn, events = before.exposure + after.exposure, after.exposure, before.events + after.events
    expected = drawn * events / whole
    spread = math.sqrt(expected * (1 - events / whole) * (whole - drawn) / max(whole - 1, 1))
    least, most = max(0.0, drawn - (whole - events)), min(drawn, events)
    first = max(least, math.floor(expected - _REACH * (spread + 1)))
    seen = np.arange(first, min(most, math.ceil(expected + _REACH * (spread + 1))) + 1)
    ways = _ways(events, seen) + _ways(whole - events, drawn - seen)
    chances = np.exp(ways - ways.max())
    chances /= chances.sum()
    fewer = float(chances[seen <= after.events].sum())
    more = float(chances[seen >= after.events].sum())
    return Shares(
        before=before.events / before.exposure,
        after=after.events / after.exposure,
        p_central=min(1.0, 2 * min(fewer, more)),
        p_fewer=min(1.0, fewer),
        p_more=min(1.0, more),
    )


def _ways(n: float, k: Floats) -> Floats:
    """The logarithm of how many ways there are to choose."""
    return np.asarray(special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1))


def _odds(share: float) -> float:
    return float(share / (1 - share))


def _minlike(seen: int, total: int, share: float) -> float:
    """The probability of all outcomes no likelier than the one seen."""
    outcomes = np.arange(total + 1)
    ways = special.gammaln(total + 1) - special.gammaln(outcomes + 1) - special.gammaln(total - outcomes + 1)
    chances = np.exp(ways + special.xlogy(outcomes, share) + special.xlog1py(total - outcomes, -share))
    # The same probability may differ in its last digits when computed for another outcome.
    return float(min(1.0, chances[chances <= chances[seen] * (1 + 1e-7)].sum()))


@dataclass(frozen=True)
class Dispersion:
    """How much wider counts spread than chance alone: 1 is chance. A small `p` says that the interval is too narrow."""

    chi_square: float
    degrees: int
    ratio: float
    p: float


def dispersion(events: Floats, exposure: Floats, *, binomial: bool = False) -> Dispersion | None:
    """Pearson's chi-square over its degrees of freedom. None with fewer than two periods, or nothing to spread."""
    known = ~np.isnan(events) & (exposure > 0)
    counts, sizes = events[known], exposure[known]
    if counts.size < 2 or counts.sum() <= 0:
        return None
    rate = counts.sum() / sizes.sum()
    expected = sizes * rate
    variance = expected * (1 - rate) if binomial else expected
    if (variance <= 0).any():
        return None
    chi_square = float(((counts - expected) ** 2 / variance).sum())
    degrees = int(counts.size - 1)
    return Dispersion(chi_square, degrees, chi_square / degrees, float(special.chdtrc(degrees, chi_square)))


@dataclass(frozen=True)
class Autocorrelation:
    """How much a point resembles the one before, and how far from 0 chance alone may take it."""

    lag1: float
    bound: float

    @property
    def warns(self) -> bool:
        """Whether limits are too narrow and runs too long to be taken at their word."""
        return abs(self.lag1) > self.bound


def autocorrelation(values: Floats) -> Autocorrelation | None:
    """At lag 1. Pairs over a gap do not count. None with fewer than three points, or for a constant series."""
    known = ~np.isnan(values)
    n = int(known.sum())
    if n < 3:
        return None
    centred = values - values[known].mean()
    spread = float((centred[known] ** 2).sum())
    if spread <= 0:
        return None
    pairs = centred[:-1] * centred[1:]
    return Autocorrelation(float(np.nansum(pairs)) / spread, float(special.ndtri(0.975)) / math.sqrt(n))


def widened(ratio: RateRatio, before: Counted, after: Counted, over: Dispersion, confidence: float = 0.95) -> RateRatio:
    """The ratio with limits as wide as overdispersed months ask for: the standard error of its logarithm is multiplied.

    Never narrower than the exact limits. As it was when there is no overdispersion or when a count is 0, for which
    there is no such error; say then that the months spread more than the interval knows.
    """
    if over.ratio <= 1 or before.events == 0 or after.events == 0:
        return ratio
    error = math.sqrt((1 / before.events + 1 / after.events) * over.ratio)
    reach = float(special.ndtri((1 + confidence) / 2)) * error
    return RateRatio(
        ratio=ratio.ratio,
        lower=min(ratio.lower, ratio.ratio * math.exp(-reach)),
        upper=max(ratio.upper, ratio.ratio * math.exp(reach)),
        p_central=ratio.p_central,
        p_minlike=ratio.p_minlike,
        p_fewer=ratio.p_fewer,
        p_more=ratio.p_more,
    )


@dataclass(frozen=True)
class RunsAnalysis:
    """Anhoj's analysis of runs: a second opinion whose false alarms stay near 5 % however long the series."""

    useful: int
    longest: int
    longest_allowed: int
    crossings: int
    crossings_needed: int

    @property
    def signal(self) -> bool:
        """Whether the series does not look random."""
        return self.longest > self.longest_allowed or self.crossings < self.crossings_needed


def _quantile(n: int, share: float = 0.05) -> int:
    """The fewest heads of `n` tosses such that so few or fewer have at least this share of the chances."""
    return int(np.searchsorted(special.bdtr(np.arange(n + 1.0), n, 0.5), share))


def runs_analysis(sides: NDArray[np.int8]) -> RunsAnalysis:
    """Of the sides of the centre line on which points lie; those on it, and blanks, are left out."""
    useful = sides[sides != 0]
    n = int(useful.size)
    if n == 0:
        return RunsAnalysis(0, 0, 0, 0, 0)
    changes = np.flatnonzero(np.diff(useful))
    edges = np.concatenate(([-1], changes, [n - 1]))
    return RunsAnalysis(
        useful=n,
        longest=int(np.diff(edges).max()),
        longest_allowed=round(math.log2(n)) + 3,
        crossings=int(changes.size),
        crossings_needed=_quantile(n - 1) if n > 1 else 0,
    )
