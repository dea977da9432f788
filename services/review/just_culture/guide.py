"""Reads the versions of the guide from YAML."""

from functools import cache
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field

from services.review.just_culture.domain import Guide, Question

_Words = Annotated[str, Field(min_length=3, max_length=600)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Question(_Strict):
    id: Annotated[str, Field(pattern=r"^[a-z][a-z_]{1,39}$")]
    text: _Words
    so: _Words


class _Document(_Strict):
    about: _Words
    questions: Annotated[list[_Question], Field(min_length=1)]


@cache
def shipped() -> dict[str, Guide]:
    """Every version by its name. Raises ValueError that names the file and what is wrong."""
    return {path.stem: _read(path) for path in sorted(Path(__file__).parent.glob("guide-*.yaml"))}


def _read(path: Path) -> Guide:
    try:
        document = _Document.model_validate(yaml.safe_load(path.read_text()))
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path.name}: {error}") from error
    return Guide(path.stem, document.about, [Question(one.id, one.text, one.so) for one in document.questions])


def newest() -> Guide:
    """The guide that is opened now."""
    return max(shipped().values(), key=lambda one: int(one.name.rsplit("-", 1)[1]))
