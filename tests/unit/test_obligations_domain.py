"""Every rule of the shipped policy: what triggers it, its boundary, its clock; and the logic of unknown facts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.taxonomy import ObligationOutcome
from services.intake.obligations import policy
from services.intake.obligations.domain import Check, Group, Limit, Rule, assess, open_facts, warn_at
from services.intake.obligations.facts import FACTS

T, S, N = ObligationOutcome.TRIGGERED, ObligationOutcome.SUGGESTED, ObligationOutcome.NOT_TRIGGERED
RULES = policy.shipped().rules
INCIDENT = {"kind": "incident", "category": "other"}
WORKER = {"work_related": True, "injured_party": "worker"}
START = datetime(2026, 6, 8, 9, 0, tzinfo=UTC)

CASES: list[tuple[str, dict[str, Any], ObligationOutcome]] = [
    ("cqc-death", {"person_died": True, "death_linked_to_services": True}, T),
    ("cqc-death", {"person_died": True, "death_linked_to_services": False}, N),
    ("cqc-death", {"person_died": True}, S),
    ("cqc-death", {}, N),
    ("cqc-detained", {"detained": True, "person_died": True}, T),
    ("cqc-detained", {"detained": True, "absent_without_leave": True}, T),
    ("cqc-detained", {"detained": True, "absent_without_leave": False, "person_died": False}, N),
    ("cqc-detained", {"absent_without_leave": True}, S),
    ("cqc-serious-injury", {"serious_injury_test": "yes"}, T),
    ("cqc-serious-injury", {"serious_injury_test": "no", "actual_harm": "severe"}, N),
    ("cqc-serious-injury", {"serious_injury_test": "not_yet_known"}, S),
    ("cqc-serious-injury", {"actual_harm": "severe"}, S),
    ("cqc-serious-injury", {"psychological_harm": "moderate"}, S),
    ("cqc-serious-injury", {"actual_harm": "low"}, N),
    ("cqc-serious-injury", {"supposed_harm": "moderate"}, S),
    ("cqc-serious-injury", {"category": "pressure_damage", "pressure_damage_category": 3, "pressure_damage_arose_in_service": True}, T),
    ("cqc-serious-injury", {"category": "pressure_damage", "pressure_damage_category": 2, "pressure_damage_arose_in_service": True}, N),
    ("cqc-serious-injury", {"category": "pressure_damage", "pressure_damage_category": 3}, S),
    ("cqc-abuse", {"abuse_or_allegation": True}, T),
    ("cqc-abuse", {"abuse_or_allegation": True, "cannot_protect_self": False}, T),
    ("cqc-abuse", {"abuse_or_allegation": False, "neglect_or_omission_possible": True}, N),
    ("cqc-abuse", {"neglect_or_omission_possible": True}, S),
    ("cqc-abuse", {"referred_to_authority": True}, S),
    ("cqc-abuse", {"abuse_or_allegation": False, "referred_to_authority": True}, S),
    ("cqc-police", {"reported_to_police": True}, T),
    ("cqc-police", {"reported_to_police": False, "investigated_by_police": True}, T),
    ("cqc-police", {"reported_to_police": False, "investigated_by_police": False, "crime_suspected": True}, N),
    ("cqc-police", {"crime_suspected": True}, S),
    ("cqc-service-interruption", {"utility_loss_hours": 24}, S),
    ("cqc-service-interruption", {"utility_loss_hours": 24.1}, T),
    ("cqc-service-interruption", {"safety_device_failure_hours": 25}, T),
    ("cqc-service-interruption", {"staff_shortage_threatens_service": True}, T),
    ("cqc-service-interruption", {"premises_damage_threatens_service": True}, T),
    ("cqc-service-interruption", {"category": "staffing"}, S),
    ("cqc-service-interruption", {"staff_shortage_threatens_service": False, "premises_damage_threatens_service": False, "utility_loss_hours": 24, "safety_device_failure_hours": 0}, N),
    *[("cqc-deprivation-of-liberty", {"dols_status": s}, T) for s in ("granted", "refused", "withdrawn")],
    ("cqc-deprivation-of-liberty", {"dols_status": "applied"}, S),
    ("cqc-deprivation-of-liberty", {"dols_status": "none"}, N),
    ("cqc-child-in-adult-unit", {"child_in_adult_psychiatric_unit_hours": 48}, N),
    ("cqc-child-in-adult-unit", {"child_in_adult_psychiatric_unit_hours": 48.5}, T),
    ("cqc-statement-of-purpose", {"registration_change": "statement_of_purpose"}, T),
    ("cqc-absence", {"registration_change": "absence_28_days"}, T),
    ("cqc-return", {"registration_change": "return_from_absence"}, T),
    ("cqc-changes", {"registration_change": "details"}, T),
    ("cqc-provider-died", {"registration_change": "provider_died"}, T),
    ("cqc-insolvency", {"registration_change": "insolvency"}, T),
    ("cqc-insolvency", {"registration_change": "none"}, N),
    ("duty-of-candour", {"actual_harm": "moderate"}, S),
    ("duty-of-candour", {"actual_harm": "fatal"}, S),
    ("duty-of-candour", {"actual_harm": "low", "serious_injury_test": "yes"}, S),
    ("duty-of-candour", {"actual_harm": "low"}, N),
    ("safeguarding-concern", {"abuse_or_allegation": True}, S),
    ("safeguarding-concern", {"abuse_or_allegation": True, "care_and_support_needs": True, "cannot_protect_self": True}, T),
    ("safeguarding-concern", {"abuse_or_allegation": True, "care_and_support_needs": True, "cannot_protect_self": False}, N),
    ("safeguarding-concern", {"abuse_or_allegation": True, "care_and_support_needs": False}, N),
    ("safeguarding-concern", {"category": "pressure_damage", "pressure_guide_score": 15}, T),
    ("safeguarding-concern", {"category": "pressure_damage", "pressure_guide_score": 14, "abuse_or_allegation": False, "neglect_or_omission_possible": False}, N),
    ("riddor-serious", {"dangerous_occurrence": True}, T),
    ("riddor-serious", {**WORKER, "specified_injury": True}, T),
    ("riddor-serious", {"work_related": True, "person_died": True}, T),
    ("riddor-serious", {"work_related": False, "person_died": True, "dangerous_occurrence": False}, N),
    ("riddor-serious", {"specified_injury": True}, S),
    ("riddor-non-worker", {"work_related": True, "injured_party": "non_worker", "taken_directly_to_hospital": True}, T),
    ("riddor-non-worker", {"work_related": True, "injured_party": "non_worker", "taken_directly_to_hospital": False}, N),
    ("riddor-non-worker", {"work_related": False, "injured_party": "non_worker", "taken_directly_to_hospital": True}, N),
    (
        "riddor-non-worker",
        {
            "work_related": True,
            "injured_party": "non_worker",
            "taken_directly_to_hospital": False,
            "actual_harm": "severe",
        },
        S,
    ),
    ("riddor-non-worker", {"taken_directly_to_hospital": True}, S),
    ("riddor-over-7-days", {**WORKER, "worker_incapacitated_days": 7}, N),
    ("riddor-over-7-days", {**WORKER, "worker_incapacitated_days": 8}, T),
    ("riddor-over-7-days", {"worker_incapacitated_days": 8}, S),
    ("riddor-over-3-days", {**WORKER, "worker_incapacitated_days": 3}, N),
    ("riddor-over-3-days", {**WORKER, "worker_incapacitated_days": 4}, T),
    ("riddor-over-3-days", {**WORKER, "worker_incapacitated_days": 8}, N),
    ("riddor-disease", {"occupational_disease_diagnosed": True}, T),
    ("riddor-disease", {"occupational_disease_diagnosed": False}, N),
    ("data-breach-ico", {"personal_data_breach": True, "breach_risk_to_people": True}, T),
    ("data-breach-ico", {"personal_data_breach": True, "breach_risk_to_people": False}, N),
    ("data-breach-ico", {"category": "information"}, S),
    ("data-breach-people", {"personal_data_breach": True, "breach_high_risk_to_people": True}, T),
    ("data-breach-people", {"personal_data_breach": True, "breach_high_risk_to_people": False}, N),
    *[("controlled-drugs", {"controlled_drug_concern": c}, T) for c in ("theft_or_misappropriation", "harm", "unresolved_discrepancy")],
    ("controlled-drugs", {"controlled_drug_concern": "none"}, N),
    ("medicines-error", {"category": "medication"}, T),
    ("medicines-error", {"category": "medication", "kind": "near_miss"}, N),
    ("yellow-card", {"device_fault": True}, T),
    ("yellow-card", {"medicine_side_effect": True}, T),
    ("yellow-card", {"medicine_side_effect": False, "device_fault": False}, N),
    ("police", {"crime_suspected": True}, T),
    ("police", {"category": "missing_person"}, T),
    ("police", {"category": "missing_person", "kind": "near_miss"}, N),
    ("police", {"allegation_against_staff": True}, S),
    ("coroner", {"death_notifiable_to_coroner": True}, T),
    ("coroner", {"person_died": True}, S),
    ("coroner", {"person_died": True, "death_notifiable_to_coroner": False}, N),
    ("prevention-of-future-deaths", {"regulation_28_received_on": "2026-06-01"}, T),
    ("prevention-of-future-deaths", {}, N),
    ("position-of-trust", {"position_of_trust_concern": True}, T),
    ("position-of-trust", {"position_of_trust_concern": False, "allegation_against_staff": True}, N),
    ("position-of-trust", {"allegation_against_staff": True}, S),
    ("position-of-trust", {}, N),
    ("position-of-trust-children", {"position_of_trust_concern": True, "position_of_trust_with_children": True}, T),
    ("position-of-trust-children", {"position_of_trust_concern": True}, S),
    ("position-of-trust-children", {"position_of_trust_concern": True, "position_of_trust_with_children": False}, N),
    ("barring-referral", {"removed_from_regulated_activity": True, "barring_harm_test": True}, T),
    ("barring-referral", {"removed_from_regulated_activity": True, "barring_harm_test": False}, N),
    ("barring-referral", {"allegation_against_staff": True}, S),
    ("outbreak", {"linked_infections": 1}, N),
    ("outbreak", {"linked_infections": 2}, T),
    ("outbreak", {"category": "infection"}, S),
    ("leder", {"person_died": True, "learning_disability_or_autism": True}, T),
    ("leder", {"person_died": True, "learning_disability_or_autism": False}, N),
    ("leder", {"person_died": True}, S),
    ("commissioner", {"commissioner_contract_requires": True}, T),
    ("commissioner", {"commissioner_contract_requires": False, "category": "missed_visit"}, N),
    ("commissioner", {"category": "missed_visit"}, S),
    ("delegating-team", {"delegated_task": True}, T),
    ("delegating-team", {"delegated_task": True, "kind": "near_miss"}, T),
    ("delegating-team", {"delegated_task": True, "kind": "good_care"}, N),
    ("delegating-team", {"delegated_task": False}, N),
    ("delegating-team", {}, N),
    ("lfpse", {"nhs_funded_care": True}, T),
    ("lfpse", {"nhs_funded_care": False}, N),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "facts", "outcome"), CASES)
def test_trigger_and_boundary(rule: str, facts: dict[str, Any], outcome: ObligationOutcome) -> None:
    found = assess(RULES[rule], {**INCIDENT, **facts})
    assert found.outcome is outcome
    # Suggested: either something is still to be asked, or the facts point both ways and a person decides.
    assert outcome is not S or found.missing or found.must_decide
    assert found.must_decide or outcome is not T


def test_every_row_of_the_list_is_held_and_every_rule_is_tested() -> None:
    assert {rule.row for rule in RULES.values()} == set(range(1, 27))
    assert {rule for rule, _, outcome in CASES if outcome is not N} == set(RULES)
    untriggered = set(RULES) - {rule for rule, _, outcome in CASES if outcome is T}
    assert untriggered == {"duty-of-candour"}  # only its own test of regulation 20(9) answers it


STATUTORY = {
    "riddor-serious": Limit(None, 10, "accident"),
    "riddor-non-worker": Limit(None, 10, "accident"),
    "riddor-over-7-days": Limit(None, 15, "accident"),
    "data-breach-ico": Limit(72, None, "breach_aware_at"),
    "prevention-of-future-deaths": Limit(None, 56, "regulation_28_received_on"),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=str)
def test_only_the_law_gives_a_statutory_limit(rule: Rule) -> None:
    assert rule.statutory == STATUTORY.get(rule.id)
    assert rule.statutory_wording
    assert rule.legal_basis
    assert rule.proof


@pytest.mark.parametrize("rule", RULES.values(), ids=str)
def test_every_rule_that_is_no_advice_has_a_target_of_the_provider(rule: Rule) -> None:
    assert (rule.target is None) == rule.advice
    if rule.target is not None:
        target = rule.target.due(START, {})
        assert START < warn_at(START, target, 75) < target
        assert warn_at(START, target, 75) - START == (target - START) * 3 / 4
    if rule.target is not None and rule.statutory is not None:
        assert rule.target.due(START, {}) <= rule.statutory.due(START, {})


def test_a_clock_of_hours_runs_through_the_night_and_the_clock_change() -> None:
    before = datetime(2026, 3, 28, 23, 0, tzinfo=UTC)
    assert Limit(24, None, "aware").due(before, {}) - before == timedelta(hours=24)


def test_the_contract_of_the_commissioner_gives_its_own_hours() -> None:
    target = RULES["commissioner"].target
    assert target is not None
    assert target.due(START, {"commissioner_contract_hours": 2.0}) == START + timedelta(hours=2)
    assert target.due(START, {}) == START + timedelta(hours=24)


def test_notices_to_cqc_use_codes_not_names() -> None:
    for rule in RULES.values():
        if rule.recipient == "cqc" and rule.row != 9:
            assert rule.codes_only, rule.id


def test_the_same_day_ends_with_the_day_in_england() -> None:
    target = RULES["outbreak"].target
    assert target is not None
    assert target.due(datetime(2026, 6, 8, 22, 30, tzinfo=UTC), {}) == datetime(2026, 6, 8, 22, 59, 59, tzinfo=UTC)
    assert target.due(datetime(2026, 6, 8, 23, 30, tzinfo=UTC), {}) == datetime(2026, 6, 9, 22, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("harm", ["moderate", "severe"])
def test_an_injury_that_may_be_one_of_the_regulation_is_decided_within_four_hours(harm: str) -> None:
    for fact in ("actual_harm", "psychological_harm", "supposed_harm"):
        assert assess(RULES["cqc-serious-injury"], {**INCIDENT, fact: harm}).must_decide
    assert RULES["cqc-serious-injury"].decide_target == Limit(4, None, "aware")


DIED = {"person_died": True}
ALLEGED = {"allegation_against_staff": True}

# What points to an obligation and must be decided, and beside it what plainly need not be.
UNDECIDED: list[tuple[str, dict[str, Any], bool]] = [
    ("cqc-detained", {"absent_without_leave": True}, True),
    ("cqc-detained", {"detained": True}, False),
    ("cqc-abuse", ALLEGED, True),
    ("cqc-abuse", {"neglect_or_omission_possible": True}, True),
    ("cqc-abuse", {"neglect_or_omission_possible": False}, False),
    ("cqc-police", {"crime_suspected": True}, True),
    ("cqc-police", {"crime_suspected": True, "reported_to_police": False, "investigated_by_police": False}, False),
    ("cqc-service-interruption", {"category": "staffing"}, True),
    ("cqc-service-interruption", {"category": "staffing", "kind": "near_miss"}, False),
    ("cqc-service-interruption", {"category": "staffing", "staff_shortage_threatens_service": False}, False),
    ("cqc-service-interruption", {"category": "environment"}, False),
    ("cqc-service-interruption", {"utility_loss_hours": 2}, False),
    ("safeguarding-concern", {"neglect_or_omission_possible": True}, True),
    ("safeguarding-concern", {"neglect_or_omission_possible": True, "cannot_protect_self": False, "category": "fall"}, False),
    ("safeguarding-concern", ALLEGED, True),
    ("safeguarding-concern", {"category": "pressure_damage", "pressure_damage_category": 3}, True),
    ("safeguarding-concern", {"category": "pressure_damage", "pressure_damage_category": 2}, False),
    ("safeguarding-concern", {"category": "pressure_damage", "pressure_damage_category": 3, "pressure_guide_score": 9,
                              "abuse_or_allegation": False, "neglect_or_omission_possible": False}, False),
    ("position-of-trust", ALLEGED, True),
    ("position-of-trust", {**ALLEGED, "position_of_trust_concern": False}, False),
    ("position-of-trust-children", {"position_of_trust_concern": True}, True),
    ("position-of-trust-children", ALLEGED, False),
    ("riddor-serious", {"specified_injury": True}, True),
    ("riddor-serious", {**DIED, "death_expected": False}, True),
    ("riddor-serious", {**DIED, "death_expected": True}, False),
    ("riddor-serious", {**WORKER, "actual_harm": "severe"}, True),
    ("riddor-serious", {**WORKER, "actual_harm": "low"}, False),
    ("riddor-non-worker", {"taken_directly_to_hospital": True}, True),
    ("riddor-non-worker", {"taken_directly_to_hospital": True, "work_related": False}, False),
    ("riddor-non-worker", {"work_related": True}, False),
    ("riddor-over-7-days", {"worker_incapacitated_days": 8}, True),
    ("riddor-over-7-days", {"worker_incapacitated_days": 7}, False),
    ("data-breach-people", {"personal_data_breach": True, "breach_risk_to_people": True}, True),
    ("data-breach-people", {"personal_data_breach": True, "breach_risk_to_people": False}, False),
    ("police", ALLEGED, True),
    ("police", {**ALLEGED, "crime_suspected": False}, False),
    ("police", {**ALLEGED, "kind": "near_miss"}, False),
    ("coroner", DIED, True),
    ("coroner", {**DIED, "death_expected": False}, True),
    ("coroner", {**DIED, "death_expected": True}, False),
    ("coroner", {**DIED, "death_expected": True, "neglect_or_omission_possible": True}, True),
    ("coroner", {**DIED, "death_expected": True, "device_or_medicine_concern": True}, True),
    ("barring-referral", ALLEGED, True),
    ("barring-referral", {"removed_from_regulated_activity": True}, True),
    ("barring-referral", {"barring_harm_test": True}, True),
    ("barring-referral", {"barring_harm_test": True, "removed_from_regulated_activity": False}, False),
    ("outbreak", {"category": "infection"}, True),
    ("outbreak", {"category": "infection", "linked_infections": 1}, False),
    ("outbreak", {"category": "infection", "kind": "near_miss"}, False),
    ("leder", DIED, False),
    ("commissioner", {"category": "missed_visit"}, True),
    ("commissioner", {"category": "missed_visit", "kind": "near_miss"}, False),
    ("commissioner", {"category": "missed_visit", "commissioner_contract_requires": False}, False),
    ("commissioner", {"actual_harm": "severe"}, True),
    ("commissioner", {"actual_harm": "moderate"}, False),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "facts", "must"), UNDECIDED)
def test_what_may_have_to_be_told_is_decided_and_what_plainly_need_not_is_not_asked(
    rule: str, facts: dict[str, Any], must: bool
) -> None:
    found = assess(RULES[rule], {**INCIDENT, **facts})
    assert found.outcome is not T
    assert found.must_decide is must
    assert not must or RULES[rule].time_to_decide({**INCIDENT, **facts}) is not None


def test_every_rule_that_suggests_must_be_decided_for_some_facts() -> None:
    never = {rule.id for rule in RULES.values() if rule.ask_when is not None and rule.must_decide_when is None}
    assert never == {"leder"}, "a voluntary programme: shown, and nothing waits for it"


def test_the_guide_for_pressure_damage_has_two_days_unless_something_is_to_be_decided_sooner() -> None:
    rule, wound = RULES["safeguarding-concern"], {"category": "pressure_damage", "pressure_damage_category": 3}
    assert rule.time_to_decide(wound) == Limit(48, None, "aware")
    assert rule.time_to_decide({**wound, "neglect_or_omission_possible": True}) == Limit(24, None, "aware")
    assert rule.time_to_decide({}) == Limit(24, None, "aware"), "opened by hand"


BOOLEANS = st.sampled_from([True, False, None])


@given(st.lists(BOOLEANS, min_size=1, max_size=5))
def test_the_unknown_stays_unknown_unless_it_cannot_matter(values: list[bool | None]) -> None:
    facts = {f"f{n}": value for n, value in enumerate(values)}
    tests = [Check(name, "is", [True]) for name in facts]
    every, some = Group("all", tests), Group("any", tests)
    assert every.holds(facts) is (False if False in values else None if None in values else True)
    assert some.holds(facts) is (True if True in values else None if None in values else False)
    assert Group("not", [every]).holds(facts) is (None if every.holds(facts) is None else not every.holds(facts))
    assert bool(open_facts(every, facts)) == (every.holds(facts) is None)


@given(
    st.dictionaries(st.sampled_from(sorted(FACTS - {"people"})), BOOLEANS, max_size=6), st.sampled_from(sorted(RULES))
)
def test_answering_what_is_asked_decides(facts: dict[str, Any], rule: str) -> None:
    numbers = {t for t in FACTS if t.endswith(("_hours", "_days", "_category", "_score", "infections"))}
    known = {k: v for k, v in facts.items() if k not in numbers}
    found = assess(RULES[rule], {**INCIDENT, **known})
    if found.outcome is S:
        answered = {**INCIDENT, **known, **{f: 0 if f in numbers else False for f in found.missing}}
        told = assess(RULES[rule], answered)
        assert told.outcome is not S or not told.missing or rule == "duty-of-candour"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda d: d["obligations"][0].update(when={"fact": "weather", "is": [True]}), "weather"),
        (lambda d: d["obligations"][0].update(when={"all": [], "any": []}), "one of all, any, not"),
        (lambda d: d["obligations"][0].update(statutory_limit={"hours": 1, "days": 2}), "either hours or days"),
        (lambda d: d["obligations"][0].update(statutory_limit={"hours": 1, "runs_from": "dawn"}), "runs_from"),
        (lambda d: d["obligations"][0].update(recipient="nobody"), "nobody"),
        (lambda d: d["obligations"][0].update(draft=["weather"]), "weather"),
        (lambda d: d["obligations"][0].update(sent_sets="weather"), "weather"),
        (
            lambda d: d["obligations"][0].update(statutory_limit={"days": 1}, provider_target=None),
            "needs provider_target",
        ),
        (lambda d: d["obligations"].append(d["obligations"][0]), "used twice"),
        (lambda d: d["obligations"][0].pop("ask_when"), "must_decide_when needs"),
        (
            lambda d: d["obligations"][0].update(must_decide_later_when={"fact": "person_died", "is": [True]}),
            "later_when needs",
        ),
        (lambda d: d.update(warn_at_percent=100), "warn_at_percent"),
        (lambda d: d["obligations"][0].update(deadline="24 h"), "deadline"),
    ],
)
def test_a_policy_that_cannot_work_is_refused_by_name(change: Any, named: str) -> None:
    document = yaml.safe_load((Path(policy.__file__).parents[1] / "policies" / "obligations.yaml").read_text())
    change(document)
    with pytest.raises(ValueError, match=named):
        policy.Policy(document)


def test_the_page_for_people_lists_every_rule() -> None:
    page = (Path(__file__).parents[2] / "docs" / "obligations.md").read_text()
    for rule in RULES.values():
        assert f"| {rule.row} | `{rule.id}` | {rule.title} |" in page
