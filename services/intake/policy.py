"""Reads a triage policy from YAML and refuses one that cannot work."""

from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from uuid import UUID

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.orm import Session

from services.contracts.policy import PolicyPublished
from services.contracts.taxonomy import Band, Category, Consequence, Kind, Likelihood, PhysicalHarm, Role
from services.intake.domain import Suggestion, TriagePolicy, TriageRule
from services.intake.recurrence.policy import KIND as RECURRENCE
from services.intake.retention.policy import KIND as RETENTION
from services.intake.safeguarding.policy import KIND as SAFEGUARDING
from services.intake.safeguarding.policy import SafeguardingPolicy
from services.runtime import first_match
from services.runtime.first_match import Box
from services.runtime.policies import Policies
from services.runtime.policy_file import Fault, PolicyKind


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _When(_Strict):
    kind: list[Kind] | None = None
    category: list[Category] | None = None
    immediate_danger: bool | None = None


class _Suggest(_Strict):
    actual_harm: PhysicalHarm
    consequence: Consequence
    likelihood: Likelihood


class _Rule(_Strict):
    id: str
    when: _When
    suggest: _Suggest


class _BandLimit(_Strict):
    band: Band
    up_to: int = Field(ge=1, le=25)


class _Hours(_Strict):
    standard: float = Field(gt=0)
    immediate_danger: float = Field(gt=0)


class _Reminders(_Strict):
    every_hours: float = Field(gt=0)
    escalate_after: int = Field(ge=1)


class _Document(_Strict):
    version: str
    triage_hours: _Hours
    bands: list[_BandLimit]
    rules: list[_Rule]
    reminders: _Reminders

    @model_validator(mode="after")
    def _complete(self) -> "_Document":
        limits = [band.up_to for band in self.bands]
        if limits != sorted(set(limits)) or not limits or limits[-1] != 25:
            raise ValueError("bands: `up_to` must rise and end at 25, so that every score has one band")
        if not self.rules or self.rules[-1].when != _When():
            raise ValueError("rules: the last rule must have an empty `when`, so that every report fits one")
        if any(rule.when == _When() for rule in self.rules[:-1]):
            raise ValueError("rules: a rule with an empty `when` before the last makes the later ones unreachable")
        return self


_SPACE: Box = {
    "kind": frozenset(Kind),
    "category": frozenset(Category),
    "immediate_danger": frozenset({True, False}),
}


def _box(when: _When) -> Box:
    said: dict[str, frozenset[Kind] | frozenset[Category] | frozenset[bool] | None] = {
        "kind": None if when.kind is None else frozenset(when.kind),
        "category": None if when.category is None else frozenset(when.category),
        "immediate_danger": None if when.immediate_danger is None else frozenset({when.immediate_danger}),
    }
    return {name: values for name, values in said.items() if values is not None}


def _faults(document: _Document) -> Iterator[Fault]:
    boxes, ids = [_box(rule.when) for rule in document.rules], [rule.id for rule in document.rules]
    for n, rule in enumerate(document.rules):
        if rule.id in ids[:n]:
            yield Fault(
                ("rules", n, "id"),
                "is the same id as an earlier rule's, so that a decision would not say which one fired",
                "Give it another id.",
            )
        if not first_match.left(boxes[n], boxes[:n], _SPACE):
            yield Fault(
                ("rules", n), f"rule {rule.id} is unreachable: what fits it fits earlier rules",
                "Put it above the rule that covers it, narrow that one, or remove this one.",
            )  # fmt: skip


def _built(document: _Document) -> TriagePolicy:
    return TriagePolicy(
        version=document.version,
        standard=timedelta(hours=document.triage_hours.standard),
        immediate=timedelta(hours=document.triage_hours.immediate_danger),
        bands=[(limit.band, limit.up_to) for limit in document.bands],
        rules=[
            TriageRule(
                id=rule.id,
                kinds=None if rule.when.kind is None else frozenset(rule.when.kind),
                categories=None if rule.when.category is None else frozenset(rule.when.category),
                immediate_danger=rule.when.immediate_danger,
                suggestion=Suggestion(
                    rule.id, rule.suggest.actual_harm, rule.suggest.consequence, rule.suggest.likelihood
                ),
            )
            for rule in document.rules
        ],
        reminder_every=timedelta(hours=document.reminders.every_hours),
        escalate_after=document.reminders.escalate_after,
    )


def load(path: Path) -> TriagePolicy:
    """A policy from a file. Raises ValueError that names what is wrong."""
    document = _Document.model_validate(yaml.safe_load(path.read_text()))
    said = [f"{'.'.join(map(str, fault.path))}: {fault.problem}. {fault.remedy}" for fault in _faults(document)]
    if said:
        raise ValueError("\n".join(said))
    return _built(document)


_SHIPPED = Path(__file__).parent / "policies" / "default.yaml"


@cache
def shipped() -> TriagePolicy:
    """The default policy."""
    return load(_SHIPPED)


KIND = PolicyKind("triage", _Document, build=_built, shipped=shipped, faults=_faults, text=_SHIPPED)

POLICIES = Policies(
    service="intake",
    kinds={KIND.name: KIND, SAFEGUARDING.name: SAFEGUARDING, RECURRENCE.name: RECURRENCE, RETENTION.name: RETENTION},
    writers=(Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR),
    publishers=(Role.QUALITY_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR),
    published=lambda i, name, version, sha256: PolicyPublished(
        policy_id=i, name=name, policy_version=version, sha256=sha256
    ),
)


def current(session: Session, provider_id: UUID) -> TriagePolicy:
    """What a provider goes by now."""
    found: TriagePolicy = POLICIES.current(session, provider_id, KIND.name)
    return found


def safeguarding(session: Session, provider_id: UUID) -> SafeguardingPolicy:
    """The same for safeguarding and restricted incidents."""
    found: SafeguardingPolicy = POLICIES.current(session, provider_id, SAFEGUARDING.name)
    return found
