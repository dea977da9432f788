"""The rules of a review's records and of answers to findings."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.review.domain import Participant
from services.review.findings.domain import named, not_pointed_out, unanswered
from services.review.gate import Finding, Weakness
from services.review.methods import template
from services.review.records.domain import (
    STANDARDS,
    Approach,
    Contributed,
    Involvement,
    Kept,
    Mark,
    Outcome,
    Record,
    Who,
    measured,
    missing,
    not_taken_part,
    since_previous,
)

CONTRIBUTED = st.lists(st.builds(Contributed, st.sampled_from(Participant), st.sampled_from(Outcome)), max_size=6)
INVOLVED = st.lists(
    st.builds(Involvement, st.sampled_from(Who), st.sampled_from(Approach), st.booleans()), max_size=4
)  # fmt: skip
NOTHING = Kept(terms=False, timeline=0, involved=(), contributed=())


@given(asked=st.lists(st.sampled_from(Participant), unique=True), contributed=CONTRIBUTED, involved=INVOLVED)
def test_being_asked_is_not_taking_part(
    asked: list[Participant], contributed: list[Contributed], involved: list[Involvement]
) -> None:
    kept = Kept(terms=False, timeline=0, involved=involved, contributed=contributed)
    named_parts = {gap.field for gap in not_taken_part(asked, kept, ())}
    for part in asked:
        outcomes = {one.outcome for one in contributed if one.part is part}
        settled = bool(outcomes - {Outcome.ASKED})
        if part is not Participant.PERSON_OR_FAMILY:
            assert (f"take_part.{part}" not in named_parts) == settled
        elif settled:
            assert f"take_part.{part}" not in named_parts
    assert named_parts <= {f"take_part.{part}" for part in asked}


def test_the_family_has_taken_part_once_it_spoke_or_said_no() -> None:
    def left(*involved: Involvement) -> int:
        kept = Kept(terms=False, timeline=0, involved=involved, contributed=())
        return len(list(not_taken_part([Participant.PERSON_OR_FAMILY], kept, ())))

    assert left(Involvement(Who.PERSON, Approach.ASKED, spoke=True)) == 0
    assert left(Involvement(Who.FAMILY, Approach.DECLINED, spoke=False)) == 0
    assert left(Involvement(Who.ADVOCATE, Approach.UNAVAILABLE, spoke=False)) == 0
    assert left(Involvement(Who.PERSON, Approach.ASKED, spoke=False)) == 1
    assert left(Involvement(Who.PERSON, Approach.NOT_ASKED, spoke=True)) == 1
    assert left(Involvement(Who.STAFF, Approach.ASKED, spoke=True)) == 1


def test_a_writer_takes_part_by_writing_and_staff_do_not() -> None:
    roles = {"registered_manager", "carer"}
    asked = [Participant.MANAGER, Participant.STAFF]
    assert [gap.field for gap in not_taken_part(asked, NOTHING, roles)] == ["take_part.staff_involved"]


@given(st.sets(st.sampled_from(Record)))
def test_nothing_kept_lacks_exactly_what_is_needed(needed: set[Record]) -> None:
    ordered = [one for one in Record if one in needed]
    assert [gap.field for gap in missing(ordered, NOTHING)] == [f"records.{one}" for one in ordered]
    full = Kept(
        terms=True, timeline=2, involved=[Involvement(Who.PERSON, Approach.NOT_ASKED, spoke=False)],
        contributed=[Contributed(Participant.STAFF, Outcome.DECLINED)],
    )  # fmt: skip
    assert list(missing(ordered, full)) == []


def test_a_huddle_needs_no_records_and_an_investigation_all() -> None:
    assert list(template.newest("swarm_huddle").records) == []
    assert set(template.newest("in_depth_investigation").records) == set(Record)
    # Reviews that began under the first version go on under it.
    assert template.shipped()["in_depth_investigation-1"].records == []


@given(st.lists(st.integers(0, 10_000)))
def test_gaps_add_up_to_the_whole(minutes: list[int]) -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    times = sorted(start + timedelta(minutes=one) for one in minutes)
    gaps = since_previous(times)
    assert len(gaps) == len(times)
    assert sum((gap for gap in gaps if gap), timedelta()) == (times[-1] - times[0] if times else timedelta())


@given(st.lists(st.tuples(st.sampled_from(Mark), st.integers(0, 10_000))), st.none() | st.integers(0, 100))
def test_only_what_has_a_beginning_is_measured(marks: list[tuple[Mark, int]], happened: int | None) -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    at = [(mark, start + timedelta(minutes=minutes)) for mark, minutes in marks]
    began = None if happened is None else start + timedelta(minutes=happened)
    found = {one.mark: one for one in measured(at, began)}
    entered = {mark for mark, _ in marks}
    assert found.keys() == {
        mark for mark in entered & STANDARDS.keys()
        if (STANDARDS[mark].since in entered if STANDARDS[mark].since else began is not None)
    }  # fmt: skip
    for mark, one in found.items():
        assert one.at == min(when for other, when in at if other is mark)
        assert (one.kept is None) == (STANDARDS[mark].within is None)


def test_the_welfare_of_staff_is_within_72_hours_and_advice_in_the_plan_within_a_day() -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)

    def kept(mark: Mark, hours: int) -> bool | None:
        marks = [(Mark.ADVICE_GIVEN, start), (mark, start + timedelta(hours=hours))]
        [one] = [one for one in measured(marks, start) if one.mark is mark]
        return one.kept

    assert [kept(Mark.STAFF_WELFARE, hours) for hours in (72, 73)] == [True, False]
    assert [kept(Mark.HOT_DEBRIEF, hours) for hours in (1, 2)] == [True, False]
    assert [kept(Mark.ADVICE_IN_PLAN, hours) for hours in (24, 25)] == [True, False]
    assert kept(Mark.STRUCTURED_DEBRIEF, 500) is None


FINDINGS = st.lists(
    st.builds(
        Finding, st.sampled_from(Weakness), st.sampled_from(["why", "learning"]), st.text(max_size=5),
        st.just("m"), st.just("r"),
    )
)  # fmt: skip


@given(FINDINGS)
def test_every_finding_has_a_name_of_its_own(findings: list[Finding]) -> None:
    names = named(findings)
    assert list(names.values()) == findings
    assert named(findings) == names
    assert {gap.field for gap in unanswered(list(names), ())} == set(names)
    assert list(unanswered(list(names), names)) == []
    assert list(not_pointed_out([list(names)], names)) == []
    assert len(list(not_pointed_out([["nothing"]], names))) == 1
