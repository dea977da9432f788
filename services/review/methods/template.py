"""Reads the templates of the methods from YAML and refuses a set that cannot work.

A file is one version of a template, or of stages that several templates include, and is called by its name and version:
`swarm_huddle-1.yaml`. A version that reviews may carry is never changed; the next is a new file.
"""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field

from services.contracts.taxonomy import Category
from services.review.methods.domain import Question, Stage, Template
from services.review.records.domain import Record

_Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
_Words = Annotated[str, Field(min_length=3, max_length=300)]
_Part = Literal["what_happened", "why", "factors", "learning", "briefing"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Question(_Strict):
    id: _Id
    text: _Words
    help: _Words | None = None
    categories: Annotated[list[Category], Field(min_length=1)] | None = None


class _Stage(_Strict):
    id: _Id
    title: _Words
    questions: Annotated[list[_Question], Field(min_length=1)]

    def read(self) -> Stage:
        return Stage(
            self.id,
            self.title,
            [Question(q.id, q.text, q.help, None if q.categories is None else frozenset(q.categories))
             for q in self.questions],
        )  # fmt: skip


class _Included(_Strict):
    stages: Annotated[list[_Stage], Field(min_length=1)]


class _Document(_Strict):
    title: _Words
    purpose: _Words
    minutes: Annotated[int, Field(ge=5, le=480)] | None = None
    outputs: Annotated[list[_Part], Field(min_length=1)]
    stages: Annotated[list[_Stage], Field(min_length=1)]
    then: list[str] = Field(default_factory=list)
    records: list[Record] = Field(default_factory=list)


_Shape = TypeVar("_Shape", bound=_Strict)

_NAME = re.compile(r"(?P<method>[a-z_]+)-(?P<number>[1-9]\d*)")
INCLUDED = "included"
"""The folder of stages that templates share."""


def load(folder: Path) -> dict[str, Template]:
    """Every template of a folder by its name. Raises ValueError that names the file and what is wrong."""
    included = {path.stem: _read(path, _Included).stages for path in sorted((folder / INCLUDED).glob("*.yaml"))}
    return {path.stem: _template(path, included) for path in sorted(folder.glob("*.yaml"))}


def _read(path: Path, shape: type[_Shape]) -> _Shape:
    try:
        return shape.model_validate(yaml.safe_load(path.read_text()))
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path.name}: {error}") from error


def _template(path: Path, included: dict[str, list[_Stage]]) -> Template:
    name = _NAME.fullmatch(path.stem)
    if name is None:
        raise ValueError(f"{path.name}: must be called by its method and version, for example swarm_huddle-1.yaml")
    document = _read(path, _Document)
    if unknown := [one for one in document.then if one not in included]:
        raise ValueError(f"{path.name}: then: no such stages: {', '.join(unknown)}")
    stages = [*document.stages, *(stage for one in document.then for stage in included[one])]
    for what, ids in (
        ("stages", [stage.id for stage in stages]),
        ("questions", [question.id for stage in stages for question in stage.questions]),
    ):
        if twice := sorted({one for one in ids if ids.count(one) > 1}):
            raise ValueError(f"{path.name}: two {what} are called {', '.join(twice)}, so an answer would not say which")
    return Template(
        name=path.stem,
        method=name["method"],
        title=document.title,
        purpose=document.purpose,
        minutes=document.minutes,
        outputs=document.outputs,
        stages=[stage.read() for stage in stages],
        records=document.records,
    )


@cache
def shipped() -> dict[str, Template]:
    """Every version of every template."""
    return load(Path(__file__).parent / "templates")


def newest(method: str) -> Template:
    """The template that a review which starts now gets."""
    versions = [one for one in shipped().values() if one.method == method]
    return max(versions, key=lambda one: int(one.name.rsplit("-", 1)[1]))


def asked(name: str | None, category: Category) -> list[Question]:
    """The questions of a version about such an incident; none for a review that began before there were templates."""
    return [] if name is None else shipped()[name].questions_for(category)


def needed(name: str | None) -> Sequence[Record]:
    """The records that a version needs; none for a review that began before there were templates."""
    return () if name is None else shipped()[name].records
