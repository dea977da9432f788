"""A policy file is refused with the line, the reason and the remedy; the shipped ones are not."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from deploy.local.cli import app
from deploy.local.policy_files import KINDS
from services.runtime import first_match
from services.runtime.policy_file import check, check_any

ROOT = Path(__file__).parents[2] / "services"
FILES = {
    "review": "review/policies/default.yaml",
    "improvement": "actions/policies/default.yaml",
    "triage": "intake/policies/default.yaml",
    "escalation": "intake/policies/escalation.yaml",
    "obligations": "intake/policies/obligations.yaml",
    "checks": "intake/policies/checks.yaml",
    "candour": "intake/policies/candour.yaml",
    "questions": "intake/policies/questions.yaml",
    "safeguarding": "intake/policies/safeguarding.yaml",
    "speak_up": "intake/policies/speak_up.yaml",
    "recurrence": "intake/policies/recurrence.yaml",
    "retention": "intake/policies/retention.yaml",
    "governance": "reporting/governance/policies/default.yaml",
    "patterns": "reporting/patterns/policies/default.yaml",
}
REVIEW = (ROOT / FILES["review"]).read_text()
TRIAGE = (ROOT / FILES["triage"]).read_text()
VALUES = {"a": frozenset({1, 2, 3}), "b": frozenset({1, 2}), "c": frozenset({1, 2, 3, 4})}


def line_of(text: str, part: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if part in line)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_shipped_policy_is_good_and_its_kind_is_told(kind: str) -> None:
    text = (ROOT / FILES[kind]).read_text()
    assert check(text, KINDS[kind]).problems == []
    told = check_any(text, list(KINDS.values()))
    assert (told.kind, told.ok) == (kind, True)


@pytest.mark.parametrize(
    ("before", "after", "line", "field", "said"),
    [
        ("    working_days: 30\n", "    working_day: 30\n", "working_day: 30", "rules.3.working_day", "not known"),
        ("method: structured_review", "method: chat", "method: chat", "rules.3.method", "not one of the values"),
        ("id: high-risk", "id: death", "", "rules.7.id", "same id"),
        ("lead_role: regional_manager", "lead_role: carer", "lead_role: carer", "rules.3.lead_role", "cannot lead"),
        ("when: {band: [moderate]}", "when: {band: [extreme]}", "id: moderate-risk", "rules.9", "unreachable"),
        ("when: {}", "when: {kind: [near_miss]}", "rules:", "rules", "no rule fits"),
        ("when: {band: [high]}", "when: {band: [moderate]}", "", "rules.11.actions", "fits serious incidents"),
        ("version: default-3", "version: Mrs Smith", "version:", "version", "not a version"),
        ("working_days: 60", "working_days: 0", "working_days: 0", "rules.0.working_days", "greater than"),
    ],
)
def test_a_bad_review_policy_is_refused_with_the_line(
    before: str, after: str, line: str, field: str, said: str
) -> None:
    text = REVIEW.replace(before, after, 1)
    assert text != REVIEW
    problems = {problem.field: problem for problem in check(text, KINDS["review"]).problems}
    assert field in problems, problems
    found = problems[field]
    assert said in found.problem
    assert found.remedy
    if line:
        assert found.line == line_of(text, line)


def test_a_rule_that_earlier_ones_cover_only_together_is_never_reached() -> None:
    rules = [{"a": frozenset({1, 2})}, {"a": frozenset({3}), "b": frozenset({1})}, {"b": frozenset({2})}]
    assert first_match.left({"a": frozenset({3})}, rules, VALUES) == []
    assert first_match.left({"a": frozenset({3})}, rules[:2], VALUES) != []


BOXES = st.dictionaries(st.sampled_from(sorted(VALUES)), st.sets(st.sampled_from([1, 2]), min_size=1).map(frozenset))


@given(BOXES, st.lists(BOXES, max_size=5))
def test_what_is_left_is_exactly_what_no_earlier_rule_fits(
    box: first_match.Box, earlier: list[first_match.Box]
) -> None:
    def fits(one: first_match.Box, point: dict[str, int]) -> bool:
        return all(point[name] in values for name, values in one.items())

    parts = first_match.left(box, earlier, VALUES)
    for a in VALUES["a"]:
        for b in VALUES["b"]:
            for c in VALUES["c"]:
                point = {"a": a, "b": b, "c": c}
                expected = fits(box, point) and not any(fits(one, point) for one in earlier)
                assert sum(fits(part, point) for part in parts) == expected


def test_a_bad_triage_policy_is_refused_with_the_line() -> None:
    text = TRIAGE.replace("up_to: 25", "up_to: 24", 1)
    (problem,) = check(text, KINDS["triage"]).problems
    assert (problem.line, problem.field) == (line_of(text, "bands:"), "bands")


def test_the_command_needs_no_stack(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(REVIEW)
    bad.write_text(REVIEW.replace("method: swarm_huddle", "method: huddle", 1))
    run = CliRunner().invoke(app, ["policy", "check", str(good), "--json"])
    assert (run.exit_code, json.loads(run.stdout)) == (
        0,
        {"ok": True, "kind": "review", "version": "default-3", "problems": []},
    )
    run = CliRunner().invoke(app, ["policy", "check", str(bad), "--json"])
    answer = json.loads(run.stdout)
    assert (run.exit_code, answer["ok"]) == (1, False)
    assert answer["problems"] == [
        {
            "line": line_of(bad.read_text(), "method: huddle"),
            "field": "rules.6.method",
            "problem": "is not one of the values",
            "remedy": "Did you mean 'swarm_huddle'?",
        }
    ]
    (tmp_path / "nothing.yaml").write_text("")
    assert CliRunner().invoke(app, ["policy", "check", str(tmp_path / "nothing.yaml")]).exit_code == 1
