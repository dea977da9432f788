"""Two policies over the same past. Pure; the same facts give the same answer in whatever order they come."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from services.contracts.taxonomy import ReviewMethod, Verdict
from services.review.context.domain import Situation
from services.review.domain import Response, ReviewPolicy


@dataclass(frozen=True)
class Past:
    """An incident as it was known, and what became of it."""

    incident: str
    situation: Situation
    repeats_after: int = 0
    verdict: Verdict | None = None
    reopened: bool = False

    @property
    def went_badly(self) -> bool:
        """Whether it came again, was reopened, or the change had no good effect."""
        return self.repeats_after > 0 or self.reopened or self.verdict in (Verdict.NO_CHANGE, Verdict.WORSE)


@dataclass(frozen=True)
class Moved:
    """How many incidents had one method before and have another, or the same, after."""

    before: ReviewMethod
    after: ReviewMethod
    incidents: int


@dataclass(frozen=True)
class Less:
    """An incident that would have been reviewed less, and what became of it."""

    incident: str
    before: ReviewMethod
    after: ReviewMethod
    rule_before: str
    rule_after: str
    repeats_after: int
    verdict: Verdict | None
    reopened: bool
    went_badly: bool


@dataclass(frozen=True)
class Backtest:
    """What would have changed. Hours are estimates of the policies; the draft's where it has one."""

    before_version: str
    after_version: str
    incidents: int
    changed: int
    deeper: int
    changed_otherwise: Mapping[str, int]
    """Incidents for which something else than the method differs, by what it is."""
    methods: Sequence[Moved]
    hours_before: float
    hours_after: float
    without_hours: Sequence[ReviewMethod]
    reviewed_less: Sequence[Less]


_BESIDE = [each.name for each in fields(Response) if each.name not in ("rule", "method")]


def backtest(past: Iterable[Past], before: ReviewPolicy, after: ReviewPolicy) -> Backtest:
    """Decide every incident by both policies. Deeper and less are by method, and within one method by tier."""
    moved: Counter[tuple[ReviewMethod, ReviewMethod]] = Counter()
    otherwise: Counter[str] = Counter()
    less, deeper, rank = [], 0, list(ReviewMethod).index
    for one in past:
        old, new = before.choose(one.situation), after.choose(one.situation)
        moved[old.method, new.method] += 1
        otherwise.update(name for name in _BESIDE if getattr(new, name) != getattr(old, name))
        deeper += new.depth > old.depth
        if new.depth < old.depth:
            less.append(
                Less(
                    one.incident, old.method, new.method, old.rule, new.rule,
                    one.repeats_after, one.verdict, one.reopened, one.went_badly,
                )
            )  # fmt: skip
    hours: Mapping[ReviewMethod, float] = {**before.hours, **after.hours}
    used = {method for pair in moved for method in pair}
    return Backtest(
        before_version=before.version,
        after_version=after.version,
        incidents=sum(moved.values()),
        changed=sum(n for (old, new), n in moved.items() if old is not new),
        deeper=deeper,
        changed_otherwise=dict(sorted(otherwise.items())),
        methods=[Moved(*pair, moved[pair]) for pair in sorted(moved, key=lambda pair: (rank(pair[0]), rank(pair[1])))],
        hours_before=sum(hours.get(old, 0.0) * n for (old, _), n in moved.items()),
        hours_after=sum(hours.get(new, 0.0) * n for (_, new), n in moved.items()),
        without_hours=sorted(used - set(hours), key=rank),
        reviewed_less=sorted(less, key=lambda one: (not one.went_badly, one.incident)),
    )
