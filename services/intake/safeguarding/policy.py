"""Reads the safeguarding policy from YAML and refuses one that cannot work."""

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.contracts.taxonomy import Role
from services.runtime.calendar import add_working_days
from services.runtime.policy_file import PolicyKind

SHIPPED = Path(__file__).parents[1] / "policies" / "safeguarding.yaml"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ReferralTarget(_Strict):
    """By when the provider wants a concern referred."""

    same_day: bool
    at_least_hours: float = Field(gt=0)


class Procedure(_Strict):
    """What a local authority's own procedure says. What is left out is as the provider has it for all."""

    codes: list[str] = Field(default_factory=list, description="Other ways in which it is written, such as its code.")
    refer_within_hours: float | None = Field(default=None, gt=0)
    answer_hours: float | None = Field(default=None, gt=0)
    answer_working_days: int | None = Field(default=None, ge=1)
    who_decides: str | None = None
    threshold: str | None = None
    published_in: str | None = None
    pressure_guide_at_least: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.answer_hours is not None and self.answer_working_days is not None:
            raise ValueError("an authority answers within either hours or working days")
        return self


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
    authority_answer_working_days: int = Field(ge=1)
    authorities: dict[Annotated[str, Field(min_length=1)], Procedure] = Field(default_factory=dict)
    enquiry_follow_up_days: int = Field(ge=1)
    late_again_hours: float = Field(gt=0)
    hold_look_again_days_at_most: int = Field(default=28, ge=1)
    restricted: Restricted

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        written = [name.casefold() for known, one in self.authorities.items() for name in (known, *one.codes)]
        twice = sorted({name for name in written if written.count(name) > 1})
        if twice:
            raise ValueError(f"authorities: '{twice[0]}' stands for two of them")
        return self

    def procedure(self, authority: str) -> tuple[str, Procedure] | None:
        """An authority's own procedure, with its name; by name or code, capitals do not matter. None if none is known."""
        wanted = authority.casefold()
        for name, one in self.authorities.items():
            if wanted in {name.casefold(), *(code.casefold() for code in one.codes)}:
                return name, one
        return None

    def answer_due(self, authority: str, now: datetime) -> datetime:
        """When the provider asks an authority that has not answered: by its own procedure, else by the provider's standard."""
        found = self.procedure(authority)
        own = Procedure() if found is None else found[1]
        if own.answer_hours is not None:
            return now + timedelta(hours=own.answer_hours)
        return add_working_days(now, own.answer_working_days or self.authority_answer_working_days)


def load(path: Path) -> SafeguardingPolicy:
    """A policy from a file. Raises ValueError that names what is wrong."""
    return SafeguardingPolicy.model_validate(yaml.safe_load(path.read_text()))


@cache
def shipped() -> SafeguardingPolicy:
    """The default policy."""
    return load(SHIPPED)


KIND = PolicyKind("safeguarding", SafeguardingPolicy, build=lambda policy: policy, shipped=shipped, text=SHIPPED)
