"""How alike two incidents are: explained, symmetric, and no more than the grounds that hold."""

import uuid
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.taxonomy import Category, RecurrenceGround
from services.intake.recurrence import policy
from services.intake.recurrence.domain import DAY_MINUTES, Traits, alike, minutes_apart, score
from services.intake.recurrence.policy import RecurrencePolicy

RULES = policy.shipped()
HOMES = [uuid.UUID(int=n) for n in range(3)]
PEOPLE = [uuid.UUID(int=n) for n in range(10, 14)]
WORDS = ["bed", "rail", "night", "bell", "floor", "hip", "walker", "bathroom", "call", "slipper"]

traits = st.builds(
    Traits,
    category=st.sampled_from([str(one) for one in Category][:4]),
    location_id=st.sampled_from(HOMES),
    people=st.frozensets(st.sampled_from(PEOPLE), max_size=3),
    factors=st.frozensets(st.sampled_from(["equipment: hoist", "medicine_class: opioid"])),
    minute=st.integers(0, DAY_MINUTES - 1),
    words=st.frozensets(st.sampled_from(WORDS)),
)


@given(traits, traits)
def test_it_is_the_same_whichever_is_named_first(one: Traits, other: Traits) -> None:
    assert alike(one, other, RULES.likeness) == alike(other, one, RULES.likeness)


@given(traits, traits)
def test_every_ground_is_named_once_with_its_weight_and_what_matched(one: Traits, other: Traits) -> None:
    found = alike(one, other, RULES.likeness)
    assert len({ground.ground for ground in found}) == len(found)
    assert all(ground.what and ground.weight == RULES.weights[ground.ground] for ground in found)
    assert score(found) == sum(RULES.weights[ground.ground] for ground in found)
    named = {ground.ground for ground in found}
    assert (RecurrenceGround.PERSON in named) == bool(one.people & other.people)
    assert (RecurrenceGround.PLACE in named) == (one.location_id == other.location_id)
    assert (RecurrenceGround.TYPE in named) == (one.category == other.category)


@given(traits)
def test_nothing_is_more_alike_than_itself(one: Traits) -> None:
    assert score(alike(one, one, RULES.likeness)) >= RULES.weights[RecurrenceGround.TYPE]
    other = replace(one, category="other-type", location_id=uuid.uuid4())
    assert score(alike(one, other, RULES.likeness)) < score(alike(one, one, RULES.likeness))


@given(st.integers(0, DAY_MINUTES - 1), st.integers(0, DAY_MINUTES - 1))
def test_times_of_day_meet_over_midnight(one: int, other: int) -> None:
    assert minutes_apart(one, other) == minutes_apart(other, one)
    assert 0 <= minutes_apart(one, other) <= DAY_MINUTES // 2
    assert minutes_apart(23 * 60 + 50, 10) == 20


def grounds(new: Traits, old: Traits) -> set[str]:
    return {one.ground for one in alike(new, old, RULES.likeness)}


def test_the_shipped_policy_asks_about_what_a_manager_would() -> None:
    fall = Traits("fall", HOMES[0], frozenset(PEOPLE[:1]), frozenset(), 120, frozenset(WORDS[:8]))
    elsewhere = replace(fall, location_id=HOMES[1], words=frozenset({"lounge"}), minute=900)

    def asked(old: Traits) -> bool:
        return score(alike(fall, old, RULES.likeness)) >= RULES.ask_from

    assert asked(replace(fall, minute=900, words=frozenset({"lounge"}))), "the same person, type and place"
    assert not asked(replace(fall, people=frozenset(), words=frozenset({"lounge"}))), "one of many falls of the home"
    assert asked(replace(fall, people=frozenset())), "in the same words"
    assert not asked(elsewhere), "the same person and type, elsewhere and otherwise"
    assert not asked(replace(elsewhere, category="medication"))
    few = replace(fall, words=frozenset({"bed", "rail", "lounge"}))
    assert RecurrenceGround.WORDING not in grounds(fall, few), "two words in common are chance"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ask_from": 99}, "more than all weights"),
        ({"weights": {"type": 4}}, "give each of"),
        ({"asked": "carer"}, "not among those who decide"),
    ],
)
def test_a_policy_that_cannot_work_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        RecurrencePolicy.model_validate({**RULES.model_dump(mode="json"), **change})
