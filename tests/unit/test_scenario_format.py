"""The format of scenarios: what is wrong is named with its line and a remedy; schema and documentation say what is so."""

import json
from datetime import date
from functools import cache

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from deploy.local.scenarios import moments
from deploy.local.scenarios.check import check
from deploy.local.scenarios.format import CONDITIONS, SCHEMA, schema
from deploy.local.scenarios.looks import LOOKS
from deploy.local.scenarios.play import _managers_first, _months
from deploy.local.scenarios.verbs import VERBS, RecordMonths
from deploy.local.state import PROJECT

SCENARIOS = sorted((PROJECT / "scenarios").glob("*.yaml"))

GOOD = """\
id: X-1
title: A fall
provider:
  places:
    Elm: {beds: 20}
people:
  NW: {role: carer, at: Elm}
  RM: {role: registered_manager, at: Elm}
residents: [AW]
steps:
  - do: report
    as: NW
    id: fall
    at: +1h
    place: Elm
    category: fall
    people: [AW]
    story: Found on the floor.
  - do: triage
    as: RM
    id: graded
    at: +3h
    actual_harm: low
    consequence: 2
    likelihood: 3
  - expect: Moderate
    look: triage
    field: band
    equals: moderate
    within: 2h
  - do: withdraw
    as: RM
    reason: Entered ${fall} in error.
"""


def test_a_good_one_has_no_findings() -> None:
    checked = check(GOOD)
    assert checked.findings == []
    assert len(checked.entries) == 4


@pytest.mark.parametrize(
    ("old", "new", "line", "said", "remedy"),
    [
        ("do: triage", "do: triag", 19, "'triag' is not a verb", "'triage'"),
        ("likelihood: 3", "likelyhood: 3", 25, "'likelyhood' is not known", "'likelihood'"),
        ("    consequence: 2\n", "", 19, "'consequence' is missing", "Worst credible"),
        ("category: fall", "category: fal", 16, "cannot be 'fal'", "'fall'"),
        ("as: RM\n    id: graded", "as: RMM\n    id: graded", 20, "no person 'RMM'", "'RM'"),
        ("place: Elm", "place: Elms", 15, "no place 'Elms'", "'Elm'"),
        ("people: [AW]", "people: [AX]", 17, "no resident 'AX'", "AW"),
        ("at: +3h", "at: +3x", 22, "'at' is not a moment", "Write +2h"),
        ("at: +3h", "at: graded + 1h", 22, "used before it is there", "before this one"),
        ("at: +3h", "at: nightfall + 1h", 22, "no moment 'nightfall'", "'fall'"),
        ("at: +3h", "at: +30m", 22, "earlier than the step on line 11", "top to bottom"),
        ("within: 2h", "within: soon", 30, "not a length of time", "90m"),
        ("    equals: moderate\n", "", 26, "without a condition", "equals"),
        ("    field: band\n", "", 26, "not said which value", "field:"),
        ("look: triage", "look: triages", 27, "'triages' is not a look", "'triage'"),
        ("${fall}", "${fal}", 33, "no result 'fal'", "fall"),
        ("    as: NW\n", "", 11, "not said who", "as:"),
        ("id: graded", "id: fall", 21, "something else already", "another name"),
        ("role: carer", "role: carr", 7, "cannot be 'carr'", "'carer'"),
        ("title: A fall", "titel: A fall", 2, "'titel' is not known", "'title'"),
        ("title: A fall", "title: A: fall", 2, "not YAML", "quotes"),
        ("    at: +1h\n", "    at: +1h\n    at: +2h\n", 15, "'at' is given twice", "Keep one"),
    ],
)
def test_a_mistake_is_named_with_line_and_remedy(old: str, new: str, line: int, said: str, remedy: str) -> None:
    assert GOOD.count(old) >= 1
    findings = check(GOOD.replace(old, new, 1)).findings
    hits = [f for f in findings if said in f.message]
    assert hits, findings
    assert hits[0].line == line
    assert remedy in hits[0].remedy


def test_a_step_after_the_end_is_impossible_unless_it_must_fail() -> None:
    late = "  - do: acknowledge_escalation\n    as: RM\n"
    [finding] = check(GOOD + late).findings
    assert "was ended on line 31" in finding.message
    assert check(GOOD + late + "    refused: {status: 409}\n").findings == []


def test_approval_before_submission_is_impossible() -> None:
    [finding] = check(
        GOOD.replace("do: withdraw", "do: approve_review").replace("    reason: Entered ${fall} in error.\n", "")
    ).findings
    assert "comes before 'submit_review'" in finding.message


def test_with_two_reports_it_must_be_said_which() -> None:
    second = GOOD.replace("id: graded", "id: g2")
    twice = (
        GOOD
        + "  - do: report\n    as: NW\n    place: Elm\n    category: fall\n    story: Again.\n  - expect: x\n    look: stage\n    equals: reported\n"
    )
    assert any("several reports" in f.message for f in check(twice).findings), second


@pytest.mark.parametrize(
    "text", ["", "just words", "[1, 2]", "steps: 3", "id: X\nsteps: [1]", "a: [", "steps:\n  - do: [x]\n"]
)
def test_anything_is_answered_with_findings(text: str) -> None:
    assert check(text).findings


@given(st.text(max_size=60))
def test_no_text_breaks_the_checker(text: str) -> None:
    check(text)
    check(GOOD.replace("at: +3h", f"at: {json.dumps(text)}"))


@given(st.integers(1, 500), st.sampled_from("smhdw"))
def test_durations(number: int, unit: str) -> None:
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[unit]
    assert moments.duration(f"{number}{unit}").total_seconds() == number * seconds
    assert moments.moment(f"fall - {number}{unit}") == moments.Moment("fall", -moments.duration(f"{number}{unit}"))
    assert moments.moment(f"+{number}{unit}").name == moments.START


def test_the_schema_in_the_repository_is_that_of_the_models() -> None:
    assert json.loads(SCHEMA.read_text()) == schema(), "run: python -m deploy.local.scenarios.format"


@cache
def _validator() -> Draft202012Validator:
    """To check the schema itself takes longer than all scenarios."""
    Draft202012Validator.check_schema(schema())
    return Draft202012Validator(schema())


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda p: p.stem)
def test_every_scenario_is_sound_and_fits_the_schema(path: object) -> None:
    text = path.read_text()  # type: ignore[attr-defined]
    assert check(text).findings == []
    assert list(_validator().iter_errors(yaml.safe_load(text))) == []


def test_the_documentation_names_every_word() -> None:
    told = (PROJECT / "docs" / "scenarios.md").read_text()
    missing = [word for word in (*VERBS, *LOOKS, *CONDITIONS) if f"`{word}`" not in told]
    assert missing == []


def test_months_are_values_or_shares_and_those_without_are_left_out() -> None:
    step = RecordMonths.model_validate(
        {"do": "record_months", "as": "QL", "indicator": "score", "months": [71.5, [17, 19], None, 72]}
    )
    assert _months(date(2026, 2, 3), step) == [
        {"month": "2025-11-01", "value": 71.5},
        {"month": "2025-12-01", "numerator": 17, "denominator": 19},
        {"month": "2026-02-01", "value": 72},
    ]


def test_whom_somebody_answers_to_is_registered_first_and_must_be_there() -> None:
    people = yaml.safe_load(
        "{A: {role: carer, answers_to: B}, B: {role: shift_lead, answers_to: C}, C: {role: director}}"
    )
    text = GOOD.replace(
        "people:\n", "people:\n" + "".join(f"  {name}: {json.dumps(one)}\n" for name, one in people.items())
    )
    checked = check(text)
    assert checked.findings == []
    assert checked.scenario is not None
    order = [name for name, _ in _managers_first(checked.scenario.people)]
    assert order.index("C") < order.index("B") < order.index("A")
    [wrong] = check(text.replace('"answers_to": "C"', '"answers_to": "D"')).findings
    assert "D" in wrong.message
