"""The regulator's frameworks as data: which page of a pack is evidence for which statement, and what none is for."""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.contracts.taxonomy import Category

Part = Literal[
    "escalation", "obligation", "candour", "safeguarding", "review", "learning", "action", "evidence", "verification",
    "sharing", "verdict", "reporter_told", "challenge",
]  # fmt: skip


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Framework(_Strict):
    """One framework of the regulator: its key questions, each with its statements in the regulator's order."""

    id: str
    title: str
    status: str
    source: str = Field(min_length=1)
    questions: Mapping[str, tuple[str, ...]]

    @property
    def statements(self) -> list[str]:
        """All statements."""
        return [one for statements in self.questions.values() for one in statements]


class Rule(_Strict):
    """When a page is evidence for a statement."""

    statement: str
    category: str
    parts: tuple[Part, ...] = ()
    types: tuple[Category, ...] = ()

    def holds(self, parts: Iterable[str], category: str) -> bool:
        """Whether a page with these parts, of an incident of this category, is evidence."""
        return (not self.parts or bool(set(self.parts) & set(parts))) and (not self.types or category in self.types)


class Crosswalk(_Strict):
    """Under which statements of another framework those of one are looked for."""

    source: str = Field(alias="from")
    target: str = Field(alias="to")
    statements: Mapping[str, tuple[str, ...]]


class Frameworks(_Strict):
    """A version of all of them."""

    version: str
    categories: tuple[str, ...]
    frameworks: tuple[Framework, ...]
    crosswalk: Crosswalk
    rules: tuple[Rule, ...]

    @model_validator(mode="after")
    def _consistent(self) -> "Frameworks":
        by_id = {one.id: one for one in self.frameworks}
        if len(by_id) < len(self.frameworks):
            raise ValueError("two frameworks have the same id")
        for framework in self.frameworks:
            if twice := _twice(framework.statements):
                raise ValueError(f"{framework.id} names a statement twice: {', '.join(twice)}")
        if twice := _twice(self.categories):
            raise ValueError(f"a category of evidence stands twice: {', '.join(twice)}")
        if missing := {self.crosswalk.source, self.crosswalk.target} - by_id.keys():
            raise ValueError(f"the crosswalk names no framework: {', '.join(sorted(missing))}")
        source, target = by_id[self.crosswalk.source], by_id[self.crosswalk.target]
        if list(self.crosswalk.statements) != source.statements:
            raise ValueError("the crosswalk does not name each statement once, in order")
        if unknown := {t for found in self.crosswalk.statements.values() for t in found} - set(target.statements):
            raise ValueError(f"the crosswalk leads to no statement of {target.id}: {', '.join(sorted(unknown))}")
        if _twice([str(rule) for rule in self.rules]):
            raise ValueError("a rule stands twice")
        for rule in self.rules:
            if rule.statement not in source.statements or rule.category not in self.categories:
                raise ValueError(f"a rule names no statement or category: {rule.statement}, {rule.category}")
            if not rule.parts and not rule.types:
                raise ValueError(f"a rule for {rule.statement} would hold for every page")
        return self

    def evidence(self, parts: Iterable[str], category: str) -> list[tuple[str, str]]:
        """Statements of the first framework that a page is evidence for, with the category of the evidence."""
        parts = list(parts)
        found = [(r.statement, r.category) for r in self.rules if r.holds(parts, category)]
        return list(dict.fromkeys(found))

    def organise(self, pages: Mapping[str, list[tuple[str, str]]]) -> list[dict[str, Any]]:
        """Each framework by key question and statement, with the pages that are evidence for it by category.

        A statement without a page is there too: `covered` tells whether any rule could have led to it.
        """
        source = {statement: self._pages(pages, [statement]) for statement in self.frameworks[0].statements}
        ruled = {rule.statement for rule in self.rules}
        backwards: dict[str, list[str]] = {}
        for statement, targets in self.crosswalk.statements.items():
            for target in targets:
                backwards.setdefault(target, []).append(statement)
        made = []
        for framework in self.frameworks:
            own = framework.id == self.crosswalk.source
            questions = []
            for question, statements in framework.questions.items():
                rows = []
                for statement in statements:
                    origins = [statement] if own else backwards.get(statement, [])
                    rows.append(
                        {
                            "statement": statement,
                            "covered": bool(ruled & set(origins)),
                            "through": [] if own else origins,
                            "evidence": source[statement] if own else self._pages(pages, origins),
                        }
                    )
                questions.append({"question": question, "statements": rows})
            made.append(
                {
                    "id": framework.id,
                    "title": framework.title,
                    "status": framework.status,
                    "source": framework.source,
                    "questions": questions,
                }
            )
        return made

    def _pages(self, pages: Mapping[str, list[tuple[str, str]]], statements: list[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for category in self.categories:
            ids = [page for page, rows in pages.items() if any((s, category) in rows for s in statements)]
            if ids:
                found[category] = ids
        return found


def _twice(names: Iterable[str]) -> list[str]:
    counted = Counter(names)
    return sorted(name for name, count in counted.items() if count > 1)


@cache
def shipped() -> Frameworks:
    """The version that is used."""
    path = Path(__file__).parent / "policies" / "frameworks.yaml"
    return Frameworks.model_validate(yaml.safe_load(path.read_text()))
