"""The rules of review: pure, no I/O."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.contracts.taxonomy import Band, Category, Kind, PhysicalHarm, ReviewMethod, Role, Seips

REVIEWERS = (Role.REGISTERED_MANAGER, Role.REGIONAL_MANAGER, Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD)
"""Who may write a review."""

APPROVERS = (*REVIEWERS, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)
"""Among whom a policy may choose the approver; they may read reviews too."""

MAX_OPTIONS = 5


class ReviewStatus(StrEnum):
    """How far a review is. Ended: its incident was withdrawn or is a duplicate."""

    OPEN = "open"
    SUBMITTED = "submitted"
    RETURNED = "returned"
    APPROVED = "approved"
    ENDED = "ended"

    @property
    def editable(self) -> bool:
        """Whether the reviewer has the next move."""
        return self in (ReviewStatus.OPEN, ReviewStatus.RETURNED)


class Step(StrEnum):
    """What happened to a review, in its history."""

    OPENED = "opened"
    DRAFTED = "drafted"
    SUBMITTED = "submitted"
    RETURNED = "returned"
    APPROVED = "approved"


class Need(StrEnum):
    """Whether something must follow a review."""

    REQUIRED = "required"
    UNLESS_EXPLAINED = "unless_explained"
    NOT_REQUIRED = "not_required"


class Audience(StrEnum):
    """Which locations a briefing goes to, seen from the incident's own, which is always among them."""

    OWN_LOCATION = "own_location"
    REGION = "region"
    PROVIDER = "provider"


@dataclass(frozen=True)
class Response:
    """What a policy finds proportionate. Days are working days."""

    rule: str
    method: ReviewMethod
    working_days: int
    lead_role: Role
    approval_role: Role
    actions_need: Need
    briefing_need: Need
    briefing_audience: Audience
    briefing_target_percent: int
    briefing_working_days: int


@dataclass(frozen=True)
class ReviewRule:
    """Fits an incident when every condition that is set holds."""

    kinds: frozenset[Kind] | None
    categories: frozenset[Category] | None
    bands: frozenset[Band] | None
    actual_harms: frozenset[PhysicalHarm] | None
    response: Response

    def fits(self, kind: Kind, category: Category, band: Band, actual_harm: PhysicalHarm) -> bool:
        """Whether the rule speaks about such an incident."""
        return (
            (self.kinds is None or kind in self.kinds)
            and (self.categories is None or category in self.categories)
            and (self.bands is None or band in self.bands)
            and (self.actual_harms is None or actual_harm in self.actual_harms)
        )


@dataclass(frozen=True)
class ReviewPolicy:
    """A version of a provider's proportionality policy."""

    version: str
    rules: Sequence[ReviewRule]

    def choose(self, kind: Kind, category: Category, band: Band, actual_harm: PhysicalHarm) -> Response:
        """What the first fitting rule says."""
        return next(rule.response for rule in self.rules if rule.fits(kind, category, band, actual_harm))


@dataclass(frozen=True)
class Factor:
    """Something that contributed, and the element of the work system in which it lies."""

    element: Seips
    description: str | None


@dataclass(frozen=True)
class Learning:
    """What was learned. `answers_factor` is the place of a factor in its list, from 0."""

    statement: str
    answers_factor: int | None


@dataclass(frozen=True)
class BriefingDraft:
    """What other teams will read, and the question that shows whether it was understood.

    `correct` is the place of the right answer among the options, from 0.
    """

    summary: str | None
    what_changes: str | None
    question: str | None
    options: Sequence[str]
    correct: int | None


@dataclass(frozen=True)
class Draft:
    """The content of a review as far as it is written."""

    what_happened: str | None
    why: str | None
    factors: Sequence[Factor]
    learning: Sequence[Learning]
    only_person_reason: str | None
    no_actions_reason: str | None
    no_briefing_reason: str | None
    briefing: BriefingDraft | None


@dataclass(frozen=True)
class Gap:
    """What a draft still lacks, and what to do about it."""

    field: str
    message: str
    remedy: str


def gaps(draft: Draft, *, actions: Need, briefing: Need) -> list[Gap]:
    """Everything that keeps a draft from being submitted; nothing when it is complete."""
    return [
        *_narrative(draft),
        *_factors(draft),
        *_learning(draft),
        *_actions(draft, actions),
        *_briefing(draft, briefing),
    ]


def _narrative(draft: Draft) -> Iterator[Gap]:
    if draft.what_happened is None:
        yield Gap("what_happened", "is missing", "Say what happened, as far as you found out.")
    if draft.why is None:
        yield Gap("why", "is missing", "Say why it made sense to those involved, and what set it up.")


def _factors(draft: Draft) -> Iterator[Gap]:
    if not draft.factors:
        yield Gap("factors", "is empty", "Name at least one factor that contributed.")
    for place, factor in enumerate(draft.factors):
        if factor.description is None:
            yield Gap(f"factors.{place}.description", "is missing", "Describe the factor, or remove it.")
    # "Focus on individual error" is the weakness inspectors name first: it needs a second look or a reason.
    only_person = bool(draft.factors) and all(factor.element is Seips.PERSON for factor in draft.factors)
    if only_person and draft.only_person_reason is None:
        yield Gap(
            "only_person_reason",
            "is needed: every factor lies in a person",
            "Add a factor in tasks, tools, organisation or environment, or say why nothing there contributed.",
        )


def _learning(draft: Draft) -> Iterator[Gap]:
    if not draft.learning:
        yield Gap("learning", "is empty", "State at least one thing that was learned.")
    for place, learning in enumerate(draft.learning):
        if learning.answers_factor is not None and learning.answers_factor >= len(draft.factors):
            yield Gap(
                f"learning.{place}.answers_factor",
                "is not the place of a factor",
                "Give the place of a factor in the list, counted from 0, or leave it out.",
            )


def _actions(draft: Draft, need: Need) -> Iterator[Gap]:
    if need is Need.REQUIRED and draft.no_actions_reason is not None:
        yield Gap(
            "no_actions_reason",
            "cannot stand: the policy requires actions at this level of risk",
            "Remove the reason. The actions are agreed once the review is approved.",
        )


def _briefing(draft: Draft, need: Need) -> Iterator[Gap]:
    briefing, reason = draft.briefing, draft.no_briefing_reason
    if reason is not None and need is Need.REQUIRED:
        yield Gap(
            "no_briefing_reason",
            "cannot stand: the policy requires a briefing at this level of risk",
            "Remove the reason and write the briefing.",
        )
    elif reason is not None and briefing is not None:
        yield Gap(
            "no_briefing_reason", "contradicts the briefing that was written", "Remove the reason or the briefing."
        )
    if briefing is None:
        if need is Need.REQUIRED:
            yield Gap("briefing", "is missing", "Write the briefing for the other teams.")
        elif need is Need.UNLESS_EXPLAINED and reason is None:
            yield Gap("briefing", "is missing", "Write the briefing, or say in no_briefing_reason why none is needed.")
        return
    for field in ("summary", "what_changes", "question"):
        if getattr(briefing, field) is None:
            yield Gap(f"briefing.{field}", "is missing", "Fill it in.")
    if not 2 <= len(set(briefing.options)) == len(briefing.options) <= MAX_OPTIONS:
        yield Gap(
            "briefing.options",
            f"must be 2 to {MAX_OPTIONS} different answers",
            "Give the right answer and at least one wrong one that people really believe.",
        )
    if briefing.correct is None or briefing.correct >= len(briefing.options):
        yield Gap(
            "briefing.correct",
            "is not the place of an option",
            "Give the place of the right answer among the options, counted from 0.",
        )


def actions_needed(draft: Draft, need: Need) -> bool:
    """Whether actions must follow a complete review."""
    return need is not Need.NOT_REQUIRED and draft.no_actions_reason is None


def briefing_needed(draft: Draft) -> bool:
    """Whether a briefing must follow a complete review: one was written, because the policy asks or the reviewer did."""
    return draft.briefing is not None
