"""Reads a retention policy from YAML and refuses one that cannot work."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.contracts.taxonomy import Band, Category, Kind, RecordKind
from services.intake.retention.domain import RetentionPolicy, RetentionRule
from services.runtime import first_match
from services.runtime.first_match import Box
from services.runtime.policy_file import Fault, PolicyKind


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _When(_Strict):
    kind: list[Kind] | None = None
    category: list[Category] | None = None
    band: list[Band] | None = None


class _Rule(_Strict):
    id: str = Field(min_length=1, max_length=60)
    when: _When
    keep_years: int = Field(ge=1, le=100)
    source: str = Field(min_length=3, max_length=300)


class _Period(_Strict):
    keep_years: int = Field(ge=1, le=100)
    source: str = Field(min_length=3, max_length=300)


class _Others(_Strict):
    concern: _Period | None = None
    theme: _Period | None = None
    meeting: _Period | None = None
    person: _Period | None = None


class _Document(_Strict):
    version: str
    retention_rules: list[_Rule]
    other_records: _Others = _Others()

    @model_validator(mode="after")
    def _complete(self) -> "_Document":
        if not self.retention_rules or self.retention_rules[-1].when != _When():
            raise ValueError("retention_rules: the last rule must have an empty `when`, so that every record fits one")
        return self


_SPACE: Box = {"kind": frozenset(Kind), "category": frozenset(Category), "band": frozenset({*Band, None})}


def _box(when: _When) -> Box:
    said = {"kind": when.kind, "category": when.category, "band": when.band}
    return {name: frozenset(values) for name, values in said.items() if values is not None}


def _faults(document: _Document) -> Iterator[Fault]:
    rules = document.retention_rules
    boxes, ids = [_box(rule.when) for rule in rules], [rule.id for rule in rules]
    for n, rule in enumerate(rules):
        if rule.id in ids[:n]:
            yield Fault(
                ("retention_rules", n, "id"),
                "is the same id as an earlier rule's, so that a decision would not say which one fired",
                "Give it another id.",
            )
        if not first_match.left(boxes[n], boxes[:n], _SPACE):
            yield Fault(
                ("retention_rules", n),
                f"rule {rule.id} is unreachable: what fits it fits earlier rules",
                "Put it above the rule that covers it, narrow that one, or remove this one.",
            )


def _others(document: _Document) -> Mapping[RecordKind, RetentionRule]:
    said = ((RecordKind(kind), period) for kind, period in document.other_records)
    return {
        kind: RetentionRule(kind, None, None, None, period.keep_years, period.source)
        for kind, period in said
        if period is not None
    }


def _built(document: _Document) -> RetentionPolicy:
    """What the document leaves out of other records goes by what is shipped."""
    own = _others(document)
    return RetentionPolicy(
        others=own if len(own) == len(_Others.model_fields) else {**shipped().others, **own},
        version=document.version,
        rules=[
            RetentionRule(
                id=rule.id,
                kinds=None if rule.when.kind is None else frozenset(rule.when.kind),
                categories=None if rule.when.category is None else frozenset(rule.when.category),
                bands=None if rule.when.band is None else frozenset(rule.when.band),
                years=rule.keep_years,
                source=rule.source,
            )
            for rule in document.retention_rules
        ],
    )


_SHIPPED = Path(__file__).parents[1] / "policies" / "retention.yaml"


@cache
def shipped() -> RetentionPolicy:
    """What a provider without a policy of its own goes by."""
    document = _Document.model_validate(yaml.safe_load(_SHIPPED.read_text()))
    said = [fault.problem for fault in _faults(document)]
    if said:
        raise ValueError("\n".join(said))
    return _built(document)


KIND = PolicyKind("retention", _Document, build=_built, shipped=shipped, faults=_faults, text=_SHIPPED)
