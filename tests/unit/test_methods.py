"""The templates of the methods."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.taxonomy import Category, ReviewMethod
from services.review.methods import template
from services.review.methods.domain import differences

GOOD = """
title: A good one
purpose: To be read
outputs: [why]
stages:
  - {id: first, title: First, questions: [{id: one, text: "What is it?"}]}
"""


@pytest.mark.parametrize("method", ReviewMethod)
def test_every_method_has_a_form(method: ReviewMethod) -> None:
    form = template.newest(method)
    for category in Category:
        ids = {question.id for question in form.questions_for(category)}
        assert {"why_it_mattered", "local_or_wider"} <= ids, (method, category)


@pytest.mark.parametrize("method", ["after_action_review", "mdt_review", "structured_review", "in_depth_investigation"])
def test_what_is_more_than_a_huddle_asks_practical_questions(method: str) -> None:
    ids = {question.id for question in template.newest(method).questions_for(Category.OTHER)}
    practical = "plan_clear communication escalation training staffing surroundings records assumptions"
    assert set(practical.split()) <= ids


def test_an_after_action_review_asks_its_four_questions_first() -> None:
    [first, *_] = template.newest("after_action_review").stages
    assert [question.id for question in first.questions] == ["expected", "happened", "difference", "learned"]


def test_questions_depend_on_the_category() -> None:
    form = template.newest("structured_review")
    distress = {question.id for question in form.questions_for(Category.BEHAVIOUR_DISTRESS)}
    choking = {question.id for question in form.questions_for(Category.CHOKING)}
    assert {"hot_debrief", "structured_debrief", "staff_welfare", "own_account", "restriction_after"} <= distress
    assert "advice_reached" in choking - distress
    assert "hot_debrief" not in choking
    assert "restraint" not in {stage.id for stage in form.stages_for(Category.CHOKING)}


def test_the_newest_version_is_the_highest_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2, 10):
        (tmp_path / f"good-{number}.yaml").write_text(GOOD)
    monkeypatch.setattr(template, "shipped", lambda: template.load(tmp_path))
    assert template.newest("good").name == "good-10"


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("good.yaml", "", "", "called by its method and version"),
        ("good-1.yaml", "title: A good one", "titel: A good one", "titel"),
        ("good-1.yaml", "outputs: [why]", "outputs: [whim]", "outputs"),
        ("good-1.yaml", "stages:", "then: [nothing-1]\nstages:", "no such stages: nothing-1"),
        ("good-1.yaml", 'it?"}', 'it?"}, {id: one, text: "Again?"}', "two questions are called one"),
        ("good-1.yaml", 'it?"}', 'it?", categories: [dragon]}', "categories"),
        ("good-1.yaml", "title: A good one", "title: [", "good-1.yaml"),
    ],
)
def test_a_form_that_cannot_work_is_refused(tmp_path: Path, name: str, old: str, new: str, said: str) -> None:
    (tmp_path / "good-1.yaml").write_text(GOOD)
    assert list(template.load(tmp_path)) == ["good-1"]
    (tmp_path / "good-1.yaml").unlink()
    (tmp_path / name).write_text(GOOD.replace(old, new, 1) if old else GOOD)
    with pytest.raises(ValueError, match=said) as refused:
        template.load(tmp_path)
    assert name in str(refused.value)


CONTENT = st.recursive(
    st.none() | st.text(max_size=3) | st.integers(0, 3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


@given(before=st.dictionaries(st.sampled_from("xyz"), CONTENT), after=st.dictionaries(st.sampled_from("xyz"), CONTENT))
def test_differences_are_the_same_both_ways(before: dict[str, object], after: dict[str, object]) -> None:
    there, back = differences(before, after), differences(after, before)
    assert differences(before, before) == []
    assert [(d.field, d.before, d.after) for d in there] == [(d.field, d.after, d.before) for d in back]
    assert all(d.before != d.after for d in there)
