"""The text of a review between the form of the page and the draft of the service. What the page does not show stays as it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.console.visit import Visit

TEXTS = ("what_happened", "why", "only_person_reason", "no_actions_reason", "no_briefing_reason")
BRIEFING = ("summary", "what_changes", "question", "explanation", "for_whom")
MOST_ROWS = 20
_KEPT = (*TEXTS, "root_causes", "five_whys", "barriers", "known_cause")


@dataclass
class Draft:
    """What stands in the form: rows as they were typed, also empty ones."""

    texts: dict[str, str]
    factors: list[dict[str, str]]
    learning: list[dict[str, str]]
    briefing: dict[str, str]


def stored(review: Mapping[str, Any]) -> Draft:
    """The form of what the service holds."""
    briefing = review["briefing"] or {}
    return Draft(
        {name: review[name] or "" for name in TEXTS},
        [{name: one[name] or "" for name in ("element", "description")} for one in review["factors"]],
        [{"statement": one["statement"], "answers_factor": _text(one["answers_factor"])} for one in review["learning"]],
        {
            **{name: briefing.get(name) or "" for name in BRIEFING},
            "options": "\n".join(briefing.get("options") or []),
            "correct": "" if briefing.get("correct") is None else str(briefing["correct"] + 1),
        },
    )


def typed(visit: Visit) -> Draft:
    """The form as it was sent."""
    return Draft(
        {name: visit.text(f"write_{name}") for name in TEXTS},
        _rows(visit, "factors", ("element", "description")),
        _rows(visit, "learning", ("statement", "answers_factor")),
        {name: visit.text(f"write_briefing_{name}") for name in (*BRIEFING, "options", "correct")},
    )


def body(draft: Draft, review: Mapping[str, Any]) -> dict[str, Any]:
    """What is sent: the form over what the service holds. Rows that were emptied go, and what points at the rest moves."""
    left = [row for row, one in enumerate(draft.factors) if one["element"] or one["description"]]
    moved = {row: place for place, row in enumerate(left)}
    given: dict[str, Any] = {name: review[name] for name in _KEPT} | {
        n: text or None for n, text in draft.texts.items()
    }
    given["factors"] = [
        {
            "element": draft.factors[row]["element"] or None,
            "description": draft.factors[row]["description"] or None,
            "word": review["factors"][row]["word"] if row < len(review["factors"]) else None,
        }
        for row in left
    ]
    causes = [one["answers_cause"] for one in review["learning"]]
    given["learning"] = [
        {
            "statement": one["statement"],
            "answers_factor": moved.get(int(one["answers_factor"])) if one["answers_factor"].isdecimal() else None,
            "answers_cause": causes[row] if row < len(causes) else None,
        }
        for row, one in enumerate(draft.learning)
        if one["statement"]
    ]
    given["root_causes"] = [
        {**one, "factors": [moved[row] for row in one["factors"] if row in moved]} for one in review["root_causes"]
    ]
    for aid, points in (("five_whys", "leads_to_factor"), ("barriers", "shows_factor")):
        given[aid] = [{**one, points: moved.get(one[points])} for one in review[aid]]
    given["briefing"] = _briefing(draft.briefing, review["briefing"])
    return given


def row_of(field: str, draft: Draft) -> str:
    """The field of the page that a field of the service is: places of rows that were sent are places without empty ones."""
    name, _, rest = field.partition(".")
    place, _, inner = rest.partition(".")
    if name not in ("factors", "learning") or not place.isdecimal():
        return field
    rows = draft.factors if name == "factors" else draft.learning
    left = [n for n, one in enumerate(rows) if any(value for key, value in one.items() if key != "answers_factor")]
    row = left[int(place)] if int(place) < len(left) else int(place)
    return f"{name}.{row}.{inner}"


def _briefing(given: Mapping[str, str], before: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not any(given.values()):
        return None
    correct = given["correct"]
    return {
        **(before or {}),
        **{name: given[name] or None for name in BRIEFING},
        "options": [line.strip() for line in given["options"].splitlines() if line.strip()],
        "correct": int(correct) - 1 if correct.isdecimal() and int(correct) > 0 else None,
    }


def _rows(visit: Visit, name: str, fields: tuple[str, ...]) -> list[dict[str, str]]:
    rows = [{field: visit.text(f"write_{name}_{row}_{field}") for field in fields} for row in range(MOST_ROWS)]
    while rows and not any(rows[-1].values()):
        rows.pop()
    return rows


def _text(value: object) -> str:
    return "" if value is None else str(value)
