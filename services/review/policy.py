"""Reads a proportionality policy from YAML and refuses one that cannot work."""

from functools import cache
from itertools import product
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.contracts.taxonomy import Band, Category, Kind, PhysicalHarm, ReviewMethod, Role
from services.review.domain import APPROVERS, REVIEWERS, Audience, Need, Response, ReviewPolicy, ReviewRule

_Days = Annotated[int, Field(ge=1, le=250)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _When(_Strict):
    kind: Annotated[list[Kind], Field(min_length=1)] | None = None
    category: Annotated[list[Category], Field(min_length=1)] | None = None
    band: Annotated[list[Band], Field(min_length=1)] | None = None
    actual_harm: Annotated[list[PhysicalHarm], Field(min_length=1)] | None = None


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

    @model_validator(mode="after")
    def _roles(self) -> "_Rule":
        if self.lead_role not in REVIEWERS:
            raise ValueError(f"rule {self.id}: lead_role must be one of {', '.join(REVIEWERS)}")
        if self.approval_role not in APPROVERS:
            raise ValueError(f"rule {self.id}: approval_role must be one of {', '.join(APPROVERS)}")
        return self

    def read(self) -> ReviewRule:
        """The rule as the domain knows it."""
        return ReviewRule(
            kinds=None if self.when.kind is None else frozenset(self.when.kind),
            categories=None if self.when.category is None else frozenset(self.when.category),
            bands=None if self.when.band is None else frozenset(self.when.band),
            actual_harms=None if self.when.actual_harm is None else frozenset(self.when.actual_harm),
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
            ),
        )


class _Document(_Strict):
    version: str = Field(min_length=1)
    rules: list[_Rule]

    @model_validator(mode="after")
    def _complete(self) -> "_Document":
        if not self.rules or self.rules[-1].when != _When():
            raise ValueError("rules: the last rule must have an empty `when`, so that every incident fits one")
        if any(rule.when == _When() for rule in self.rules[:-1]):
            raise ValueError("rules: a rule with an empty `when` before the last makes the later ones unreachable")
        if len({rule.id for rule in self.rules}) < len(self.rules):
            raise ValueError("rules: two rules have the same id, so a decision would not say which one fired")
        return self

    @model_validator(mode="after")
    def _serious_incidents_change_something(self) -> "_Document":
        policy = self.read()
        for kind, category, band, harm in product(Kind, Category, Band, PhysicalHarm):
            response = policy.choose(kind, category, band, harm)
            serious = band in (Band.HIGH, Band.EXTREME) or harm is PhysicalHarm.FATAL
            if serious and {response.actions_need, response.briefing_need} != {Need.REQUIRED}:
                raise ValueError(
                    f"rule {response.rule}: fits {kind} with band {band} and harm {harm}, "
                    "where actions and briefing must be required"
                )
        return self

    def read(self) -> ReviewPolicy:
        """The policy as the domain knows it."""
        return ReviewPolicy(version=self.version, rules=[rule.read() for rule in self.rules])


def load(path: Path) -> ReviewPolicy:
    """A policy from a file. Raises ValueError that names what is wrong."""
    return _Document.model_validate(yaml.safe_load(path.read_text())).read()


@cache
def shipped() -> ReviewPolicy:
    """The default policy."""
    return load(Path(__file__).parent / "policies" / "default.yaml")
