"""A draft policy over past incidents: what would have changed, and what became of those reviewed less."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from deploy.local.cli import app
from services.contracts.taxonomy import Band, Category, Kind, PhysicalHarm, ReviewMethod, Verdict
from services.review import policy
from services.review.backtest.domain import Past, backtest
from services.review.backtest.facts import read
from services.review.context.domain import Situation

SHIPPED = Path(policy.__file__).parent / "policies" / "default.yaml"
LIGHTER = SHIPPED.read_text().replace("version: default-3", "version: own-1")
LIGHTER = LIGHTER.replace("method: after_action_review", "method: brief_fact_review", 1)
MODERATE = {"kind": "incident", "category": "fall", "band": "moderate", "actual_harm": "low"}
FACTS = [
    {"incident": "b", **MODERATE},
    {"incident": "c", **MODERATE, "verdict": "worse"},
    {"incident": "a", **MODERATE, "band": "low"},
    {"incident": "d", **MODERATE, "safeguarding": True, "repeats_after": 1},
]
PAST = st.builds(
    Past,
    incident=st.uuids().map(str),
    situation=st.builds(
        Situation, st.sampled_from(Kind), st.sampled_from(Category), st.sampled_from(Band),
        st.sampled_from(PhysicalHarm), repeats_at_location=st.integers(0, 10), safeguarding=st.booleans(),
    ),
    repeats_after=st.integers(0, 3),
    verdict=st.none() | st.sampled_from(Verdict),
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.lists(PAST, max_size=10))
def test_the_shipped_policy_against_itself_changes_nothing(past: list[Past]) -> None:
    found = backtest(past, policy.shipped(), policy.shipped())
    assert (found.incidents, found.changed, found.deeper, list(found.reviewed_less)) == (len(past), 0, 0, [])
    assert found.hours_before == found.hours_after
    lighter = replace(policy.shipped(), rules=policy.shipped().rules[-1:])
    assert backtest(past, policy.shipped(), lighter) == backtest(past[::-1], policy.shipped(), lighter)


def run(tmp_path: Path, draft: str, facts: str, *more: str) -> tuple[int, str]:
    (tmp_path / "draft.yaml").write_text(draft)
    (tmp_path / "facts.jsonl").write_text(facts)
    words = ["policy", "backtest", str(tmp_path / "draft.yaml"), "--facts", str(tmp_path / "facts.jsonl"), *more]
    result = CliRunner().invoke(app, words)
    return result.exit_code, result.stdout


def test_the_command_says_what_a_lighter_draft_would_have_changed(tmp_path: Path) -> None:
    lines = "\n".join(map(json.dumps, FACTS))
    code, said = run(tmp_path, LIGHTER, lines, "--json")
    assert (code, json.loads(said)) == (
        0,
        {
            "facts": str(tmp_path / "facts.jsonl"),
            "before_version": "default-3",
            "after_version": "own-1",
            "incidents": 4,
            "changed": 2,
            "deeper": 0,
            "changed_otherwise": {},
            "methods": [
                {"before": "brief_fact_review", "after": "brief_fact_review", "incidents": 1},
                {"before": "after_action_review", "after": "brief_fact_review", "incidents": 2},
                {"before": "structured_review", "after": "structured_review", "incidents": 1},
            ],
            "hours_before": 39.0,
            "hours_after": 29.0,
            "without_hours": [],
            "reviewed_less": [
                {
                    "incident": incident, "before": "after_action_review", "after": "brief_fact_review",
                    "rule_before": "moderate-risk", "rule_after": "moderate-risk", "repeats_after": 0,
                    "verdict": verdict, "reopened": False, "went_badly": verdict is not None,
                }
                for incident, verdict in (("c", "worse"), ("b", None))
            ],
        },
    )  # fmt: skip
    code, said = run(tmp_path, LIGHTER, lines)
    assert (code, "2 of 4" in said, "c: after_action_review" in said) == (0, True, True)
    code, said = run(tmp_path, SHIPPED.read_text(), lines, "--json")
    assert (code, json.loads(said)["changed"]) == (0, 0)
    code, _ = run(tmp_path, LIGHTER.replace("method: brief_fact_review", "method: chat", 1), lines)
    assert code == 1


def test_without_facts_it_is_a_made_up_year_and_says_so(tmp_path: Path) -> None:
    """More than the method may differ, and a lower tier is less."""
    (tmp_path / "draft.yaml").write_text(
        SHIPPED.read_text().replace("version: default-3", "version: own-1").replace("tier: 3", "tier: 2")
    )
    result = CliRunner().invoke(app, ["policy", "backtest", str(tmp_path / "draft.yaml"), "--json"])
    said = json.loads(result.stdout)
    assert (result.exit_code, said["facts"]) == (0, "a made-up year (seed 1, 200 services)")
    assert said["incidents"] > 10_000
    assert said["changed"] == said["deeper"] == 0
    assert 0 < said["changed_otherwise"]["tier"] == len(said["reviewed_less"]) < said["incidents"]
    assert said["reviewed_less"][0]["went_badly"] is True
    assert "mdt_review" in {one["before"] for one in said["methods"]}, "people who fall again are known there too"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2: is not JSON"),
        (json.dumps({**MODERATE, "incident": "x", "band": "Mrs Smith"}), "line 2: band"),
        (json.dumps({**MODERATE, "incident": "x", "surprise": 1}), "line 2: surprise"),
    ],
)
def test_a_bad_line_is_named_and_not_quoted(line: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        list(read(json.dumps(FACTS[0]) + "\n" + line))
    assert "Smith" not in str(caught.value)


def test_a_method_without_hours_is_named() -> None:
    bare = replace(policy.shipped(), hours={})
    past = [Past("a", Situation(Kind.INCIDENT, Category.FALL, Band.LOW, PhysicalHarm.LOW))]
    assert backtest(past, bare, bare).without_hours == [ReviewMethod.BRIEF]
