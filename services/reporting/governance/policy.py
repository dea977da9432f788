"""Reads the governance policy and refuses one that cannot work. A provider may have its own."""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from services.contracts.taxonomy import MeetingLevel, Role
from services.reporting.radar.policy import Weakness
from services.runtime.policy_file import VERSION, PolicyKind

_Days = Annotated[int, Field(ge=1, le=60)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LevelRule(_Strict):
    """How one level meets, and how long an answer may take there."""

    every_months: Literal[1, 2, 3, 4, 6, 12]
    day: int = Field(ge=1, le=28)
    hold_working_days: _Days
    answer_working_days: _Days
    called: Role


class AssuranceRule(_Strict):
    """Of which weaknesses independent assurance is asked for, after so many meetings at which each showed."""

    meetings: int = Field(ge=1, le=12)
    weaknesses: list[Weakness] = Field(min_length=1)
    again_after_days: int = Field(ge=1, le=730)


class GovernancePolicy(_Strict):
    """A version of the cadence and the times of all levels."""

    version: str = Field(pattern=VERSION)
    levels: dict[MeetingLevel, LevelRule] = Field(min_length=1)
    assurance: AssuranceRule | None = None

    def built(self) -> "GovernancePolicy":
        """What is decided by is the file as it stands."""
        return self


_SHIPPED = Path(__file__).parent / "policies" / "default.yaml"


@cache
def shipped() -> GovernancePolicy:
    """The default policy."""
    return GovernancePolicy.model_validate(yaml.safe_load(_SHIPPED.read_text()))


KIND = PolicyKind("governance", GovernancePolicy, build=GovernancePolicy.built, shipped=shipped, text=_SHIPPED)
