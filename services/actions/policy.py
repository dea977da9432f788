"""Reads an improvement policy from YAML, refuses one that cannot work, and says which one a provider or a case goes by."""

from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated
from uuid import UUID

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.orm import Session

from services.actions.domain import ImprovementPolicy
from services.actions.store import Improvement
from services.contracts.policy import PolicyPublished
from services.contracts.taxonomy import Band, Category, ExposureUnit, Role
from services.runtime.policies import Policies
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
    recheck_after_days_by_category: dict[Category, _Days] = Field(default_factory=dict)
    shifts_needed: dict[Band, Annotated[int, Field(ge=1, le=2)]] = Field(default_factory=dict)
    remind_before_days: dict[Band, _Days] = Field(default_factory=dict)


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
        recheck_after_of={
            category: timedelta(days=d) for category, d in document.verification.recheck_after_days_by_category.items()
        },
        shifts_needed=document.verification.shifts_needed,
        remind_verifier_before={
            band: timedelta(days=d) for band, d in document.verification.remind_before_days.items()
        },
        remind_before={band: timedelta(days=d) for band, d in document.remind_before_days.items()},
        most_extensions=document.extensions.most,
        longest_extension=document.extensions.longest_working_days,
    )


def load(path: Path) -> ImprovementPolicy:
    """A policy from a file. Raises ValueError that names what is wrong."""
    return _built(_Document.model_validate(yaml.safe_load(path.read_text())))


_FOLDER = Path(__file__).parent / "policies"


@cache
def shipped() -> ImprovementPolicy:
    """The default policy."""
    return load(_FOLDER / "default.yaml")


@cache
def _shipped_before() -> dict[str, ImprovementPolicy]:
    """Default policies of earlier releases, by version: a cycle that began by one goes on by it."""
    return {found.version: found for found in map(load, sorted(_FOLDER.glob("default-*.yaml")))}


KIND = PolicyKind("improvement", _Document, build=_built, shipped=shipped, text=_FOLDER / "default.yaml")

POLICIES = Policies(
    service="actions",
    kinds={KIND.name: KIND},
    writers=(Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR),
    publishers=(Role.QUALITY_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR),
    published=lambda i, name, version, sha256: PolicyPublished(
        policy_id=i, name=name, policy_version=version, sha256=sha256
    ),
)


def current(session: Session, provider_id: UUID) -> ImprovementPolicy:
    """What a provider goes by now."""
    found: ImprovementPolicy = POLICIES.current(session, provider_id, KIND.name)
    return found


def of_cycle(session: Session, improvement: Improvement) -> ImprovementPolicy:
    """What a cycle goes by: from its first agreed action on the version of that moment, whatever is published later."""
    kept = improvement.policy_version
    if kept is None:
        return current(session, improvement.provider_id)
    own: ImprovementPolicy | None = POLICIES.of_version(session, improvement.provider_id, KIND.name, kept)
    return own or _shipped_before().get(kept) or current(session, improvement.provider_id)


def of_action(session: Session, incident_id: UUID, cycle: int) -> ImprovementPolicy:
    """The same for what is of a cycle, by its name."""
    return of_cycle(session, session.get_one(Improvement, (incident_id, cycle)))
