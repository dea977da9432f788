"""Reads an improvement policy from YAML and refuses one that cannot work."""

from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.actions.domain import ImprovementPolicy
from services.contracts.taxonomy import Band, ExposureUnit
from services.runtime.policy_file import PolicyKind

_Days = Annotated[int, Field(ge=1, le=1000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Measure(_Strict):
    baseline_days: int = Field(ge=28, le=1830)
    default_unit: ExposureUnit
    min_baseline_events: int = Field(ge=1)
    min_expected_events: int = Field(ge=1, le=5)
    min_baseline_months: int = Field(ge=6, le=60)
    min_points_after: int = Field(ge=2, le=24)
    confidence_percent: float = Field(ge=80, lt=100)


class _Verification(_Strict):
    draws_needed: list[Band]
    sources_needed: list[Band]
    recheck_after_days: dict[Band, _Days]


class _Repeat(_Strict):
    bands: list[Band] = Field(default_factory=list)
    within_days: _Days = 180


class _Extensions(_Strict):
    most: int = Field(ge=0, le=20)
    longest_working_days: int = Field(ge=1, le=260)


class _Document(_Strict):
    version: str
    agree_working_days: _Days
    redo_working_days: _Days
    decide_working_days: _Days
    verify_days: _Days
    checkpoints: dict[Band, list[_Days]]
    extension_days: _Days
    measure: _Measure
    stronger_needed: list[Band]
    stronger_needed_on_repeat: _Repeat = Field(default_factory=_Repeat)
    hand_over_before_days: _Days
    verification: _Verification
    remind_before_days: dict[Band, _Days]
    extensions: _Extensions

    @model_validator(mode="after")
    def _complete(self) -> "_Document":
        if set(self.checkpoints) != set(Band):
            raise ValueError("checkpoints: every risk band needs its days, so that no incident goes unmeasured")
        for band, days in self.checkpoints.items():
            if not days or days != sorted(set(days)):
                raise ValueError(f"checkpoints: the days of band '{band}' must rise, and there must be at least one")
        return self


def _built(document: _Document) -> ImprovementPolicy:
    return ImprovementPolicy(
        version=document.version,
        agree_working_days=document.agree_working_days,
        redo_working_days=document.redo_working_days,
        decide_working_days=document.decide_working_days,
        verify=timedelta(days=document.verify_days),
        checkpoints={band: [timedelta(days=d) for d in days] for band, days in document.checkpoints.items()},
        extension=timedelta(days=document.extension_days),
        baseline_days=document.measure.baseline_days,
        default_unit=document.measure.default_unit,
        min_baseline_events=document.measure.min_baseline_events,
        min_expected_events=document.measure.min_expected_events,
        min_baseline_months=document.measure.min_baseline_months,
        min_points_after=document.measure.min_points_after,
        confidence=document.measure.confidence_percent / 100,
        stronger_needed=frozenset(document.stronger_needed),
        stronger_needed_on_repeat=frozenset(document.stronger_needed_on_repeat.bands),
        repeat_within=timedelta(days=document.stronger_needed_on_repeat.within_days),
        hand_over_before=timedelta(days=document.hand_over_before_days),
        draws_needed=frozenset(document.verification.draws_needed),
        sources_needed=frozenset(document.verification.sources_needed),
        recheck_after={band: timedelta(days=d) for band, d in document.verification.recheck_after_days.items()},
        remind_before={band: timedelta(days=d) for band, d in document.remind_before_days.items()},
        most_extensions=document.extensions.most,
        longest_extension=document.extensions.longest_working_days,
    )


def load(path: Path) -> ImprovementPolicy:
    """A policy from a file. Raises ValueError that names what is wrong."""
    return _built(_Document.model_validate(yaml.safe_load(path.read_text())))


@cache
def shipped() -> ImprovementPolicy:
    """The default policy."""
    return load(Path(__file__).parent / "policies" / "default.yaml")


KIND = PolicyKind("improvement", _Document, build=_built, shipped=shipped)
