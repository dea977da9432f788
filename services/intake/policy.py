"""Reads a triage policy from YAML and refuses one that cannot work."""

from datetime import timedelta
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.contracts.taxonomy import Band, Category, Consequence, Kind, Likelihood, PhysicalHarm
from services.intake.domain import Suggestion, TriagePolicy, TriageRule


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


def load(path: Path) -> TriagePolicy:
    """A policy from a file. Raises ValueError that names what is wrong."""
    document = _Document.model_validate(yaml.safe_load(path.read_text()))
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


@cache
def shipped() -> TriagePolicy:
    """The default policy."""
    return load(Path(__file__).parent / "policies" / "default.yaml")
