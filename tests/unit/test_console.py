"""The pages' own parts: the text of a review between form and draft, and the figure of a chart. No socket."""

import ast
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from services.console import chart
from services.console.page import day, when
from services.console.pages import body, report, review_draft
from services.console.service_api import Refused, ServiceApi
from services.console.steps import number
from services.console.visit import inside
from services.intake.details.policy import shipped

NOW = datetime(2026, 6, 8, 9, tzinfo=UTC)
REVIEW: dict[str, Any] = {
    "what_happened": "It fell.", "why": None, "only_person_reason": None, "no_actions_reason": None,
    "no_briefing_reason": None, "known_cause": None,
    "factors": [
        {"element": "tasks", "description": "First", "word": "rush"},
        {"element": "organisation", "description": "Second", "word": None},
    ],
    "learning": [{"learning_id": "x", "statement": "Learned", "answers_factor": 1, "answers_cause": 0}],
    "root_causes": [{"statement": "Beneath", "factors": [0, 1]}],
    "five_whys": [{"problem": "P", "whys": ["W"], "leads_to_factor": 1}],
    "barriers": [{"barrier": "B", "became": "failed", "why": None, "shows_factor": 0}],
    "briefing": {"summary": "S", "options": ["a", "b"], "correct": 1, "audience": {"everywhere": True}},
}  # fmt: skip


def test_what_nobody_touched_is_sent_as_it_was() -> None:
    sent = review_draft.body(review_draft.stored(REVIEW), REVIEW)
    assert sent["factors"] == REVIEW["factors"]
    assert sent["learning"] == [{"statement": "Learned", "answers_factor": 1, "answers_cause": 0}]
    for kept in ("root_causes", "five_whys", "barriers", "known_cause", "what_happened"):
        assert sent[kept] == REVIEW[kept]
    assert sent["briefing"]["audience"] == {"everywhere": True}
    assert (sent["briefing"]["options"], sent["briefing"]["correct"]) == (["a", "b"], 1)


def test_a_row_that_was_emptied_goes_and_what_points_at_the_rest_moves() -> None:
    draft = review_draft.stored(REVIEW)
    draft.rows["factors"][0] = {"element": "", "word": "", "description": ""}
    sent = review_draft.body(draft, REVIEW)
    assert [one["description"] for one in sent["factors"]] == ["Second"]
    assert sent["learning"][0]["answers_factor"] == 0
    assert sent["root_causes"][0]["factors"] == [0]
    assert (sent["five_whys"][0]["leads_to_factor"], sent["barriers"][0]["shows_factor"]) == (0, None)
    for field, page in (
        ("factors.0.description", "factors.1.description"), ("factors.0", "factors.1.element"),
        ("five_whys.0.whys.2", "five_whys.0.whys"), ("root_causes.0.factors", "root_causes.0.factors"), ("why", "why"),
    ):  # fmt: skip
        assert review_draft.field_of(field, draft) == page
    assert sent["factors"][0]["word"] is None, "a word stays with its own row"
    draft.rows["root_causes"] = [{"statement": "", "factors": []}, {"statement": "New", "factors": ["0", "1", "7"]}]
    draft.rows["learning"][0]["answers_cause"] = "1"
    sent = review_draft.body(draft, REVIEW)
    assert sent["root_causes"] == [{"statement": "New", "factors": [0]}]
    assert sent["learning"][0]["answers_cause"] == 0
    draft.rows["learning"][0]["statement"] = ""
    assert review_draft.body(draft, REVIEW)["learning"] == [], "what points at something says nothing by itself"
    draft.briefing = dict.fromkeys(draft.briefing, "")
    assert review_draft.body(draft, REVIEW)["briefing"] is None


def test_the_figure_shows_what_stands_out_and_where_the_change_was() -> None:
    flat = [0, 0, 0, 0]
    rows = chart.points(
        {
            "values": [4.0, None, 5.0, 1.0], "centre": [4.0] * 4, "lower": [None] * 4, "upper": [6.0] * 4,
            "baseline_points": 2, "months": ["2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01"],
            "outside_limits": [0, 0, 0, -1], "shift_signal": flat, "trend_signal": flat, "two_of_three_signal": flat,
        }
    )  # fmt: skip
    assert [row.name for row in rows] == ["2026-01", "2026-02", "2026-03", "2026-04"]
    assert [(row.after, row.stands_out) for row in rows] == [
        (False, False),
        (False, False),
        (True, False),
        (True, True),
    ]
    drawn = ElementTree.fromstring(str(chart.figure(rows, 'A "title" & more')))
    assert drawn.attrib["aria-label"] == 'A "title" & more'
    assert [one.tag for one in drawn].count("circle") == 2
    assert [one.tag for one in drawn].count("path") == 1
    assert chart.points({**{name: [] for name in ("values", "centre", "lower", "upper")}, "baseline_points": 0}) == []


def test_each_place_on_the_body_that_is_asked_for_has_its_own_place_on_the_drawing() -> None:
    """A finger's width apart, the right of the person on the left when seen from the front."""
    [asked] = [one for one in shipped().questions if one.id == body.QUESTION]
    places = body.drawing({"options": asked.options}, ["back_sacrum"])
    assert sorted(place.code for place in places) == sorted(asked.options)
    assert [place.text for place in places if place.marked] == ["Back: sacrum"]
    for one, other in combinations(places, 2):
        assert one.side != other.side or max(abs(one.x - other.x), abs(one.y - other.y)) >= 24, (one, other)
    at = {place.code: place.x for place in places}
    assert at["front_right_hand"] < at["front_left_hand"]
    assert at["back_left_hand"] < at["back_right_hand"]


def test_no_page_gives_a_word_that_the_frame_gives() -> None:
    """It would be given twice: such a page has never been shown."""
    root = Path(__file__).parents[2] / "services" / "console"
    frame = {"visit", "now", "path", "roles", "form_token"}
    calls = [
        (path.name, node)
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "page"
    ]
    assert len(calls) > 20
    assert [name for name, node in calls if frame & {word.arg for word in node.keywords}] == []


@pytest.mark.parametrize(
    ("named", "asked"),
    [
        ("..", "/incidents/%2E%2E/audit"), (".", "/incidents/%2E/audit"), ("x?role=director", "/incidents/x%3Frole%3Ddirector/audit"),
        ("x#y", "/incidents/x%23y/audit"), ("a\0b", "/incidents/a%00b/audit"), ("%2e%2e", "/incidents/%252e%252e/audit"),
    ],
)  # fmt: skip
def test_what_stands_in_place_of_an_id_leads_nowhere_else(named: str, asked: str) -> None:
    seen: list[httpx.Request] = []
    service_api(seen).get("intake", f"/incidents/{named}/audit", limit=1)
    assert [one.url.raw_path.decode() for one in seen] == [f"{asked}?limit=1"]


def test_what_is_longer_than_any_address_is_no_address() -> None:
    with pytest.raises(Refused) as refused:
        service_api([]).get("intake", f"/incidents/{'9' * 70_000}")
    assert refused.value.status == 422


def test_a_version_that_no_service_gave_is_sent_for_it_to_refuse() -> None:
    seen: list[httpx.Request] = []
    service_api(seen).send("PUT", "intake", "/incidents/x", {}, key="ke\u0301y\r\nX: y", version='"\ud800"')
    assert (seen[0].headers["Idempotency-Key"], seen[0].headers["If-Match"]) == ("ke?y??X: y", '"?"')


def service_api(seen: list[httpx.Request]) -> ServiceApi:
    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={})

    return ServiceApi(httpx.Client(transport=httpx.MockTransport(answer)), {"intake": "http://intake"}, "token")


@pytest.mark.parametrize(
    ("path", "led"),
    [
        ("/incidents?q=a%20b#c", "/incidents?q=a%20b#c"), ("https://evil.example", "/"), ("//evil.example", "/"), ("", "/"),
        ("/\\evil.example", "/"), ("/\t/evil.example", "/"), ("/\n/evil.example", "/"), ("javascript:alert(1)", "/"),
    ],
)  # fmt: skip
def test_nobody_is_led_out_of_the_console(path: str, led: str) -> None:
    assert inside(path) == led


@pytest.mark.parametrize(
    ("typed", "sent"), [("28", 28), ("-1", "-1"), ("1.5", "1.5"), ("²", "²"), ("", ""), ("9" * 5000, "9" * 5000)]
)
def test_what_is_no_number_stays_for_the_service_to_name(typed: str, sent: int | str) -> None:
    assert number(typed) == sent


@pytest.mark.parametrize(
    ("answers", "at"),
    [
        ({"when": "now", "at": "2026-06-08T08:30:00+01:00"}, datetime(2026, 6, 8, 7, 30, tzinfo=UTC)),
        *(({"when": "now", "at": odd}, NOW) for odd in ("", "x", "2026-06-08T08:30", "9" * 5000)),
        ({"when": "earlier", "date": "0000-00-00", "time": "9"}, None),
    ],
)
def test_a_time_that_no_page_put_into_the_form_is_none(answers: dict[str, str], at: datetime | None) -> None:
    visit: Any = SimpleNamespace(now=NOW)
    assert report.occurred_at(visit, answers) == at


def test_a_time_at_the_ends_of_the_years_is_shown_as_it_is() -> None:
    assert when("0001-01-01T00:00:00+00:00") == "1 January 1, 00:00"
    assert day("9999-12-31T23:59:59-14:00") == "31 December 9999"
