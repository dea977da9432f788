"""The rules of review: which depth is proportionate, when a review is complete, when a briefing has reached enough."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.taxonomy import Band, Category, Kind, PhysicalHarm, ReviewMethod, Role, Seips
from services.review import policy
from services.review.context.domain import Situation
from services.review.domain import (
    APPROVERS,
    REVIEWERS,
    Audience,
    BriefingDraft,
    Draft,
    Factor,
    Learning,
    Need,
    actions_needed,
    briefing_needed,
    gaps,
)
from services.review.sharing.domain import is_reached, reach_percent

INCIDENTS = st.tuples(
    st.sampled_from(Kind), st.sampled_from(Category), st.sampled_from(Band), st.sampled_from(PhysicalHarm)
)
NEEDS = st.sampled_from(Need)

BRIEFING = BriefingDraft(
    summary="A dose was given twice.",
    what_changes="One chart for each person.",
    question="How many charts does a person have?",
    options=["One", "Two"],
    correct=0,
)
COMPLETE = Draft(
    what_happened="A dose was given twice.",
    why="Two charts were in use.",
    factors=[Factor(Seips.TOOLS, "Two charts")],
    learning=[Learning("One chart prevents double doses", answers_factor=0)],
    only_person_reason=None,
    no_actions_reason=None,
    no_briefing_reason=None,
    briefing=BRIEFING,
)


def missing(draft: Draft, actions: Need = Need.UNLESS_EXPLAINED, briefing: Need = Need.UNLESS_EXPLAINED) -> list[str]:
    return [gap.field for gap in gaps(draft, actions=actions, briefing=briefing)]


@pytest.mark.parametrize(
    ("kind", "band", "harm", "method", "days", "approval", "audience"),
    [
        (Kind.NEAR_MISS, Band.LOW, PhysicalHarm.NONE, ReviewMethod.HUDDLE, 5, Role.QUALITY_LEAD, Audience.OWN_LOCATION),
        (Kind.GOOD_CARE, Band.MODERATE, PhysicalHarm.NONE, ReviewMethod.HUDDLE, 5, Role.QUALITY_LEAD, Audience.OWN_LOCATION),
        (Kind.NEAR_MISS, Band.HIGH, PhysicalHarm.NONE, ReviewMethod.STRUCTURED, 30, Role.QUALITY_LEAD, Audience.REGION),
        (Kind.INCIDENT, Band.LOW, PhysicalHarm.LOW, ReviewMethod.BRIEF, 5, Role.QUALITY_LEAD, Audience.REGION),
        (Kind.INCIDENT, Band.MODERATE, PhysicalHarm.LOW, ReviewMethod.AFTER_ACTION, 20, Role.QUALITY_LEAD, Audience.REGION),
        (Kind.INCIDENT, Band.HIGH, PhysicalHarm.SEVERE, ReviewMethod.STRUCTURED, 30, Role.QUALITY_LEAD, Audience.REGION),
        (Kind.INCIDENT, Band.EXTREME, PhysicalHarm.LOW, ReviewMethod.INVESTIGATION, 60, Role.DIRECTOR, Audience.PROVIDER),
        (Kind.NEAR_MISS, Band.LOW, PhysicalHarm.FATAL, ReviewMethod.INVESTIGATION, 60, Role.DIRECTOR, Audience.PROVIDER),
    ],
)  # fmt: skip
def test_the_shipped_policy_is_proportionate(
    kind: Kind, band: Band, harm: PhysicalHarm, method: ReviewMethod, days: int, approval: Role, audience: Audience
) -> None:
    response = policy.shipped().choose(Situation(kind, Category.MEDICATION, band, harm))
    assert (response.method, response.working_days, response.approval_role, response.briefing_audience) == (
        method, days, approval, audience,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("situation", "rule"),
    [
        (Situation(Kind.INCIDENT, Category.PRESSURE_DAMAGE, Band.EXTREME, PhysicalHarm.SEVERE), "pressure-damage"),
        (Situation(Kind.INCIDENT, Category.PRESSURE_DAMAGE, Band.LOW, PhysicalHarm.LOW), "otherwise"),
        (Situation(Kind.INCIDENT, Category.FALL, Band.MODERATE, PhysicalHarm.LOW, repeats_of_person=2), "recurrent-falls"),
        (Situation(Kind.INCIDENT, Category.FALL, Band.MODERATE, PhysicalHarm.LOW, repeats_at_location=2), "moderate-risk"),
        (Situation(Kind.INCIDENT, Category.FALL, Band.HIGH, PhysicalHarm.LOW, repeats_of_person=2), "high-risk"),
        (
            Situation(Kind.INCIDENT, Category.PRESSURE_DAMAGE, Band.HIGH, PhysicalHarm.SEVERE, safeguarding=True),
            "severe-harm",
        ),
    ],
)  # fmt: skip
def test_several_professions_look_at_what_one_alone_does_not_see(situation: Situation, rule: str) -> None:
    response = policy.shipped().choose(situation)
    assert response.rule == rule
    assert (response.method is ReviewMethod.MDT) is (rule in ("pressure-damage", "recurrent-falls"))


def test_every_method_of_the_menu_is_chosen_by_some_rule_and_the_thematic_one_by_themes() -> None:
    assert {rule.response.method for rule in policy.shipped().rules} == set(ReviewMethod) - {ReviewMethod.THEMATIC}


@given(INCIDENTS)
def test_every_incident_has_a_response_that_people_can_give(incident: Any) -> None:
    response = policy.shipped().choose(Situation(*incident))
    assert response.lead_role in REVIEWERS
    assert response.approval_role in APPROVERS
    _, _, band, harm = incident
    if band.urgent or harm is PhysicalHarm.FATAL:
        assert (response.actions_need, response.briefing_need) == (Need.REQUIRED, Need.REQUIRED)


DEFAULT = Path(policy.__file__).parent / "policies" / "default.yaml"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["rules"].pop(), "last rule"),
        (lambda d: d["rules"].insert(0, d["rules"][-1]), "unreachable"),
        (lambda d: d["rules"][0].update(id="otherwise"), "same id"),
        (lambda d: d["rules"][0].update(lead_role="carer"), "lead_role"),
        (lambda d: d["rules"][0].update(approval_role="shift_lead"), "approval_role"),
        (lambda d: d["rules"][0].update(working_days=0), "working_days"),
        (lambda d: d["rules"][0].update(method="chat"), "method"),
        (lambda d: d["rules"][0].update(surprise=1), "surprise"),
        (lambda d: d["rules"][0]["when"].update(kind=[]), "when.kind"),
        (lambda d: d["rules"][0]["briefing"].update(reach_percent=101), "reach_percent"),
        (lambda d: d["rules"][0].update(actions="unless_explained"), "rule death"),
        (lambda d: d["rules"][7]["briefing"].update(need="not_required"), "rule high-risk"),
        (lambda d: d["rules"].pop(7), "must be required"),
        (lambda d: d.update(rules=[]), "last rule"),
        (lambda d: d.pop("version"), "version"),
    ],
)
def test_a_policy_that_cannot_work_is_refused(tmp_path: Path, change: Any, said: str) -> None:
    document = yaml.safe_load(DEFAULT.read_text())
    change(document)
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(ValueError, match=said):
        policy.load(path)


def test_a_provider_s_own_policy_may_go_by_what_happened_in_all_its_services(tmp_path: Path) -> None:
    document = yaml.safe_load(DEFAULT.read_text())
    rule = {**document["rules"][-1], "id": "series", "when": {"repeats_at_provider": 2}, "method": "mdt_review"}
    document["rules"].insert(-1, rule)
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(document))
    situation = Situation(Kind.INCIDENT, Category.MEDICATION, Band.LOW, PhysicalHarm.LOW)
    rules = [policy.load(path).choose(replace(situation, repeats_at_provider=n)).rule for n in (1, 2, 3)]
    assert rules == ["otherwise", "series", "series"]


@given(NEEDS, NEEDS)
def test_a_full_draft_is_complete_whatever_the_policy_asks(actions: Need, briefing: Need) -> None:
    assert missing(COMPLETE, actions, briefing) == []


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"what_happened": None, "why": None}, ["what_happened", "why"]),
        ({"factors": [], "learning": []}, ["factors", "learning"]),
        ({"factors": [Factor(Seips.TASKS, None)]}, ["factors.0.description"]),
        ({"factors": [Factor(Seips.PERSON, "Hurried")]}, ["only_person_reason"]),
        ({"factors": [Factor(Seips.PERSON, "Hurried")], "only_person_reason": "We looked."}, []),
        ({"factors": [Factor(Seips.PERSON, "Hurried"), Factor(Seips.TASKS, "Two rounds")]}, []),
        ({"learning": [Learning("One chart", answers_factor=1)]}, ["learning.0.answers_factor"]),
        ({"learning": [Learning("One chart", answers_factor=None)]}, []),
        ({"briefing": None}, ["briefing"]),
        ({"briefing": None, "no_briefing_reason": "Known everywhere."}, []),
        ({"no_briefing_reason": "Known everywhere."}, ["no_briefing_reason"]),
        ({"no_actions_reason": "Done on the day."}, []),
        (
            {"briefing": BriefingDraft(None, None, None, [], None)},
            ["briefing.summary", "briefing.what_changes", "briefing.question", "briefing.options", "briefing.correct"],
        ),
        ({"briefing": replace(BRIEFING, options=["One", "One"])}, ["briefing.options"]),
        ({"briefing": replace(BRIEFING, options=["One"])}, ["briefing.options"]),
        ({"briefing": replace(BRIEFING, correct=2)}, ["briefing.correct"]),
    ],
)
def test_gaps_name_the_field(change: dict[str, Any], fields: list[str]) -> None:
    assert missing(replace(COMPLETE, **change)) == fields


def test_a_required_need_cannot_be_explained_away() -> None:
    draft = replace(COMPLETE, no_actions_reason="Done.", no_briefing_reason="Known.", briefing=None)
    assert missing(draft, Need.REQUIRED, Need.REQUIRED) == ["no_actions_reason", "no_briefing_reason", "briefing"]


def test_where_no_briefing_is_required_one_may_be_written() -> None:
    assert missing(replace(COMPLETE, briefing=None), Need.NOT_REQUIRED, Need.NOT_REQUIRED) == []
    assert missing(COMPLETE, Need.NOT_REQUIRED, Need.NOT_REQUIRED) == []
    assert briefing_needed(COMPLETE)


@given(NEEDS, NEEDS, st.booleans(), st.booleans(), st.booleans())
def test_what_must_follow_is_decided_by_policy_and_content(
    actions: Need, briefing: Need, no_actions: bool, no_briefing: bool, written: bool
) -> None:
    draft = replace(
        COMPLETE,
        no_actions_reason="Done." if no_actions else None,
        no_briefing_reason="Known." if no_briefing else None,
        briefing=BRIEFING if written else None,
    )
    if missing(draft, actions, briefing):
        return
    if actions is Need.REQUIRED:
        assert actions_needed(draft, actions)
    if actions is Need.NOT_REQUIRED:
        assert not actions_needed(draft, actions)
    if actions is Need.UNLESS_EXPLAINED:
        assert actions_needed(draft, actions) is not no_actions
    if briefing is Need.REQUIRED:
        assert briefing_needed(draft)
    assert briefing_needed(draft) is written


@given(st.integers(1, 2000), st.integers(1, 100))
def test_reach_is_met_once_and_for_all_as_locations_understand(audience: int, target: int) -> None:
    met = [is_reached(understood, audience, target) for understood in range(audience + 1)]
    assert met == sorted(met)
    assert (met[0], met[-1]) == (False, True)
    first = met.index(True)
    assert reach_percent(first - 1, audience) < target
    assert 0 <= reach_percent(first, audience) <= 100
    assert first * 100 >= target * audience > (first - 1) * 100
