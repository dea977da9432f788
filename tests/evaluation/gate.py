"""How often the quality gate is right: `python -m tests.evaluation.gate [--json] [--split tune|test] [--show]`.

Precision: of what it points out, how much a careful reader had marked. Recall: of what was marked, how much it finds.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from services.contracts.taxonomy import Seips
from services.review.domain import Draft, Factor, Learning
from services.review.gate import Weakness, findings

_COUNTED = (Weakness.UNANSWERED, Weakness.MISSING_RECORD, Weakness.UNLINKED_LEARNING)
MEASURED = [weakness for weakness in Weakness if weakness not in _COUNTED]
"""What reads words. Whether a question has an answer, a record is there, or learning has a link, is counted, not judged."""
REVIEWS = Path(__file__).parent / "reviews.yaml"


@dataclass
class Score:
    """Counts for one weakness, or for all."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    @property
    def precision(self) -> float | None:
        """None when nothing was pointed out."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else None

    @property
    def recall(self) -> float | None:
        """None when nothing was marked."""
        return self.right / (self.right + self.missed) if self.right + self.missed else None


def reviews(split: str) -> list[dict[str, Any]]:
    """The labelled reviews of one half."""
    return [one for one in yaml.safe_load(REVIEWS.read_text()) if one["split"] == split]


def draft_of(review: dict[str, Any]) -> Draft:
    """A labelled review as the gate gets it."""
    return Draft(
        what_happened=review["what_happened"],
        why=review["why"] or None,
        factors=[Factor(Seips(factor["element"]), factor["description"]) for factor in review["factors"]],
        learning=[Learning(one["statement"], one["answers_factor"]) for one in review["learning"]],
        only_person_reason=review["only_person_reason"],
        no_actions_reason=None,
        no_briefing_reason=None,
        briefing=None,
    )


def found_in(review: dict[str, Any]) -> set[str]:
    """What the gate points out in a labelled review."""
    return {str(one.weakness) for one in findings(draft_of(review), repeat=review["repeat"])}


def score(labelled: Iterable[dict[str, Any]]) -> dict[str, Score]:
    """By weakness, over `all` of them, and `clean`: good reviews in which nothing (right) or something was found."""
    scores = {str(weakness): Score() for weakness in MEASURED} | {"all": Score(), "clean": Score()}
    for review in labelled:
        found, marked = found_in(review), set(review["labels"])
        for weakness in MEASURED:
            for kept in (scores[weakness], scores["all"]):
                kept.right += weakness in found & marked
                kept.wrong += weakness in found - marked
                kept.missed += weakness in marked - found
        if not marked:
            scores["clean"].right += not found
            scores["clean"].wrong += bool(found)
    return scores


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.evaluation.gate", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--split", choices=["tune", "test"], default="test")
    parser.add_argument("--show", action="store_true", help="name the reviews in which the gate was not right")
    options = parser.parse_args()
    labelled = reviews(options.split)
    scores = score(labelled)
    if options.json:
        shown = {name: {**vars(s), "precision": s.precision, "recall": s.recall} for name, s in scores.items()}
        print(json.dumps({"split": options.split, "reviews": len(labelled), "scores": shown}, indent=1))
        return 0
    table = Table("weakness", "right", "wrong", "missed", "precision", "recall", title=f"{len(labelled)} reviews")
    for name, one in scores.items():
        shares = ["-" if share is None else f"{share:.2f}" for share in (one.precision, one.recall)]
        table.add_row(name, str(one.right), str(one.wrong), str(one.missed), *shares)
    Console().print(table)
    if options.show:
        for review in labelled:
            found, marked = found_in(review), set(review["labels"])
            if found != marked:
                print(review["id"], "wrong:", sorted(found - marked), "missed:", sorted(marked - found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
