"""The rules of review: pure, no I/O."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from services.contracts.taxonomy import ReviewMethod, Role, Seips
from services.review.causes.domain import Barrier, FactorWord, KnownCause, WhyChain, misplaced
from services.review.context.domain import Situation
from services.review.sharing.domain import BriefingDraft, problems

REVIEWERS = (Role.REGISTERED_MANAGER, Role.REGIONAL_MANAGER, Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD)
"""Who may write a review."""

APPROVERS = (*REVIEWERS, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR)
"""Among whom a policy may choose the approver; they may read reviews too."""

THEMATIC = "thematic_review"
"""The method of a theme's review, beside the methods by which a single incident is reviewed."""

STAFF = (Role.CARER, Role.SHIFT_LEAD, *APPROVERS)
"""Who is expected to know what was learned."""


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
    CONTRIBUTED = "contributed"
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


class NotLed(StrEnum):
    """Who may not lead a review, beside those whom it is about: a restricted incident keeps them away by name."""

    MANAGERS = "managers_of_location"
    ANYONE = "anyone_at_location"


class Participant(StrEnum):
    """Who must take part in a review."""

    STAFF = "staff_involved"
    MANAGER = "registered_manager"
    QUALITY_LEAD = "quality_lead"
    SAFEGUARDING_LEAD = "safeguarding_lead"
    PERSON_OR_FAMILY = "person_or_family"
    OUTSIDE = "outside_expertise"


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
    tier: int | None = None
    may_not_lead: Sequence[NotLed] = ()
    take_part: Sequence[Participant] = ()

    @property
    def depth(self) -> tuple[int, int]:
        """Deeper is greater: by method first, then by tier."""
        return list(ReviewMethod).index(self.method), -1 if self.tier is None else self.tier


def may_lead(may_not: Sequence[str], *, roles: frozenset[str], works_there: bool) -> bool:
    """Whether somebody is independent enough to hand a review in. Who works at a place has it in their scope by name."""
    if not works_there:
        return True
    return NotLed.ANYONE not in may_not and not (NotLed.MANAGERS in may_not and Role.REGISTERED_MANAGER in roles)


@dataclass(frozen=True)
class ReviewRule:
    """Fits an incident when every condition that is set holds."""

    conditions: Mapping[str, frozenset[Hashable]]
    """The values that fit, by field of the situation."""
    response: Response

    def fits(self, situation: Situation) -> bool:
        """Whether the rule speaks about such an incident."""
        return all(getattr(situation, name) in values for name, values in self.conditions.items())


@dataclass(frozen=True)
class ReviewPolicy:
    """A version of a provider's proportionality policy."""

    version: str
    rules: Sequence[ReviewRule]
    hours: Mapping[ReviewMethod, float] = field(default_factory=dict)
    """What a review by a method costs, in hours of people's work, as the provider estimates it."""

    repeats_within_days: int = 90

    def choose(self, situation: Situation) -> Response:
        """What the first fitting rule says."""
        return next(rule.response for rule in self.rules if rule.fits(situation))


@dataclass(frozen=True)
class Factor:
    """Something that contributed, and the element of the work system in which it lies. `word`: as the team called it."""

    element: Seips
    description: str | None
    word: FactorWord | None = None


@dataclass(frozen=True)
class Learning:
    """What was learned. `answers_factor` and `answers_cause` are places in their lists, from 0."""

    statement: str
    answers_factor: int | None
    answers_cause: int | None = None


@dataclass(frozen=True)
class RootCause:
    """What lies beneath, and the places of the factors that show it, from 0."""

    statement: str
    factors: Sequence[int]


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
    root_causes: Sequence[RootCause] = ()
    five_whys: Sequence[WhyChain] = ()
    barriers: Sequence[Barrier] = ()
    known_cause: KnownCause | None = None


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
        *_root_causes(draft),
        *_aids(draft),
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


def _root_causes(draft: Draft) -> Iterator[Gap]:
    for place, cause in enumerate(draft.root_causes):
        if not cause.factors:
            yield Gap(
                f"root_causes.{place}.factors",
                "is empty: no factor shows this cause",
                "Give the places of the factors that show it, counted from 0, or remove the cause.",
            )
        elif max(cause.factors) >= len(draft.factors):
            yield Gap(
                f"root_causes.{place}.factors",
                "holds what is not the place of a factor",
                "Give the places of factors in the list, counted from 0.",
            )


def _aids(draft: Draft) -> Iterator[Gap]:
    for name in misplaced(draft.five_whys, draft.barriers, len(draft.factors)):
        yield Gap(
            name,
            "is not the place of a factor",
            "Give the place of a factor in the list, counted from 0, or leave it out.",
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
        if learning.answers_cause is not None and learning.answers_cause >= len(draft.root_causes):
            yield Gap(
                f"learning.{place}.answers_cause",
                "is not the place of a root cause",
                "Give the place of a root cause in the list, counted from 0, or leave it out.",
            )


def _actions(draft: Draft, need: Need) -> Iterator[Gap]:
    if need is Need.REQUIRED and draft.no_actions_reason is not None:
        yield Gap(
            "no_actions_reason",
            "cannot stand: the policy requires actions at this level of risk",
            "Remove the reason. The actions are agreed once the review is approved, or known_cause links those there are.",
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
    for name, message, remedy in problems(briefing, len(draft.learning)):
        yield Gap(f"briefing.{name}", message, remedy)


MIN_MEMBERS = 2
"""One incident is no pattern."""


def theme_gaps(linked: int, questions: Sequence[str]) -> Iterator[Gap]:
    """What keeps the review of a theme from being submitted besides what keeps any."""
    if linked < MIN_MEMBERS:
        yield Gap(
            "members",
            "are too few for a pattern",
            f"Link at least {MIN_MEMBERS} incidents with a reason at PUT /themes/{{theme_id}}/members/{{incident_id}}.",
        )
    if not questions:
        yield Gap("questions", "are missing", "Say at PUT /themes/{theme_id}/terms what is to be answered.")


def actions_needed(draft: Draft, need: Need) -> bool:
    """Whether actions must follow a complete review. A known cause is met by the improvement work it links."""
    return need is not Need.NOT_REQUIRED and draft.no_actions_reason is None and draft.known_cause is None


def briefing_needed(draft: Draft) -> bool:
    """Whether a briefing must follow a complete review: one was written, because the policy asks or the reviewer did."""
    return draft.briefing is not None
