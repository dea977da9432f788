"""What the figures say: how sure one can be that a rate changed, and the verdict that follows."""

from services.actions.domain import ImprovementPolicy
from services.actions.impact.domain import Observed, Proposal, RateRatio
from services.contracts.taxonomy import Verdict
from services.spc import comparison


def rate_ratio(before: Observed, after: Observed, confidence: float) -> RateRatio | None:
    """Rate after over rate before, with exact limits. None without exposure, or without events before."""
    if before.events == 0:
        return None
    found = comparison.rate_ratio(_counted(before), _counted(after), confidence)
    return None if found is None else RateRatio(found.ratio, found.lower, found.upper)


def _counted(observed: Observed) -> comparison.Counted:
    return comparison.Counted(observed.events, float(observed.exposure))


def propose(
    rules: ImprovementPolicy, before: Observed, after: Observed, ratio: RateRatio | None, *, last: bool
) -> Proposal:
    """A verdict on the change of a rate. The first rule that fits decides. `ratio` is None when there is none.

    Improvement counts as sustained only at the last planned checkpoint. Without a clear change, few expected
    events always come with an interval too wide to say that there was none, so nothing is concluded then.
    """
    if before.exposure <= 0 or after.exposure <= 0:
        return Proposal(Verdict.CANNOT_JUDGE, "no-exposure")
    if ratio is None or before.events < rules.min_baseline_events:
        return Proposal(Verdict.CANNOT_JUDGE, "few-events-before")
    if ratio.lower > 1:
        return Proposal(Verdict.WORSE, "rate-rose")
    if ratio.upper < 1:
        if last:
            return Proposal(Verdict.SUSTAINED, "rate-fell-and-stayed")
        return Proposal(Verdict.IMPROVING, "rate-fell")
    if before.events * after.exposure / before.exposure < rules.min_expected_events:
        return Proposal(Verdict.CANNOT_JUDGE, "few-events-expected")
    return Proposal(Verdict.NO_CHANGE, "no-clear-change")
