"""The strength of an action: what its wording suggests, and why."""

import pytest

from services.actions.strength.hierarchy import overrated, shipped
from services.contracts.taxonomy import Strength

EXAMPLES = [(strength, example) for strength, level in shipped().levels.items() for example in level.examples]


@pytest.mark.parametrize(("strength", "example"), EXAMPLES)
def test_the_examples_that_people_read_are_graded_as_they_stand(strength: Strength, example: str) -> None:
    suggested = shipped().suggest(example)
    assert suggested is not None
    assert suggested.strength is strength
    assert all(repr(word) in suggested.because for word in suggested.words)


@pytest.mark.parametrize(
    ("wording", "strength"),
    [
        ("Staff retrained in the use of the checklist", Strength.WEAKER),
        ("Training replaced by a dose limit that the pump forces", Strength.STRONGER),
        ("Competence observed every six months in supervision", Strength.INTERMEDIATE),
        ("Overdue supervision blocks lone morning duty", Strength.STRONGER),
        ("Dysphagia training for kitchen and agency staff", Strength.WEAKER),
        ("REMIND everybody", Strength.WEAKER),
        ("A constraint on terrain", None),
        ("Something else", None),
    ],
)
def test_weak_words_beside_no_strong_one_make_it_weak(wording: str, strength: Strength | None) -> None:
    suggested = shipped().suggest(wording)
    assert (None if suggested is None else suggested.strength) is strength


def test_a_grade_above_weak_wording_is_overrated() -> None:
    weak, strong = shipped().suggest("Staff reminded"), shipped().suggest("The chart blocks it")
    assert [overrated(grade, weak) for grade in Strength] == [False, True, True]
    assert not any(overrated(grade, one) for grade in Strength for one in (strong, None))
