"""How unlikely a count is: exact tails, for numbers that are small. Scalars in, a probability out."""

import math

from scipy import special


def at_least(seen: float, known_events: float, known_exposure: float, exposure: float) -> float:
    """The probability of `seen` events or more in `exposure`, from what is known: events over an exposure.

    What is known is uncertain itself, and the less of it there is the more, so that the tail is the negative binomial
    one. `known_events` may hold a prior, and so be fractional. 1 where nothing is known.
    """
    if seen <= 0 or exposure <= 0 or known_exposure <= 0 or known_events <= 0:
        return 1.0
    return float(special.betainc(seen, known_events, exposure / (exposure + known_exposure)))


def fewer(seen: float, known_events: float, known_exposure: float, exposure: float) -> float:
    """The probability of `seen` events or fewer in `exposure`, from what is known: the other tail of `at_least`."""
    if exposure <= 0 or known_exposure <= 0 or known_events <= 0:
        return 1.0
    return float(special.betainc(known_events, seen + 1, known_exposure / (exposure + known_exposure)))


def at_most(seen: int, expected: float, dispersion: float = 1.0) -> float:
    """The probability of `seen` events or fewer where `expected` are, their variance `dispersion` times the mean.

    Poisson at a dispersion of 1; the negative binomial with that variance above.
    """
    if expected <= 0:
        return 1.0
    if dispersion <= 1:
        return float(special.pdtr(seen, expected))
    shape = expected / (dispersion - 1)
    return float(special.betainc(shape, seen + 1, 1 / dispersion))


def share_at_least(seen: int, total: int, share: float) -> float:
    """The probability of `seen` or more of `total`, each with the chance `share`."""
    if seen <= 0:
        return 1.0
    if share >= 1:
        return 1.0
    return float(special.betainc(seen, total - seen + 1, share)) if seen <= total else 0.0


def gamma_prior(
    events: list[float], exposure: list[float], *, least: float = 0.5, most: float = 50.0
) -> tuple[float, float]:
    """Shape and rate of how a rate varies between units, by the method of moments; (0, 0) where nothing happened.

    The shape is kept between `least` and `most`: a few units cannot tell that all are alike, or that none is.
    """
    total, over = sum(events), sum(exposure)
    if total <= 0 or over <= 0:
        return 0.0, 0.0
    rate = total / over
    # Variance between units beyond what counting alone gives, each unit by its exposure.
    expected = [rate * one for one in exposure]
    excess = sum((seen - mean) ** 2 - mean for seen, mean in zip(events, expected, strict=True))
    weight = sum(mean**2 for mean in expected)
    between = excess / weight if weight > 0 else 0.0
    shape = most if between <= 0 else min(most, max(least, 1 / between))
    return shape, shape / rate


def poisson_dispersion(events: list[float], expected: list[float]) -> float:
    """Pearson's chi-square over its degrees of freedom; never below 1."""
    pairs = [(seen, mean) for seen, mean in zip(events, expected, strict=True) if mean > 0]
    if len(pairs) < 3:
        return 1.0
    return max(1.0, math.fsum((seen - mean) ** 2 / mean for seen, mean in pairs) / (len(pairs) - 1))
