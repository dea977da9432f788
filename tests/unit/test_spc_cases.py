"""The reference cases of statistical process control, where they are at hand beside the checkout. They are nobody's
code here: expected figures come from established packages, tolerances from the page that describes them."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.local.cli import app
from deploy.local.spc_case import answer
from deploy.local.state import StackError

CASES = Path(__file__).parents[3] / "shared/reference/spc/cases"
FILES = sorted(CASES.glob("*.json"))
AT_HAND = pytest.mark.skipif(not FILES, reason=f"REFERENCE CASES NOT AT HAND: {CASES} has none; nothing was compared")


def differences(expected: Any, found: Any, at: str, *, nhsr: bool) -> list[str]:
    """What is not as expected, with its place. More than was expected is no difference."""
    if isinstance(expected, dict):
        if not isinstance(found, dict):
            return [f"{at}: {found!r}"]
        pairs = [(f"{at}.{k}", v, found.get(k, "absent")) for k, v in expected.items() if k != "note"]
        return [d for place, a, b in pairs for d in differences(a, b, place, nhsr=nhsr)]
    if isinstance(expected, list):
        if len(expected) != len(found):
            return [f"{at}: {len(found)} instead of {len(expected)}"]
        return [
            d
            for i, (a, b) in enumerate(zip(expected, found, strict=True))
            # The package that was run could not say whether there is a shift around a blank.
            if not (nhsr and a is None and at.endswith(".shift"))
            for d in differences(a, b, f"{at}[{i}]", nhsr=nhsr)
        ]
    if isinstance(expected, int | float) and not isinstance(expected, bool):
        close = not isinstance(found, str) and found is not None
        close = close and math.isclose(expected, found, rel_tol=1e-6, abs_tol=1e-4 if ".p_" in at else 1e-9)
        return [] if close else [f"{at}: {found!r} instead of {expected!r}"]
    return [] if expected == found else [f"{at}: {found!r} instead of {expected!r}"]


@AT_HAND
@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_every_analysis_agrees(file: Path) -> None:
    case = json.loads(file.read_text())
    found = answer(file)
    assert found["case_id"] == case["case_id"]
    wrong = []
    for expected, one in zip(case["analyses"], found["analyses"], strict=True):
        assert (one["analysis_id"], one["chart"]) == (expected["analysis_id"], expected["chart"])
        nhsr = expected["oracle"]["name"] == "NHSRplotthedots"
        wrong += differences(expected["result"], one["result"], one["analysis_id"], nhsr=nhsr)
    assert wrong == []


def case(tmp_path: Path, analyses: list[dict[str, Any]], rows: str) -> dict[str, Any]:
    """A case of one's own, through the command."""
    (tmp_path / "own.csv").write_text(rows)
    file = tmp_path / "own.json"
    file.write_text(json.dumps({"case_id": "own", "input": {"csv": "own.csv", "grain": "month"}, "analyses": analyses}))
    answered = CliRunner().invoke(app, ["spc", "case", str(file)])
    assert answered.exit_code == 0, answered.output
    assert CliRunner().invoke(app, ["spc", "case", str(file), "--json"]).stdout == answered.stdout
    return {a["analysis_id"]: a["result"] for a in json.loads(answered.stdout)["analyses"]}


ROWS = "period_start,events,beds,value\n" + "".join(
    f"2024-{m:02d}-01,{e},{b},{e * 1000 / b if b else ''}\n"
    for m, (e, b) in enumerate([(3, 600), (4, 620), (2, 0), (5, 610), (3, 600), (4, 590)], 1)
)


def test_the_command_says_what_it_does_not_offer_and_computes_the_rest(tmp_path: Path) -> None:
    found = case(
        tmp_path,
        [
            {"analysis_id": "odd", "chart": "ewma", "inputs": {"y_column": "events"}},
            {"analysis_id": "four", "chart": "c", "inputs": {"y_column": "events"}, "settings": {"nsigmas": 4}},
            {
                "analysis_id": "variant",
                "chart": "xmr",
                "inputs": {"value_column": "value"},
                "settings": {"two_of_three_variant": "other"},
            },
            {"analysis_id": "column", "chart": "xmr", "inputs": {"value_column": "nowhere"}},
            {"analysis_id": "bare", "chart": "xmr", "inputs": {"value_column": "events"}},
            {"analysis_id": "zero", "chart": "t", "inputs": {"y_column": "zero"}},
            {"analysis_id": "kept", "chart": "u", "inputs": {"y_column": "events", "denominator_column": "beds"}},
        ],
        ROWS.replace("value\n", "value,zero\n", 1).replace("\n2024-01-01,3,600,5.0", "\n2024-01-01,3,600,5.0,0"),
    )
    assert all("skipped" in found[name] for name in ("odd", "four", "variant", "column"))
    assert found["zero"] == {"error": "Time between events must be greater than zero"}
    assert found["bare"]["segments"][0]["centre"] == pytest.approx(21 / 6)
    assert found["bare"]["segments"][0]["limits_and_icons_shown_by_mdc_tool"] is False
    assert found["kept"]["points"]["value"][2] is None
    assert found["kept"]["segments"][0]["centre"] == pytest.approx(19 / 3020)


LENGTHS = {"shift_n": 7, "trend_n": 7, "two_of_three_variant": "wa"}


@pytest.mark.parametrize(
    ("chart", "settings", "said"),
    [
        ("rate_ratio", {"method": "Wald"}, "method 'Wald'"),
        ("rate_ratio", {"confidence": 0.9}, "'confidence'"),
        ("dispersion", {"kind": "poisson"}, "'kind'"),
        ("autocorrelation", {"lag": 2}, "'lag'"),
        ("xmr", {"precedence": "shift > trend"}, "precedence 'shift > trend'"),
        ("xmr", {"precedence": "outside_limits > trend > two_of_three > shift"}, "precedence"),
        ("xmr", {"two_of_three_variant": "nhsr_0_2_2", "precedence": "all rules reported; conflict shows improvement"},
         "precedence"),
        ("xmr", {"two_of_three_variant": "other"}, "two_of_three_variant 'other'"),
        ("xmr", {"nsigmas": 3}, "'nsigmas'"),
        ("xmr", {"shift_n": 0}, "shift_n 0"),
        ("xmr", {"shift_n": 7.5}, "shift_n 7.5"),
        ("xmr", {"trend_n": True}, "trend_n True"),
        ("xmr", {"screen_moving_ranges": "yes"}, "screen_moving_ranges 'yes'"),
        ("xmr", {"limit_constant": "3/0"}, "limit_constant '3/0'"),
        ("xmr", {"limit_constant": -1}, "limit_constant -1"),
        ("xmr", {"two_of_three_variant": []}, "two_of_three_variant []"),
        ("xmr", {"colour": "red"}, "'colour'"),
        ("xmr", [], None),
        ("xmr", ["a"], "not an object"),
        ("i", {"precedence": "outside_limits > trend > two_of_three > shift"}, "'precedence'"),
        ("i", {"limit_constant": 2.66}, "'limit_constant'"),
        ("c", {"nsigmas": 4}, "nsigmas 4"),
        ("c", {"nsigmas": 3, "screen_moving_ranges": False}, "'screen_moving_ranges'"),
        ("c", {"screen_moving_ranges": True}, "screen_moving_ranges True"),
        ("c", {**LENGTHS, "limit_constant": 2.66}, "limit_constant 2.66"),
        ("up", {**LENGTHS, "limit_constant": 2.66}, "limit_constant 2.66"),
        ("i", {**LENGTHS, "limit_constant": "3/1.128"}, None),
        ("i", {"trend_n": 6}, None),
        ("c", {"screen_moving_ranges": None}, None),
        ("xmr", {"method": None}, None),
        ("xbar.one", {"nsigmas": 3}, None),
    ],
)  # fmt: skip
def test_a_setting_that_is_not_offered_is_said_and_never_ignored(
    tmp_path: Path, chart: str, settings: Any, said: str | None
) -> None:
    inputs = {"y_column": "events", "value_column": "events", "denominator_column": "beds" if chart == "up" else None}
    result = case(tmp_path, [{"analysis_id": "a", "chart": chart, "inputs": inputs, "settings": settings}], ROWS)["a"]
    if said is None:
        assert result.keys() & {"points", "ratio_after_over_before"}
    else:
        assert list(result) == ["skipped"]
        assert said in result["skipped"]


def test_people_may_ask_for_a_line_an_analysis(tmp_path: Path) -> None:
    case(tmp_path, [{"analysis_id": "a", "chart": "xmr", "inputs": {"value_column": "events"}}], ROWS)
    said = CliRunner().invoke(app, ["spc", "case", str(tmp_path / "own.json"), "--text"])
    assert (said.exit_code, said.stdout) == (
        0,
        "a: segments 1, centre 3.5, variation_icon common_cause, assurance_type None\n",
    )
    both = CliRunner().invoke(app, ["spc", "case", str(tmp_path / "own.json"), "--text", "--json"])
    assert both.exit_code == 1


def test_a_rebase_between_two_periods_takes_the_next_one(tmp_path: Path) -> None:
    inputs = {"value_column": "events", "rebase_dates": ["2024-03-15"]}
    found = case(tmp_path, [{"analysis_id": "a", "chart": "xmr", "inputs": inputs}], ROWS)["a"]
    assert [s["first_period"] for s in found["segments"]] == ["2024-01-01", "2024-04-01"]


def one(tmp_path: Path, chart: str, inputs: Any, rows: str) -> dict[str, Any]:
    found: dict[str, Any] = case(tmp_path, [{"analysis_id": "a", "chart": chart, "inputs": inputs}], rows)["a"]
    return found


@pytest.mark.parametrize(
    ("chart", "changes", "rows", "said"),
    [
        ("u", {}, "2024-01-01,three,10\n", {"skipped": "'three' is not a number"}),
        ("u", {}, "2024-01-01,inf,10\n", {"skipped": "'inf' is not a number"}),
        ("u", {"y_column": "falls"}, "2024-01-01,3,10\n", {"skipped": "the case has no column 'falls'"}),
        ("u", {}, "", {"error": "There is no point to draw"}),
        ("u", {}, "2024-01-01,-3,10\n", {"error": "A chart 'u' is of counts or of times between: none is below 0"}),
        ("u", {}, "2024-01-01,3,-10\n", {"error": "A denominator is below 0"}),
        ("p", {}, "2024-01-01,3,2\n", {"error": "A chart 'p' is of shares: a numerator is above its denominator"}),
        ("u", {"multiplier": [1]}, "2024-01-01,3,10\n", {"error": "multiplier [1] is not a number above 0"}),
        ("u", {"part_after_n_points": "x"}, "2024-01-01,3,10\n",
         {"error": "part_after_n_points 'x' is not a whole number from 1"}),
        ("u", {"rebase_dates": ["soon"]}, "2024-01-01,3,10\n", {"error": "rebase_dates 'soon' is not a day"}),
        ("xmr", {"target": "low"}, "2024-01-01,3,10\n", {"error": "target 'low' is not a number"}),
        ("rate_ratio", {"before_events": 1.5}, "",
         {"error": "before_events is a whole number and before_exposure a number, both from 0"}),
        ("rate_ratio", {"confidence": 2}, "", {"error": "confidence 2.0 is not below 1"}),
        ("rate_ratio", {"before_events": 1e300}, "", {"error": "The figures are too large to compute with"}),
    ],
)  # fmt: skip
def test_what_cannot_be_computed_is_said_of_the_analysis(
    tmp_path: Path, chart: str, changes: dict[str, Any], rows: str, said: dict[str, str]
) -> None:
    inputs = {
        "y_column": "events", "value_column": "events", "denominator_column": "beds", "before_events": 1,
        "before_exposure": 10, "after_events": 1, "after_exposure": 10, **changes,
    }  # fmt: skip
    assert one(tmp_path, chart, inputs, f"day,events,beds\n{rows}") == said


@pytest.mark.parametrize("chart", ["xmr", "i", "c", "u", "up", "p", "pp", "g"])
@pytest.mark.parametrize(
    "rows", ["2024-01-01,3,0\n", "2024-01-01,3,0\n2024-02-01,0,0\n2024-03-01,nan,0\n", "2024-01-01\n"]
)
def test_no_denominator_or_one_point_is_drawn_without_limits_that_nobody_knows(
    tmp_path: Path, chart: str, rows: str
) -> None:
    inputs = {"y_column": "events", "value_column": "events", "denominator_column": "beds"}
    found = one(tmp_path, chart, inputs, f"day,events,beds\n{rows}")
    assert len(found["points"]["value"]) == rows.count("\n")
    if chart in ("u", "up", "p", "pp"):
        assert set(found["points"]["value"]) == {None}
        assert set(found["points"]["upper"]) == {None}


@pytest.mark.parametrize(
    ("text", "csv", "said"),
    [
        ("[]", b"", "is not a case: it is no object"),
        ('{"analyses": [5]}', b"", "analyses is no list of objects"),
        ('{"input": {}}', b"", "'analyses' is missing"),
        ("[" * 100_000, b"", "is not a case"),
        (
            '{"analyses": [{"chart": "i", "inputs": {"y_column": "a"}}]}',
            None,
            "own.csv, which should have the column 'a'",
        ),
        ('{"analyses": []}', b"a\n\xff\n", "own.csv is not a CSV in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(
    tmp_path: Path, text: str, csv: bytes | None, said: str
) -> None:
    file = tmp_path / "own.json"
    file.write_text(text)
    if csv is not None:
        (tmp_path / "own.csv").write_bytes(csv)
    answered = CliRunner().invoke(app, ["spc", "case", str(file)])
    assert (answered.exit_code, type(answered.exception)) == (1, StackError)
    assert said in str(answered.exception)
    assert "\n" not in str(answered.exception)
