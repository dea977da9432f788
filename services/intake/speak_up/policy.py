"""Reads the policy of speaking up from YAML and refuses one that cannot work."""

from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from services.contracts.taxonomy import Role
from services.runtime.policy_file import PolicyKind


class SpeakUpPolicy(BaseModel):
    """A version of a provider's policy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    roles: list[Role] = Field(min_length=1)
    answer_hours: float = Field(gt=0)
    late_again_hours: float = Field(gt=0)
    per_minute: int = Field(ge=1)
    reads_per_minute: int = Field(ge=1)
    fair_blame: str = Field(min_length=1)


def load(path: Path) -> SpeakUpPolicy:
    """A policy from a file. Raises ValueError that names what is wrong."""
    return SpeakUpPolicy.model_validate(yaml.safe_load(path.read_text()))


@cache
def shipped() -> SpeakUpPolicy:
    """The default policy."""
    return load(Path(__file__).parents[1] / "policies" / "speak_up.yaml")


KIND = PolicyKind("speak_up", SpeakUpPolicy, build=lambda policy: policy, shipped=shipped)
