"""Reads a policy for themes from YAML and refuses one that cannot work."""

from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field

from services.review.thematic.domain import ThemePolicy

_Days = Annotated[int, Field(ge=1, le=250)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Briefing(_Strict):
    reach_percent: int = Field(ge=1, le=100)
    working_days: _Days


class _Document(_Strict):
    version: str = Field(min_length=1)
    accept_working_days: _Days
    review_working_days: _Days
    remind_working_days: _Days
    briefing: _Briefing
    watch_days: int = Field(ge=7, le=730)


def load(path: Path) -> ThemePolicy:
    """A policy from a file. Raises ValueError that names what is wrong."""
    document = _Document.model_validate(yaml.safe_load(path.read_text()))
    return ThemePolicy(
        version=document.version,
        accept_working_days=document.accept_working_days,
        review_working_days=document.review_working_days,
        remind_working_days=document.remind_working_days,
        briefing_target_percent=document.briefing.reach_percent,
        briefing_working_days=document.briefing.working_days,
        watch_days=document.watch_days,
    )


@cache
def shipped() -> ThemePolicy:
    """The default policy."""
    return load(Path(__file__).parents[1] / "policies" / "thematic.yaml")
