"""Reads an improvement policy from YAML and refuses one that cannot work."""

from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.actions.domain import ImprovementPolicy
from services.contracts.taxonomy import Band, ExposureUnit

_Days = Annotated[int, Field(ge=1, le=1000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Measure(_Strict):
    baseline_days: int = Field(ge=28, le=1830)
    default_unit: ExposureUnit
    min_baseline_events: int = Field(ge=1)
    min_expected_events: int = Field(ge=1, le=5)
    confidence_percent: float = Field(ge=80, lt=100)


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

    @model_validator(mode="after")
    def _complete(self) -> "_Document":
        if set(self.checkpoints) != set(Band):
            raise ValueError("checkpoints: every risk band needs its days, so that no incident goes unmeasured")
        for band, days in self.checkpoints.items():
            if not days or days != sorted(set(days)):
                raise ValueError(f"checkpoints: the days of band '{band}' must rise, and there must be at least one")
        return self


def load(path: Path) -> ImprovementPolicy:
    """A policy from a file. Raises ValueError that names what is wrong."""
    document = _Document.model_validate(yaml.safe_load(path.read_text()))
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
        confidence=document.measure.confidence_percent / 100,
        stronger_needed=frozenset(document.stronger_needed),
    )


@cache
def shipped() -> ImprovementPolicy:
    """The default policy."""
    return load(Path(__file__).parent / "policies" / "default.yaml")
