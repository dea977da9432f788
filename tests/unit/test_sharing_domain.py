"""The rules of sharing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.review.sharing import policy
from services.review.sharing.domain import (
    Audience,
    BriefingDraft,
    Expected,
    Group,
    Sign,
    draw,
    identifying,
    location_understood,
    problems,
    read_draft,
)


def briefing(summary: str, **more: object) -> BriefingDraft:
    return read_draft(
        {
            "summary": summary, "what_changes": "One chart.", "question": "How many?", "options": ["One", "Two"],
            "correct": 0, **more,
        }
    )  # fmt: skip


@given(st.text(min_size=1), st.integers(1, 10), st.integers(0, 30))
def test_the_draw_is_reproducible_and_asks_each_once_before_one_again(seed: str, pool: int, round_: int) -> None:
    asked = [draw(seed, pool, round_ * pool + attempt) for attempt in range(pool)]
    assert sorted(asked) == list(range(pool))
    assert asked == [draw(seed, pool, attempt) for attempt in range(pool)]


def test_people_draw_different_questions() -> None:
    assert {draw(f"briefing:{person}", 5, 0) for person in range(60)} == set(range(5))


@pytest.mark.parametrize(
    ("text", "sign", "quote"),
    [
        ("A dose for JD was doubled", Sign.INITIALS, "JD"),
        ("A dose for J.D. was doubled", Sign.INITIALS, "J.D."),
        ("Mrs Example had two charts", Sign.NAME, "Mrs Example"),
        ("Nurse Okafor was alone", Sign.NAME, "Nurse Okafor"),
        ("P2 was moved", Sign.REFERENCE, "P2"),
        ("His chart was old", Sign.GENDER, "His"),
        ("On 3rd March", Sign.DATE, "3rd March"),
        ("On 03/04/2026", Sign.DATE, "03/04/2026"),
        ("In room 12", Sign.PLACE, "room 12"),
        ("It was at larch house", Sign.PLACE, "Larch House"),
        ("Doreen had two charts", Sign.FIRST_NAME, "Doreen"),
        ("The chart of Doreen's was old", Sign.FIRST_NAME, "Doreen"),
        ("A dose for Rose was doubled", Sign.FIRST_NAME, "Rose"),
    ],
)
def test_what_may_tell_who_it_was_is_pointed_at(text: str, sign: Sign, quote: str) -> None:
    assert identifying(briefing(text), "Larch House") == [("summary", sign, quote)]
    named = [field for field, _, _ in problems(briefing(text), 1)]
    assert named == (["summary"] if sign.names_somebody else []), "only a name keeps it from being sent"


def test_a_first_name_behind_a_title_is_pointed_at_once_as_the_name_that_it_is() -> None:
    assert [(sign, quote) for _, sign, quote in identifying(briefing("Nurse Ruth told Priya"))] == [
        (Sign.NAME, "Nurse Ruth"),
        (Sign.FIRST_NAME, "Priya"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "A resident was given a dose twice after a hospital stay.",
        "Ask the GP and check the MAR chart at 8 PM; PRN medicines too.",
        "The CD book, the BP and the UK guidance on PEG feeds.",
        "Will it hold? Rose hip syrup is no medicine. Mark each box. Grace is needed in May: patience too.",
        "Use NHS 111. Miss a dose and tell somebody. Dr and nurse agree.",
    ],
)
def test_ordinary_words_of_the_field_are_nobody(text: str) -> None:
    assert identifying(briefing(text)) == []


def test_every_text_that_leaves_is_looked_at() -> None:
    other = {"question": "Of JD?", "options": ["Of KL", "No"], "correct": 1, "explanation": "For MN."}
    draft = briefing("Plain", what_changes="AW", for_whom="EF", explanation="XY", more_questions=[other])
    assert {field for field, _, _ in identifying(draft)} == {
        "what_changes", "for_whom", "explanation", "more_questions.0.question", "more_questions.0.options",
        "more_questions.0.explanation",
    }  # fmt: skip
    assert identifying(briefing("Plain DN", abbreviations=["DN"])) == []


def test_a_briefing_shares_learning_that_is_there() -> None:
    assert [field for field, _, _ in problems(briefing("Plain", learning=[0, 2]), 2)] == ["learning"]
    assert list(problems(briefing("Plain", learning=[0, 1]), 2)) == []


groups = st.frozensets(st.sampled_from(list(Group)))
people = st.lists(st.builds(Expected, understood=st.booleans(), groups=groups), max_size=8)


@given(people, groups, st.none() | st.integers(1, 100))
def test_a_location_counts_when_enough_of_those_who_were_not_there_understood(
    team: list[Expected], wanted: frozenset[Group], percent: int | None
) -> None:
    rule = Audience(groups=sorted(wanted), people_percent=percent)
    assert not location_understood(False, team, rule)
    counts = location_understood(True, team, rule)
    everybody = [Expected(True, one.groups) for one in team]
    assert location_understood(True, everybody, rule)
    if counts:
        for group in wanted:
            there = [one for one in team if group in one.groups]
            assert not there or any(one.understood for one in there)
        if percent is not None and team:
            assert sum(one.understood for one in team) * 100 >= percent * len(team)


def test_the_shipped_policy_asks_again_where_it_could_have_been_worse() -> None:
    shipped = policy.shipped()
    assert "low" not in shipped.recall.bands
    assert shipped.recall.after_days == 28
