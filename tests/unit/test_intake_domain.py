"""The rules of intake: how a report is scored, by when somebody must look, and where the process may move it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.taxonomy import Band, Category, Consequence, Kind, Likelihood, PhysicalHarm, Stage
from services.intake import policy
from services.intake.domain import FEEDBACK, STAGE_ORDER, may_enter

DEFAULT = Path(policy.__file__).parent / "policies" / "default.yaml"
SCORES = range(1, 26)
REPORTS = st.tuples(st.sampled_from(Kind), st.sampled_from(Category), st.booleans())
POSITIONS = st.tuples(st.integers(min_value=1, max_value=3), st.sampled_from(Stage))
AT = datetime(2026, 6, 6, 22, 0, tzinfo=UTC)  # Saturday night


def a_policy(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    document = yaml.safe_load(DEFAULT.read_text())
    change(document)
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@given(st.sampled_from(Consequence), st.sampled_from(Likelihood))
def test_every_score_has_one_band(consequence: Consequence, likelihood: Likelihood) -> None:
    rules = policy.shipped()
    score = consequence * likelihood
    limits = [0, *(up_to for _, up_to in rules.bands)]
    fitting = [
        band
        for (band, up_to), above in zip(rules.bands, limits[:-1], strict=True)
        if above < score <= up_to
    ]  # fmt: skip
    assert fitting == [rules.band(score)]


@given(st.lists(st.integers(min_value=1, max_value=24), unique=True, max_size=3).map(sorted), st.integers(1, 25))
def test_any_policy_that_is_taken_has_a_band_for_every_score(limits: list[int], score: int) -> None:
    names = list(Band)[: len(limits) + 1]
    rows = [{"band": name.value, "up_to": up_to} for name, up_to in zip(names, [*limits, 25], strict=True)]
    document = yaml.safe_load(DEFAULT.read_text()) | {"bands": rows}
    bands = [(limit.band, limit.up_to) for limit in policy._Document.model_validate(document).bands]
    assert next(band for band, up_to in bands if score <= up_to) in names


def test_a_higher_score_is_never_in_a_lower_band() -> None:
    bands = [policy.shipped().band(score) for score in SCORES]
    assert bands == sorted(bands, key=list(Band).index)
    assert set(bands) == set(Band)


@given(REPORTS)
def test_every_report_has_one_rule_the_first_that_fits(report: tuple[Kind, Category, bool]) -> None:
    rules = policy.shipped()
    suggestion = rules.suggest(*report)
    first = next(rule for rule in rules.rules if rule.fits(*report))
    assert suggestion is first.suggestion
    assert suggestion.rule == first.id
    assert 1 <= suggestion.consequence * suggestion.likelihood <= 25


@given(REPORTS)
def test_danger_now_is_urgent_whatever_else_was_reported(report: tuple[Kind, Category, bool]) -> None:
    kind, category, _ = report
    rules = policy.shipped()
    suggestion = rules.suggest(kind, category, True)
    assert rules.band(suggestion.consequence * suggestion.likelihood).urgent


@pytest.mark.parametrize(
    ("kind", "category", "danger", "rule", "band"),
    [
        (Kind.INCIDENT, Category.MEDICATION, False, "otherwise", Band.MODERATE),
        (Kind.INCIDENT, Category.MEDICATION, True, "danger-now", Band.EXTREME),
        (Kind.INCIDENT, Category.DEATH, False, "death", Band.EXTREME),
        (Kind.INCIDENT, Category.ABUSE_ALLEGATION, False, "allegation", Band.HIGH),
        (Kind.INCIDENT, Category.CHOKING, False, "airway-or-missing", Band.HIGH),
        (Kind.NEAR_MISS, Category.FALL, False, "near-miss", Band.MODERATE),
        (Kind.GOOD_CARE, Category.FALL, False, "good-care", Band.LOW),
        (Kind.INCIDENT, Category.DEATH, True, "death", Band.EXTREME),
        (Kind.NEAR_MISS, Category.ABUSE_ALLEGATION, False, "near-miss", Band.MODERATE),
        (Kind.NEAR_MISS, Category.FALL, True, "danger-now-no-harm", Band.EXTREME),
        (Kind.GOOD_CARE, Category.DEATH, False, "good-care", Band.LOW),
    ],
)
def test_the_shipped_rules(kind: Kind, category: Category, danger: bool, rule: str, band: Band) -> None:
    rules = policy.shipped()
    suggestion = rules.suggest(kind, category, danger)
    assert suggestion.rule == rule
    assert rules.band(suggestion.consequence * suggestion.likelihood) is band


def test_a_death_is_suggested_as_one() -> None:
    assert policy.shipped().suggest(Kind.INCIDENT, Category.DEATH, False).actual_harm is PhysicalHarm.FATAL


def test_the_clock_runs_through_the_night_and_the_weekend() -> None:
    rules = policy.shipped()
    assert rules.triage_due(AT, immediate_danger=False) == AT + timedelta(hours=24)
    assert rules.triage_due(AT, immediate_danger=True) == AT + timedelta(hours=4)


@given(st.integers(min_value=1, max_value=100))
def test_each_reminder_comes_later_and_once_up_the_line_it_stays_there(count: int) -> None:
    rules = policy.shipped()
    next_at, up = rules.next_reminder(AT, count)
    assert next_at > AT
    assert up is (count >= 2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["bands"].pop(), "every score has one band"),
        (lambda d: d.update(bands=[]), "every score has one band"),
        (lambda d: d["bands"].reverse(), "must rise"),
        (lambda d: d["bands"][1].update(up_to=3), "must rise"),
        (lambda d: d["bands"][3].update(up_to=26), "bands.3.up_to"),
        (lambda d: d["bands"][0].update(band="grave"), "bands.0.band"),
        (lambda d: d["rules"].pop(), "every report fits one"),
        (lambda d: d.update(rules=[]), "every report fits one"),
        (lambda d: d["rules"].insert(0, d["rules"][-1]), "unreachable"),
        (lambda d: d["rules"][0]["suggest"].update(consequence=6), "rules.0.suggest.consequence"),
        (lambda d: d["rules"][0]["suggest"].update(likelihood=0), "rules.0.suggest.likelihood"),
        (lambda d: d["rules"][0]["suggest"].update(actual_harm="grave"), "rules.0.suggest.actual_harm"),
        (lambda d: d["rules"][0].update(when={"kinds": ["incident"]}), "rules.0.when.kinds"),
        (lambda d: d["rules"][1].update(when={"category": ["slip"]}), "rules.1.when.category"),
        (lambda d: d["rules"][0].pop("id"), "rules.0.id"),
        (lambda d: d["triage_hours"].update(standard=0), "triage_hours.standard"),
        (lambda d: d["triage_hours"].update(immediate_danger=-1), "triage_hours.immediate_danger"),
        (lambda d: d["reminders"].update(every_hours=0), "reminders.every_hours"),
        (lambda d: d["reminders"].update(escalate_after=0), "reminders.escalate_after"),
        (lambda d: d.pop("version"), "version"),
        (lambda d: d.update(surprise=1), "surprise"),
    ],
)
def test_a_policy_that_cannot_work_is_refused_with_the_reason(tmp_path: Path, change: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        policy.load(a_policy(tmp_path, change))


def test_a_policy_that_can_work_is_taken(tmp_path: Path) -> None:
    taken = policy.load(a_policy(tmp_path, lambda d: d["triage_hours"].update(standard=12)))
    assert taken.triage_due(AT, immediate_danger=False) == AT + timedelta(hours=12)


@given(POSITIONS, POSITIONS)
def test_the_process_moves_forwards_or_into_a_later_cycle(
    current: tuple[int, Stage], wanted: tuple[int, Stage]
) -> None:
    if wanted[1] not in STAGE_ORDER:
        return  # withdrawn and duplicate are people's decisions, never the process's
    if not may_enter(current, wanted):
        return
    assert current != wanted
    assert wanted[0] >= current[0]
    if wanted[0] == current[0]:
        assert not current[1].ended
        forwards = STAGE_ORDER.index(wanted[1]) > STAGE_ORDER.index(current[1])
        assert forwards or (current[1], wanted[1]) == (Stage.VERIFYING, Stage.ACTING)


@pytest.mark.parametrize("ended", [Stage.CLOSED, Stage.WITHDRAWN, Stage.DUPLICATE])
@pytest.mark.parametrize("wanted", STAGE_ORDER)
def test_what_has_ended_goes_on_in_a_later_cycle_only(ended: Stage, wanted: Stage) -> None:
    assert not may_enter((2, ended), (2, wanted))
    assert not may_enter((2, ended), (1, wanted))
    assert may_enter((2, ended), (3, wanted))


def test_a_returned_action_leads_back() -> None:
    assert may_enter((1, Stage.VERIFYING), (1, Stage.ACTING))
    assert not may_enter((1, Stage.SHARING), (1, Stage.ACTING))


def test_the_reporter_is_told_something_at_every_stage() -> None:
    assert set(FEEDBACK) == set(Stage)
    assert set(STAGE_ORDER) == {stage for stage in Stage if not stage.ended} | {Stage.CLOSED}
