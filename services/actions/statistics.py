"""How sure one can be that a rate changed."""

from scipy.stats import beta

from services.actions.domain import Observed, RateRatio


def rate_ratio(before: Observed, after: Observed, confidence: float) -> RateRatio | None:
    """Rate after over rate before, with exact limits. None without exposure, or without events before.

    Given the total of both, the events after are binomial; the Clopper-Pearson limits of their share give those of
    the ratio. Exact, so that it holds for the small numbers of a care home.
    """
    if before.exposure <= 0 or after.exposure <= 0 or before.events == 0:
        return None
    tail = (1 - confidence) / 2
    scale = float(before.exposure / after.exposure)
    lower = beta.ppf(tail, after.events, before.events + 1) if after.events else 0.0
    upper = beta.ppf(1 - tail, after.events + 1, before.events)
    return RateRatio(
        ratio=after.events / before.events * scale,
        lower=float(lower / (1 - lower)) * scale,
        upper=float(upper / (1 - upper)) * scale,
    )
