"""Reads the candour policy from YAML and refuses what cannot work."""

from datetime import timedelta
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.intake.candour.domain import CandourPolicy, Step
from services.runtime.policy_file import PolicyKind

LETTERS = ("written_notification", "further_results")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Step(_Strict):
    id: str
    paragraph: str
    mandatory: bool
    title: str


class _Targets(_Strict):
    decide_hours: float = Field(gt=0)
    in_person_hours: float = Field(gt=0)
    written_days: float = Field(gt=0)
    results_days: float = Field(gt=0)


class _Document(_Strict):
    version: str
    warn_at_percent: int = Field(ge=1, le=99)
    late_again_hours: float = Field(gt=0)
    prolonged_days: int = Field(ge=1)
    steps: list[_Step]
    provider_targets: _Targets
    attempts_before_unreachable: int = Field(ge=1)

    @model_validator(mode="after")
    def _whole(self) -> "_Document":
        ids = [step.id for step in self.steps]
        if len(set(ids)) != len(ids):
            raise ValueError("steps: an id is used twice")
        missing = {"in_person_notification", "apology", *LETTERS} - set(ids)
        if missing:
            raise ValueError(f"steps: {', '.join(sorted(missing))} is missing")
        return self


def _built(read: _Document) -> CandourPolicy:
    targets = read.provider_targets
    return CandourPolicy(
        version=read.version,
        warn_at_percent=read.warn_at_percent,
        late_again=timedelta(hours=read.late_again_hours),
        prolonged_days=read.prolonged_days,
        steps={s.id: Step(s.id, s.paragraph, s.mandatory, s.title) for s in read.steps},
        decide=timedelta(hours=targets.decide_hours),
        in_person=timedelta(hours=targets.in_person_hours),
        written=timedelta(days=targets.written_days),
        results=timedelta(days=targets.results_days),
        attempts_before_unreachable=read.attempts_before_unreachable,
    )


def load(path: Path) -> CandourPolicy:
    """A policy from a file. Raises ValueError that names what is wrong."""
    return _built(_Document.model_validate(yaml.safe_load(path.read_text())))


@cache
def shipped() -> CandourPolicy:
    """The policy shipped with Plumbline."""
    return load(Path(__file__).parents[1] / "policies" / "candour.yaml")


KIND = PolicyKind("candour", _Document, build=_built, shipped=shipped)
