"""The strength of an action: what its wording suggests, and why."""

import pytest

from services.actions.strength.hierarchy import counts_as, shipped
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


def test_a_grade_above_weak_wording_counts_as_weaker_until_there_is_a_reason() -> None:
    assert [counts_as("Staff reminded", grade, None) for grade in Strength] == [Strength.WEAKER] * len(Strength)
    for grade in Strength:
        assert counts_as("Staff reminded", grade, "The chart now blocks it.") is grade
        assert counts_as("The chart blocks it", grade, None) is counts_as("Something else", grade, None) is grade
