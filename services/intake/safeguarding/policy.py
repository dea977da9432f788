"""Reads the safeguarding policy from YAML and refuses one that cannot work."""

from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field

from services.contracts.taxonomy import Role
from services.runtime.policy_file import PolicyKind


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ReferralTarget(_Strict):
    """By when the provider wants a concern referred."""

    same_day: bool
    at_least_hours: float = Field(gt=0)


class AuthorityAnswer(_Strict):
    """Working days until the provider asks an authority; `authorities` names those with a procedure of their own."""

    standard: int = Field(ge=1)
    authorities: dict[str, Annotated[int, Field(ge=1)]]

    def days(self, authority: str) -> int:
        """For an authority, by its name as the provider writes it; capitals do not matter."""
        known = {name.casefold(): days for name, days in self.authorities.items()}
        return known.get(authority.casefold(), self.standard)


class BreakGlass(_Strict):
    """Who may open a restricted incident without being named, and for how long."""

    roles: list[Role] = Field(min_length=1)
    hours: float = Field(gt=0, le=72)


class Restricted(_Strict):
    """Who sees a restricted incident by role, and which rungs of the ladder may be called about one."""

    roles: list[Role] = Field(min_length=1)
    may_be_called: list[Role]
    may_be_called_once_named: list[Role] = Field(default_factory=list)
    break_glass: BreakGlass


class SafeguardingPolicy(_Strict):
    """A version of a provider's safeguarding policy."""

    version: str
    referral: ReferralTarget
    authority_answer_working_days: AuthorityAnswer
    enquiry_follow_up_days: int = Field(ge=1)
    late_again_hours: float = Field(gt=0)
    hold_look_again_days_at_most: int = Field(default=28, ge=1)
    restricted: Restricted


def load(path: Path) -> SafeguardingPolicy:
    """A policy from a file. Raises ValueError that names what is wrong."""
    return SafeguardingPolicy.model_validate(yaml.safe_load(path.read_text()))


@cache
def shipped() -> SafeguardingPolicy:
    """The default policy."""
    return load(Path(__file__).parents[1] / "policies" / "safeguarding.yaml")


KIND = PolicyKind("safeguarding", SafeguardingPolicy, build=lambda policy: policy, shipped=shipped)
