"""The rules of reporting: the same case whatever order its events come in, which clocks run, ages, plain words."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts import actions, intake, review
from services.contracts.event import EventData, IncidentData
from services.contracts.taxonomy import (
    Band,
    Category,
    Consequence,
    Kind,
    Likelihood,
    PhysicalHarm,
    ReviewMethod,
    Role,
    Stage,
    Strength,
    Verdict,
)
from services.contracts.topics import EVENTS
from services.reporting import consumer, wording
from services.reporting.domain import Case, ClockKind, Incident, age_windows, whole_days
from services.runtime.consumer import Received

NOW = datetime(2026, 6, 8, 9, 0, tzinfo=UTC)
PROVIDER, INCIDENT, LOCATION = UUID(int=1), UUID(int=2), UUID(int=3)
REVIEW, ACTION, OTHER_ACTION, BRIEFING, ESCALATION = UUID(int=4), UUID(int=5), UUID(int=6), UUID(int=7), UUID(int=8)
FIRST, SECOND = UUID(int=9), UUID(int=10)


def received(event: EventData, version: int, at: datetime, number: int = 0) -> Received:
    return Received(
        event_id=UUID(int=1000 + number), type=event.TYPE, provider_id=PROVIDER, subject=str(INCIDENT), key=event.key,
        version=version, occurred_at=at, actor=str(UUID(int=99)), actor_role="service",
        data=event.model_dump(mode="json"), topic="plumbline.test", partition=0, offset=number,
    )  # fmt: skip


def days(count: float) -> datetime:
    return NOW + timedelta(days=count)


REPORTED = intake.IncidentReported(
    incident_id=INCIDENT, location_id=LOCATION, region_id=None, kind=Kind.INCIDENT, category=Category.FALL,
    occurred_at=days(-1), reported_at=NOW, immediate_danger=False, triage_due_at=days(1),
)  # fmt: skip


def entered(stage: Stage, cycle: int, due: float | None) -> intake.StageEntered:
    return intake.StageEntered(
        incident_id=INCIDENT, cycle=cycle, stage=stage, due_at=None if due is None else days(due),
        next_move=Role.REGISTERED_MANAGER,
    )  # fmt: skip


def plan(checkpoint_id: UUID, due: float) -> actions.PlannedCheckpoint:
    return actions.PlannedCheckpoint(checkpoint_id=checkpoint_id, due_at=days(due))


def life() -> list[Received]:
    """A whole life with a returned action, a reopening and a second cycle; each publisher counts its own versions."""
    told: list[tuple[IncidentData, int, float]] = [
        (REPORTED, 1, 0),
        (intake.IncidentTriaged(
            incident_id=INCIDENT, cycle=1, actual_harm=PhysicalHarm.LOW, consequence=Consequence.MAJOR,
            likelihood=Likelihood.POSSIBLE, score=12, band=Band.HIGH, by_default=False, rule="r", policy_version="1",
            overridden=False), 2, 0.5),
        (intake.IncidentEscalated(
            incident_id=INCIDENT, escalation_id=ESCALATION, level=1, reason="high_risk",
            to_role=Role.REGISTERED_MANAGER, to_person=None), 2, 0.51),
        (intake.EscalationAcknowledged(incident_id=INCIDENT, escalation_id=ESCALATION, level=1), 2, 0.6),
        (entered(Stage.REVIEWING, 1, 20), 3, 0.7),
        (review.ReviewOpened(
            incident_id=INCIDENT, review_id=REVIEW, cycle=1, method=ReviewMethod.STRUCTURED,
            lead_role=Role.QUALITY_LEAD, due_at=days(20), rule="r", policy_version="1"), 1, 0.7),
        (intake.ReminderSent(
            incident_id=INCIDENT, cycle=1, stage=Stage.REVIEWING, count=1, to_role=Role.QUALITY_LEAD), 3, 1),
        (review.ReviewSubmitted(incident_id=INCIDENT, review_id=REVIEW, cycle=1), 2, 2),
        (review.ReviewReturned(incident_id=INCIDENT, review_id=REVIEW, cycle=1), 3, 3),
        (review.ReviewSubmitted(incident_id=INCIDENT, review_id=REVIEW, cycle=1), 4, 4),
        (actions.ActionAgreed(
            incident_id=INCIDENT, action_id=ACTION, cycle=1, strength=Strength.STRONGER,
            owner_role=Role.REGISTERED_MANAGER), 1, 4.5),
        (review.ReviewApproved(
            incident_id=INCIDENT, review_id=REVIEW, cycle=1, factors=[], learning_count=1, actions_needed=True,
            briefing_needed=True), 5, 5),
        (entered(Stage.ACTING, 1, 15), 4, 5.1),
        (actions.ActionOpened(
            incident_id=INCIDENT, action_id=ACTION, cycle=1, owner_role=Role.REGISTERED_MANAGER, due_at=days(15),
            late=False), 2, 5.2),
        (actions.ActionDone(
            incident_id=INCIDENT, action_id=ACTION, cycle=1, attempt=1, evidence_count=1,
            verify_due_at=days(20)), 4, 6),
        (entered(Stage.VERIFYING, 1, 20), 5, 6.1),
        (actions.ActionReturned(
            incident_id=INCIDENT, action_id=ACTION, cycle=1, attempt=1, due_at=days(17)), 5, 7),
        (entered(Stage.ACTING, 1, 17), 6, 7.1),
        (actions.ActionDone(
            incident_id=INCIDENT, action_id=ACTION, cycle=1, attempt=2, evidence_count=2,
            verify_due_at=days(22)), 6, 8),
        (entered(Stage.VERIFYING, 1, 22), 7, 8.1),
        (actions.ActionVerified(
            incident_id=INCIDENT, action_id=ACTION, cycle=1, attempt=2, cycle_complete=True,
            checkpoints=[plan(FIRST, 40), plan(SECOND, 100)]), 7, 9),
        (entered(Stage.SHARING, 1, 14), 8, 9.1),
        (review.BriefingSent(
            incident_id=INCIDENT, briefing_id=BRIEFING, cycle=1, audience=4, target_percent=80,
            due_at=days(14)), 1, 9.2),
        (review.BriefingAcknowledged(
            incident_id=INCIDENT, briefing_id=BRIEFING, cycle=1, location_id=LOCATION, understood=True), 2, 10),
        (review.BriefingReached(incident_id=INCIDENT, briefing_id=BRIEFING, cycle=1, reach_percent=100), 3, 11),
        (entered(Stage.CHECKING, 1, 40), 9, 11.1),
        (actions.CheckpointMeasured(
            incident_id=INCIDENT, checkpoint_id=FIRST, cycle=1, events=5, exposure=10, baseline_events=5,
            baseline_exposure=10, proposed=Verdict.NO_CHANGE, rule="r", decide_due_at=days(50)), 2, 40),
        (actions.ImpactJudged(
            incident_id=INCIDENT, checkpoint_id=FIRST, cycle=1, verdict=Verdict.NO_CHANGE, agreed_with_proposal=True,
            next_checkpoint=None), 3, 41),
        (entered(Stage.ACTING, 2, 60), 10, 41.1),
        (actions.ActionAgreed(
            incident_id=INCIDENT, action_id=OTHER_ACTION, cycle=2, strength=Strength.STRONGER,
            owner_role=Role.REGIONAL_MANAGER), 1, 42),
        (actions.ActionCancelled(
            incident_id=INCIDENT, action_id=OTHER_ACTION, cycle=2, cycle_complete=True, checkpoints=[]), 3, 43),
        (entered(Stage.CLOSED, 2, None), 11, 44),
        (intake.IncidentClosed(incident_id=INCIDENT, cycle=2, closed_at=days(44)), 11, 44),
        (intake.IncidentReopened(incident_id=INCIDENT, cycle=3, stage=Stage.REVIEWING), 12, 50),
    ]  # fmt: skip
    return [received(event, version, days(at), number) for number, (event, version, at) in enumerate(told)]


def fold(events: list[Received]) -> Case:
    case = Case(Incident(PROVIDER, INCIDENT))
    for event in events:
        consumer.tell(case, event)
    case.settle()
    return case


def until(at: float) -> list[Received]:
    return [event for event in life() if event.occurred_at <= days(at)]


@given(st.randoms(use_true_random=False), st.integers(1, len(life())))
def test_any_order_and_any_repetition_end_in_the_same_case(shuffle: random.Random, length: int) -> None:
    told = life()[:length]
    mixed = told + shuffle.sample(told, shuffle.randint(0, len(told)))
    shuffle.shuffle(mixed)
    assert fold(mixed) == fold(told)


@given(st.integers(0, len(life())))
def test_a_case_read_back_in_between_is_the_same(cut: int) -> None:
    case = fold(life()[:cut])
    for event in life()[cut:]:
        consumer.tell(case, event)
    case.settle()
    assert case == fold(life())


def test_every_event_type_is_projected_or_left_out_on_purpose() -> None:
    assert set(EVENTS) == consumer.PROJECTED | consumer.IGNORED
    assert not consumer.PROJECTED & consumer.IGNORED


@pytest.mark.parametrize(
    ("at", "kinds"),
    [
        (0, {ClockKind.TRIAGE: days(1)}),
        (0.5, {}),
        (1, {ClockKind.REVIEW: days(20)}),
        (4.5, {ClockKind.REVIEW: days(20)}),
        (5.2, {ClockKind.ACTION: days(15)}),
        (6.1, {ClockKind.VERIFICATION: days(20)}),
        (7.1, {ClockKind.ACTION: days(17)}),
        (8.1, {ClockKind.VERIFICATION: days(22)}),
        (9.2, {ClockKind.BRIEFING: days(14), ClockKind.IMPACT: days(40)}),
        (11.1, {ClockKind.IMPACT: days(40)}),
        (40, {ClockKind.IMPACT: days(50)}),
        (42, {ClockKind.ACTION: days(60)}),
        (44, {}),
    ],
)
def test_the_clocks_that_run(at: float, kinds: dict[ClockKind, datetime]) -> None:
    case = fold(until(at))
    assert {clock.kind: clock.due_at for clock in case.running()} == kinds
    incident = case.incident
    assert incident.earliest_due_at == min(kinds.values(), default=None)
    for kind in ClockKind:
        assert getattr(incident, f"clock_{kind}") == kinds.get(kind)


def test_done_is_not_verified() -> None:
    done, verified = fold(until(8.1)).incident, fold(until(9)).incident
    assert (done.actions_done, done.actions_verified) == (1, 0)
    assert (verified.actions_done, verified.actions_verified) == (0, 1)


def test_a_returned_action_is_open_again_and_keeps_what_its_owner_said() -> None:
    action = fold(until(7.1)).actions[ACTION]
    assert (action.status, action.due_at, action.attempt, action.done_at) == ("open", days(17), 1, days(6))


def test_an_escalation_counts_until_it_is_answered() -> None:
    assert fold(until(0.51)).incident.escalations_unacknowledged == 1
    assert fold(until(0.6)).incident.escalations_unacknowledged == 0


def test_nothing_runs_once_it_has_ended_and_reopening_starts_it_again() -> None:
    closed, reopened = fold(until(44)).incident, fold(life()).incident
    assert closed.ended_at == days(44)
    assert closed.earliest_due_at is None
    assert (reopened.ended_at, reopened.stage, reopened.cycle) == (None, "reviewing", 3)


def test_a_verdict_that_settles_the_question_stops_the_clock_of_later_checkpoints() -> None:
    assert fold(until(41)).incident.clock_impact == days(40)  # the stage's own, until the process moves on
    assert [clock.due_at for clock in fold(until(41)).running()] == [days(40)]
    assert fold(until(41.1)).incident.clock_impact is None
    assert fold(until(41.1)).incident.last_verdict == Verdict.NO_CHANGE


def test_withdrawal_stops_every_clock() -> None:
    events = [*until(6.1), received(intake.IncidentWithdrawn(incident_id=INCIDENT), 6, days(6.2), 100)]
    incident = fold(events).incident
    assert (incident.stage, incident.ended_at, incident.earliest_due_at) == ("withdrawn", days(6.2), None)


@given(
    st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
)
def test_every_age_is_in_one_window_by_its_whole_days(reported_at: datetime) -> None:
    inside = [
        window.label
        for window in age_windows(NOW)
        if (window.after is None or reported_at > window.after)
        and (window.until is None or reported_at <= window.until)
    ]
    age = whole_days(reported_at, NOW)
    assert inside == ["0-7" if age <= 7 else "8-30" if age <= 30 else "31-90" if age <= 90 else ">90"]


def _models() -> list[type[EventData]]:
    return [e for e in EVENTS.values() if issubclass(e, IncidentData) and e.TYPE not in consumer.IGNORED]


@pytest.mark.parametrize("model", _models(), ids=lambda model: model.TYPE)
@settings(max_examples=20)
@given(data=st.data())
def test_every_event_has_a_plain_sentence(model: type[EventData], data: st.DataObject) -> None:
    instants = st.datetimes(
        min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)  # noqa: DTZ001
    )  # fmt: skip
    special: dict[str, Any] = {
        name: instants if item.annotation is datetime else st.none() | instants
        for name, item in model.model_fields.items()
        if "datetime" in str(item.annotation)
    }
    special |= {name: st.just([]) for name in ("checkpoints",) if name in model.model_fields}
    special |= {name: st.none() for name in ("next_checkpoint",) if name in model.model_fields}
    special |= {name: st.just(1) for name in ("exposure", "baseline_exposure") if name in model.model_fields}
    special |= {name: st.just(["ab" * 16]) for name in ("people",) if model is intake.IncidentDescribed}
    codes = {n: st.just("a-code") for n, f in model.model_fields.items() if f.annotation is str and f.metadata}
    event = data.draw(st.builds(model, **(special | codes)))
    said = wording.sentence(model.TYPE, event.model_dump(mode="json"))
    assert said.endswith(".")
    assert not set("_{}[]<>") & set(said)
    assert "not recorded" not in said
    assert said[0].isupper()


def test_a_sentence_survives_an_event_of_an_older_form() -> None:
    assert wording.sentence(intake.IncidentReported.TYPE, {}).startswith("Reported not recorded")


def test_dates_are_in_the_time_of_england() -> None:
    assert wording.moment(datetime(2026, 6, 8, 9, 0, tzinfo=UTC)) == "8 June 2026, 10:00"
    assert wording.moment(datetime(2026, 12, 8, 9, 0, tzinfo=UTC)) == "8 December 2026, 09:00"


def test_each_open_stage_says_what_happens_by_itself() -> None:
    assert set(wording.THEN) == {stage for stage in Stage if not stage.ended}
    assert set(wording.STAGES) == set(Stage)
