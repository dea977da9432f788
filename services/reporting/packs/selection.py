"""Which incidents a pack shows: all deaths, abuse and serious injuries, and a random few of the rest.

The draw can be repeated with any tool: the candidates are put in the order of the SHA-256 of `SEED:INCIDENT_ID`, and the
first ones are taken. It does not depend on the order in which they were listed, nor on this program.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from services.contracts.taxonomy import Category, Kind, PhysicalHarm, Stage

SIZE = 5
RULE = "serious-and-random-1"
RULE_IN_WORDS = (
    "Every death, every abuse or allegation of abuse and every serious injury; and of the others those {size} whose"
    " SHA-256 of SEED:INCIDENT_ID (the seed as a decimal number, a colon, the id in lower case) comes first."
)

_BY_OBLIGATION = {
    "cqc-death": "death",
    "cqc-abuse": "abuse",
    "safeguarding-concern": "abuse",
    "cqc-serious-injury": "serious injury",
}


@dataclass(frozen=True)
class Selection:
    """What was drawn, of how many. `serious` says why for each; ids are in the order in which they are shown."""

    seed: int
    candidates: tuple[str, ...]
    serious: Mapping[str, tuple[str, ...]]
    drawn: tuple[str, ...]

    @property
    def shown(self) -> tuple[str, ...]:
        """Serious ones first, then the drawn."""
        return (*self.serious, *self.drawn)

    def to_json(self) -> dict[str, Any]:
        """All that is needed to draw again."""
        return {
            "rule": RULE,
            "rule_in_words": RULE_IN_WORDS.format(size=SIZE),
            "seed": self.seed,
            "candidates": list(self.candidates),
            "serious": {one: list(why) for one, why in self.serious.items()},
            "drawn": list(self.drawn),
        }


def is_candidate(incident: Mapping[str, Any]) -> bool:
    """Incidents and near misses; good care is none, and a duplicate is shown by its original."""
    return bool(incident["kind"] != Kind.GOOD_CARE and incident["stage"] != Stage.DUPLICATE)


def why_serious(incident: Mapping[str, Any], obligations: Iterable[str]) -> tuple[str, ...]:
    """Death, abuse, serious injury: by what was reported, by the harm, or by the rule of an obligation that it raised.

    An obligation counts whatever was decided on it: a decision not to notify is for the reader to judge.
    """
    found = {_BY_OBLIGATION[rule] for rule in obligations if rule in _BY_OBLIGATION}
    if incident["category"] == Category.DEATH or incident["actual_harm"] == PhysicalHarm.FATAL:
        found.add("death")
    if incident["category"] == Category.ABUSE_ALLEGATION:
        found.add("abuse")
    if incident["actual_harm"] == PhysicalHarm.SEVERE:
        found.add("serious injury")
    return tuple(sorted(found))


def draw(seed: int, incidents: Iterable[Mapping[str, Any]], obligations: Mapping[str, Iterable[str]]) -> Selection:
    """Choose of these incidents; `obligations` are the rules that each raised, by its id."""
    candidates = {str(one["incident_id"]): one for one in incidents if is_candidate(one)}
    serious = {}
    for incident_id in sorted(candidates):
        if why := why_serious(candidates[incident_id], obligations.get(incident_id, ())):
            serious[incident_id] = why
    rest = sorted((one for one in candidates if one not in serious), key=lambda one: _rank(seed, one))
    return Selection(seed, tuple(sorted(candidates)), serious, tuple(rest[:SIZE]))


def _rank(seed: int, incident_id: str) -> str:
    return hashlib.sha256(f"{seed}:{incident_id}".encode()).hexdigest()
