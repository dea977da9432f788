"""Reads the governance policy and refuses one that cannot work. A provider may have its own."""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import yaml
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from services.contracts.policy import PolicyPublished
from services.contracts.taxonomy import MeetingLevel, Role
from services.runtime.policies import Policies
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


class GovernancePolicy(_Strict):
    """A version of the cadence and the times of all levels."""

    version: str = Field(pattern=VERSION)
    levels: dict[MeetingLevel, LevelRule] = Field(min_length=1)

    def built(self) -> "GovernancePolicy":
        """What is decided by is the file as it stands."""
        return self


_SHIPPED = Path(__file__).parent / "policies" / "default.yaml"


@cache
def shipped() -> GovernancePolicy:
    """The default policy."""
    return GovernancePolicy.model_validate(yaml.safe_load(_SHIPPED.read_text()))


KIND = PolicyKind("governance", GovernancePolicy, build=GovernancePolicy.built, shipped=shipped, text=_SHIPPED)

POLICIES = Policies(
    service="reporting",
    kinds={KIND.name: KIND},
    writers=(Role.QUALITY_LEAD, Role.SAFEGUARDING_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR),
    publishers=(Role.QUALITY_LEAD, Role.NOMINATED_INDIVIDUAL, Role.DIRECTOR),
    published=lambda i, name, version, sha256: PolicyPublished(
        policy_id=i, name=name, policy_version=version, sha256=sha256
    ),
)


def current(session: Session, provider_id: UUID) -> GovernancePolicy:
    """What a provider goes by now."""
    found: GovernancePolicy = POLICIES.current(session, provider_id, KIND.name)
    return found
