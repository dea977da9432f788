"""The hierarchy as data, and the grade that an action's own words suggest, with the words that decided."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from services.contracts.taxonomy import Strength

RANK = {Strength.WEAKER: 1, Strength.INTERMEDIATE: 2, Strength.STRONGER: 3}


class Level(BaseModel):
    """One level of the hierarchy, in words for people who choose."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    help: str
    kinds: list[str]
    examples: list[str]
    words: list[str]


class Suggested(BaseModel):
    """The grade that the wording suggests, why, and the words that decided."""

    strength: Strength
    words: list[str]
    because: str


@dataclass(frozen=True)
class Hierarchy:
    """The levels of the hierarchy."""

    levels: dict[Strength, Level]

    def suggest(self, wording: str) -> Suggested | None:
        """The grade that the words of an action suggest; None when they say nothing either way.

        The strongest level with a word in it counts, save that a weak word beside no strong one makes it weak: "remind
        staff to use the checklist" changes nothing about the checklist.
        """
        found = {
            strength: [word for word in level.words if re.search(rf"\b{re.escape(word)}", wording, re.IGNORECASE)]
            for strength, level in self.levels.items()
        }
        if found[Strength.STRONGER]:
            return self._because(Strength.STRONGER, found, "works without anybody having to remember")
        if found[Strength.WEAKER]:
            return self._because(Strength.WEAKER, found, "depends on people remembering")
        if found[Strength.INTERMEDIATE]:
            return self._because(Strength.INTERMEDIATE, found, "helps people, and still depends on somebody doing it")
        return None

    def _because(self, strength: Strength, found: dict[Strength, list[str]], why: str) -> Suggested:
        words = found[strength]
        return Suggested(
            strength=strength,
            words=words,
            because=f"The wording holds {', '.join(repr(w) for w in words)}: this {why}.",
        )


def counts_as(title: str, graded: Strength, reason: str | None) -> Strength:
    """The strength that is counted: a grade above what weak wording suggests counts as weaker until a reason is given.

    Words are read, not understood: so the grade is never refused, and never silently believed.
    """
    suggested = shipped().suggest(title)
    doubtful = suggested is not None and suggested.strength is Strength.WEAKER and reason is None
    return Strength.WEAKER if doubtful and RANK[graded] > RANK[Strength.WEAKER] else graded


@cache
def shipped() -> Hierarchy:
    """The hierarchy as shipped, read once."""
    document = yaml.safe_load((Path(__file__).parent / "hierarchy.yaml").read_text())
    return Hierarchy({Strength(name): Level.model_validate(level) for name, level in document.items()})
