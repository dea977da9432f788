"""How sure one can be that a rate changed."""

from services.actions.domain import Observed, RateRatio
from services.spc import comparison


def rate_ratio(before: Observed, after: Observed, confidence: float) -> RateRatio | None:
    """Rate after over rate before, with exact limits. None without exposure, or without events before."""
    if before.events == 0:
        return None
    found = comparison.rate_ratio(_counted(before), _counted(after), confidence)
    return None if found is None else RateRatio(found.ratio, found.lower, found.upper)


def _counted(observed: Observed) -> comparison.Counted:
    return comparison.Counted(observed.events, float(observed.exposure))
