"""The text of a review between the form of the page and the draft of the service. What the page does not show stays as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.console.steps import number
from services.console.visit import Visit

TEXTS = ("what_happened", "why", "only_person_reason", "no_actions_reason", "no_briefing_reason")
BRIEFING = ("summary", "what_changes", "question", "explanation", "for_whom")
ROWS: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "factors": (20, ("element", "word", "description")),
    "root_causes": (10, ("statement",)),
    "five_whys": (10, ("problem", "whys", "leads_to_factor")),
    "barriers": (20, ("barrier", "became", "why", "shows_factor")),
    "learning": (20, ("statement", "answers_factor", "answers_cause")),
}
"""The lists of the form: how many rows each may have, and the fields of one."""
TICKED = {"root_causes": "factors"}
"""Fields of a row that hold several numbers of rows."""
_POINTS = {"answers_factor": "factors", "answers_cause": "root_causes", "leads_to_factor": "factors", "shows_factor": "factors"}  # fmt: skip
"""Fields that hold the number of a row of another list. By itself such a number says nothing."""
_KEPT = (*TEXTS, "known_cause")

Row = dict[str, Any]


@dataclass
class Draft:
    """What stands in the form: rows as they were typed, also empty ones. Numbers of rows count from 0."""

    texts: dict[str, str]
    rows: dict[str, list[Row]]
    briefing: dict[str, str]


def stored(review: Mapping[str, Any]) -> Draft:
    """The form of what the service holds."""
    briefing = review["briefing"] or {}
    rows: dict[str, list[Row]] = {
        name: [{field: _text(one[field]) for field in fields} for one in review[name]]
        for name, (_most, fields) in ROWS.items()
    }
    for name, ticked in TICKED.items():
        for row, one in zip(rows[name], review[name], strict=True):
            row[ticked] = [str(place) for place in one[ticked]]
    return Draft(
        {name: review[name] or "" for name in TEXTS},
        rows,
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
        {name: _typed_rows(visit, name) for name in ROWS},
        {name: visit.text(f"write_briefing_{name}") for name in (*BRIEFING, "options", "correct")},
    )


def body(draft: Draft, review: Mapping[str, Any]) -> dict[str, Any]:
    """What is sent: the form over what the service holds. Rows that were emptied go, and what points at the rest moves."""
    left = {name: _left(rows) for name, rows in draft.rows.items()}
    moved = {name: {str(row): place for place, row in enumerate(rows)} for name, rows in left.items()}
    given: dict[str, Any] = {name: review[name] for name in _KEPT} | {
        n: text or None for n, text in draft.texts.items()
    }
    for name, rows in draft.rows.items():
        given[name] = [_sent(rows[row], moved) for row in left[name]]
    given["briefing"] = _briefing(draft.briefing, review["briefing"])
    return given


def field_of(name: str, draft: Draft) -> str:
    """The field of the page that a field of the service is: places of rows that were sent are places without empty ones."""
    of, _, rest = name.partition(".")
    place, _, inner = rest.partition(".")
    if of not in ROWS or not place.isdecimal():
        return name
    left = _left(draft.rows[of])
    row = left[int(place)] if int(place) < len(left) else int(place)
    # A row as a whole is mended at its first field, a list in a row at the field that holds all of it.
    return f"{of}.{row}.{inner.partition('.')[0] or ROWS[of][1][0]}"


def _left(rows: Sequence[Row]) -> list[int]:
    return [place for place, row in enumerate(rows) if any(value for name, value in row.items() if name not in _POINTS)]


def _sent(row: Row, moved: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, value in row.items():
        if name in _POINTS:
            given[name] = moved[_POINTS[name]].get(value)
        elif name in TICKED.values():
            given[name] = [moved[name][place] for place in value if place in moved[name]]
        elif name == "whys":
            given[name] = [line.strip() for line in value.splitlines() if line.strip()]
        else:
            given[name] = value or None
    return given


def _briefing(given: Mapping[str, str], before: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not any(given.values()):
        return None
    correct = number(given["correct"])
    return {
        **(before or {}),
        **{name: given[name] or None for name in BRIEFING},
        "options": [line.strip() for line in given["options"].splitlines() if line.strip()],
        "correct": correct - 1 if isinstance(correct, int) and correct > 0 else None,
    }


def _typed_rows(visit: Visit, name: str) -> list[Row]:
    most, fields = ROWS[name]
    rows: list[Row] = []
    for row in range(most):
        one: Row = {field: visit.text(f"write_{name}_{row}_{field}") for field in fields}
        if name in TICKED:
            one[TICKED[name]] = visit.texts(f"write_{name}_{row}_{TICKED[name]}")
        rows.append(one)
    while rows and not any(rows[-1].values()):
        rows.pop()
    return rows


def _text(value: object) -> str:
    return "\n".join(value) if isinstance(value, list) else "" if value is None else str(value)
