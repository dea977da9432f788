"""Reads a proportionality policy from YAML and refuses one that cannot work."""

from collections.abc import Hashable, Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy.orm import Session

from services.contracts.policy import PolicyPublished
from services.contracts.taxonomy import Band, Category, Kind, PhysicalHarm, PsychologicalHarm, ReviewMethod, Role
from services.review.context.domain import MOST_REPEATS
from services.review.domain import (
    APPROVERS,
    REVIEWERS,
    Audience,
    Need,
    NotLed,
    Participant,
    Response,
    ReviewPolicy,
    ReviewRule,
)
from services.runtime import first_match
from services.runtime.first_match import Box
from services.runtime.policies import Policies
from services.runtime.policy_file import Fault, PolicyKind

_Days = Annotated[int, Field(ge=1, le=250)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _When(_Strict):
    kind: Annotated[list[Kind], Field(min_length=1)] | None = None
    category: Annotated[list[Category], Field(min_length=1)] | None = None
    band: Annotated[list[Band], Field(min_length=1)] | None = None
    actual_harm: Annotated[list[PhysicalHarm], Field(min_length=1)] | None = None
    psychological_harm: Annotated[list[PsychologicalHarm], Field(min_length=1)] | None = None
    repeats_at_location: Annotated[int, Field(ge=1, le=MOST_REPEATS)] | None = None
    repeats_of_person: Annotated[int, Field(ge=1, le=MOST_REPEATS)] | None = None
    repeats_at_provider: Annotated[int, Field(ge=1, le=MOST_REPEATS)] | None = None
    candour_asked: bool | None = None
    candour_met: bool | None = None
    safeguarding: bool | None = None
    regulator_notice: bool | None = None
    restricted: bool | None = None
    on_hold: bool | None = None


class _Briefing(_Strict):
    need: Need
    audience: Audience
    reach_percent: int = Field(ge=1, le=100)
    working_days: _Days


class _Rule(_Strict):
    id: str = Field(min_length=1)
    when: _When
    method: ReviewMethod
    working_days: _Days
    lead_role: Role
    approval_role: Role
    actions: Need
    briefing: _Briefing
    tier: Annotated[int, Field(ge=0, le=4)] | None = None
    may_not_lead: list[NotLed] = Field(default_factory=list)
    take_part: list[Participant] = Field(default_factory=list)

    @field_validator("lead_role")
    @classmethod
    def _leads(cls, role: Role) -> Role:
        if role not in REVIEWERS:
            raise ValueError(f"cannot lead a review. Choose one of: {', '.join(REVIEWERS)}.")
        return role

    @field_validator("approval_role")
    @classmethod
    def _approves(cls, role: Role) -> Role:
        if role not in APPROVERS:
            raise ValueError(f"cannot approve a review. Choose one of: {', '.join(APPROVERS)}.")
        return role

    def read(self) -> ReviewRule:
        """The rule as the domain knows it."""
        return ReviewRule(
            conditions=_box(self.when),
            response=Response(
                rule=self.id,
                method=self.method,
                working_days=self.working_days,
                lead_role=self.lead_role,
                approval_role=self.approval_role,
                actions_need=self.actions,
                briefing_need=self.briefing.need,
                briefing_audience=self.briefing.audience,
                briefing_target_percent=self.briefing.reach_percent,
                briefing_working_days=self.briefing.working_days,
                tier=self.tier,
                may_not_lead=tuple(self.may_not_lead),
                take_part=tuple(self.take_part),
            ),
        )


class _Document(_Strict):
    version: str = Field(min_length=1)
    hours: dict[ReviewMethod, Annotated[float, Field(gt=0, le=1000)]] = Field(default_factory=dict)
    repeats_within_days: Annotated[int, Field(ge=7, le=730)] = 90
    rules: list[_Rule]

    def read(self) -> ReviewPolicy:
        """The policy as the domain knows it."""
        return ReviewPolicy(self.version, [rule.read() for rule in self.rules], self.hours, self.repeats_within_days)


_REPEATS = ("repeats_at_location", "repeats_of_person", "repeats_at_provider")
_EITHER = frozenset({True, False})
_SPACE: Box = {
    "kind": frozenset(Kind),
    "category": frozenset(Category),
    "band": frozenset(Band),
    "actual_harm": frozenset(PhysicalHarm),
    "psychological_harm": frozenset(PsychologicalHarm),
    **dict.fromkeys(_REPEATS, frozenset(range(MOST_REPEATS + 1))),
    "candour_asked": _EITHER,
    "candour_met": _EITHER,
    "safeguarding": _EITHER,
    "regulator_notice": _EITHER,
    "restricted": _EITHER,
    "on_hold": _EITHER,
}
_SERIOUS: tuple[Box, ...] = (
    {"band": frozenset({Band.HIGH, Band.EXTREME})},
    {"actual_harm": frozenset({PhysicalHarm.FATAL})},
)


def _box(when: _When) -> Box:
    return {name: _values(name, said) for name in _SPACE if (said := getattr(when, name)) is not None}


def _values(name: str, said: Any) -> frozenset[Hashable]:
    if name in _REPEATS:
        return frozenset(range(said, MOST_REPEATS + 1))
    return frozenset([said] if isinstance(said, bool) else said)


def _faults(document: _Document) -> Iterator[Fault]:
    boxes, ids = [_box(rule.when) for rule in document.rules], [rule.id for rule in document.rules]
    for n, rule in enumerate(document.rules):
        if rule.id in ids[:n]:
            yield Fault(
                ("rules", n, "id"),
                "is the same id as an earlier rule's, so that a decision would not say which one fired",
                "Give it another id.",
            )
        reached = first_match.left(boxes[n], boxes[:n], _SPACE)
        if not reached:
            yield Fault(
                ("rules", n), f"rule {rule.id} is unreachable: what fits it fits earlier rules",
                "Put it above the rule that covers it, narrow that one, or remove this one.",
            )  # fmt: skip
        serious = (first_match.meet(part, one) for part in reached for one in _SERIOUS)
        harmful = next((part for part in serious if part is not None), None)
        if harmful is not None and {rule.actions, rule.briefing.need} != {Need.REQUIRED}:
            field = ("actions",) if rule.actions is not Need.REQUIRED else ("briefing", "need")
            yield Fault(
                ("rules", n, *field),
                f"rule {rule.id} fits serious incidents ({first_match.example(harmful, _SPACE)}),"
                " where actions and briefing must be required",
                "Write `required` for both, or put a rule for serious incidents above this one.",
            )
    gap = first_match.left({}, boxes, _SPACE)
    if gap:
        yield Fault(
            ("rules",), f"no rule fits, for example, {first_match.example(gap[0], _SPACE)}",
            "Let the last rule have an empty `when`, so that every incident fits one.",
        )  # fmt: skip


_FOLDER = Path(__file__).parent / "policies"


def load(path: Path) -> ReviewPolicy:
    """A policy from a file. Raises ValueError that names what is wrong."""
    document = _Document.model_validate(yaml.safe_load(path.read_text()))
    said = [f"{'.'.join(map(str, fault.path))}: {fault.problem}. {fault.remedy}" for fault in _faults(document)]
    if said:
        raise ValueError("\n".join(said))
    return document.read()


@cache
def shipped() -> ReviewPolicy:
    """The default policy."""
    return load(_FOLDER / "default.yaml")


@cache
def _shipped_before() -> dict[str, ReviewPolicy]:
    """Default policies of earlier releases, by version: reviews that were opened by them go on by them."""
    return {policy.version: policy for policy in map(load, sorted(_FOLDER.glob("default-*.yaml")))}


KIND = PolicyKind(
    "review", _Document, build=_Document.read, shipped=shipped, faults=_faults, text=_FOLDER / "default.yaml"
)

POLICIES = Policies(
    service="review",
    kinds={KIND.name: KIND},
    writers=(Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR),
    publishers=(Role.QUALITY_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR),
    published=lambda i, name, version, sha256: PolicyPublished(
        policy_id=i, name=name, policy_version=version, sha256=sha256
    ),
)


def current(session: Session, provider_id: UUID) -> ReviewPolicy:
    """What a provider goes by now."""
    found: ReviewPolicy = POLICIES.current(session, provider_id, KIND.name)
    return found


def of_review(session: Session, provider_id: UUID, version: str) -> ReviewPolicy:
    """The version that a review was opened with. One that is kept nowhere (of a release before) gives way to that of now."""
    kept: ReviewPolicy | None = POLICIES.of_version(session, provider_id, KIND.name, version)
    return kept or _shipped_before().get(version) or current(session, provider_id)
