"""Impact on a real PostgreSQL: the measure is frozen, what is missing or mixed is said, and nothing closes by mistake."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from services.actions.impact import counting, observing
from services.actions.impact.domain import Window
from services.actions.impact.store import measure_of
from services.actions.store import Improvement
from services.contracts.directory import LocationRecorded
from services.contracts.taxonomy import Band, Category, ExposureUnit, Kind, Role, Verdict
from services.runtime import audit
from services.runtime.db import transaction
from tests.integration.test_actions import PRIVATE, World, improved, months_before
from tests.integration.test_actions import world as world  # the fixture

SCORE = {
    "name": "Medication audit score",
    "about": "audit_score",
    "direction": "increase",
    "definition": f"Monthly audit of ten charts. {PRIVATE}",
}


def indicator(world: World, **changes: Any) -> dict[str, Any]:
    """A series, begun."""
    reply = world.http.post("/indicators", world.lead, {**SCORE, **changes})
    assert reply.status_code == 201, reply.text
    found: dict[str, Any] = reply.json()
    return found


def record(world: World, of: dict[str, Any], values: dict[str, Any], status: int = 200) -> Any:
    """Months of a series: plain values, or pairs."""
    months = [
        {"month": f"{month}-01", **(value if isinstance(value, dict) else {"value": value})}
        for month, value in values.items()
    ]
    reply = world.http.post(f"/indicators/{of['indicator_id']}/values", world.lead, {"values": months})
    assert reply.status_code == status, reply.text
    return reply.json()


def define(world: World, incident_id: UUID, number: int, status: int = 201, **body: Any) -> Any:
    """Say by what is measured, having seen a definition."""
    reply = world.http.post(f"/incidents/{incident_id}/measures", world.lead, body, version=number)
    assert reply.status_code == status, reply.text
    return reply.json()


def measures(world: World, incident_id: UUID) -> list[dict[str, Any]]:
    """All definitions."""
    found: list[dict[str, Any]] = world.http.get(f"/incidents/{incident_id}/measures", world.lead).json()
    return found


def measured(world: World, incident_id: UUID, days: int = 30) -> dict[str, Any]:
    """The next checkpoint, measured some days later."""
    world.clock.advance(timedelta(days=days))
    checkpoint = next(c for c in world.checkpoints(incident_id) if c["status"] == "planned")
    world.measure(checkpoint["checkpoint_id"])
    view: dict[str, Any] = world.http.get(f"/checkpoints/{checkpoint['checkpoint_id']}", world.lead).json()
    return view


def year(world: World, value: Any) -> dict[str, Any]:
    """The fourteen months until now, of a value that may depend on the month's place."""
    months = months_before(world.clock.now().date(), 13)
    return {f"{m:%Y-%m}": value(n) for n, m in enumerate(months)}


def verified(world: World, incident_id: UUID, band: Band = Band.MODERATE) -> None:
    """Open, do and verify one action."""
    world.open(incident_id, band=band)
    world.verify(world.finish(world.agree(incident_id)))


def test_opening_freezes_what_was_chosen_or_the_policy_has(world: World) -> None:
    incident_id = world.incident()
    assert measures(world, incident_id) == []
    chosen = define(world, incident_id, 0, scope="location", category="fall", definition=PRIVATE)
    assert (chosen["number"], chosen["category"], chosen["baseline_first"]) == (1, "fall", None)
    assert define(world, incident_id, 0, 412, scope="provider")["type"] == "/problems/changed-meanwhile"
    world.open(incident_id)
    [frozen] = measures(world, incident_id)
    assert (frozen["category"], frozen["scope"]) == ("fall", "location")
    assert (frozen["baseline_first"], frozen["baseline_until"]) == ("2025-06-01", "2026-06-08")
    other = world.incident()
    world.open(other)
    [shipped] = measures(world, other)
    assert (shipped["category"], shipped["kind"], shipped["defined_by"]) == ("medication", "incident_rate", None)
    assert shipped["definition"] == (
        "Incidents of the category medication per 1,000 occupied bed days, over the whole provider."
    )
    assert shipped["numerator"].startswith("Incidents of the category medication, without near misses")
    assert shipped["denominator"] == "Occupied bed days of the places and months that have a return."
    # What somebody chose in words stays; the rest is put in words.
    assert (frozen["definition"], frozen["numerator"].split(",")[0]) == (PRIVATE, "Incidents of the category fall")


def test_the_first_agreed_action_freezes_the_measure(world: World) -> None:
    incident_id = world.incident()
    manager = {"scope": "location", "definition": "This home alone."}
    path = f"/incidents/{incident_id}/measures"
    assert world.http.post(path, world.manager, manager, version=0).status_code == 201
    assert world.http.post(path, world.manager, {**manager, "category": "fall"}, version=1).status_code == 201
    world.agree(incident_id)
    before, frozen = measures(world, incident_id)
    assert (before["baseline_first"], frozen["baseline_first"]) == (None, "2025-06-01")
    late = world.http.post(path, world.manager, {"reason": "It suits better."}, version=2)
    assert (late.status_code, late.json()["type"]) == (403, "/problems/forbidden")
    assert define(world, incident_id, 2, 422, scope="provider")["errors"][0]["field"] == "reason"
    world.clock.advance(timedelta(days=20))
    changed = define(world, incident_id, 2, scope="provider", reason="The actions are for all homes.")
    # Nothing has opened, so that the days are still those of the policy.
    assert (changed["baseline_first"], changed["baseline_until"]) == ("2025-06-01", "2026-06-08")
    assert (changed["defined_by"], changed["reason"]) == (str(world.lead.id), "The actions are for all homes.")
    world.open(incident_id)
    world.agree(incident_id)
    assert measures(world, incident_id) == [before, frozen, changed]
    assert world.http.post(path, world.manager, {"reason": "It suits better."}, version=3).status_code == 403
    with transaction(world.engine, world.provider) as session:
        told = [e["action"] for e in audit.read(session, "actions", incident_id) if e["action"].startswith("measure")]
    assert told == ["measure_defined", "measure_defined", "measure_frozen", "measure_changed"]


def test_an_action_that_serves_another_incident_freezes_the_measure_of_both(world: World) -> None:
    incident_id, served = world.incident(), world.incident()
    define(world, served, 0, scope="location")
    world.agree(incident_id, serves=[str(served)])
    for one, scope in ((incident_id, "provider"), (served, "location")):
        [frozen] = measures(world, one)
        assert (frozen["scope"], frozen["baseline_until"]) == (scope, "2026-06-08")
    assert define(world, served, 1, 422, scope="provider")["errors"][0]["field"] == "reason"


def test_an_indicator_is_frozen_with_its_definition(world: World) -> None:
    score = indicator(world)
    record(world, score, year(world, lambda n: 70 + n % 3))
    incident_id = world.incident()
    chosen = define(world, incident_id, 0, kind="indicator", indicator_id=score["indicator_id"])
    assert (chosen["indicator_definition"], chosen["definition"]) == (None, None)
    verified(world, incident_id, Band.HIGH)
    [frozen] = measures(world, incident_id)
    assert (frozen["indicator_definition"], frozen["definition"]) == (1, SCORE["definition"])
    path = f"/indicators/{score['indicator_id']}"
    body = {"definition": "Twenty charts, another form.", "reason": "The form was replaced."}
    world.http.post(f"{path}/definitions", world.lead, body, version=2)
    # All months again by the new form: of one definition, but not of the one that was frozen.
    world.clock.advance(timedelta(days=31))
    record(world, score, {**year(world, lambda n: 70 + n % 3), "2025-06": 70.0, "2026-07": 95.0})
    view = measured(world, incident_id, 0)
    assert (view["proposed"], view["rule"]) == ("cannot_judge", "mixed-definitions")
    assert measures(world, incident_id) == [frozen]
    world.judge(view["checkpoint_id"], Verdict.CANNOT_JUDGE)
    define(
        world, incident_id, 1, kind="indicator", indicator_id=score["indicator_id"], reason="The form was replaced.",
        baseline_first="2025-06-01", baseline_until="2026-06-08",
    )  # fmt: skip
    assert measures(world, incident_id)[-1]["indicator_definition"] == 2
    again = measured(world, incident_id, 0)
    assert (again["proposed"], again["rule"]) == ("improving_not_yet_proven", "signal-of-improvement")


def test_a_place_without_a_region_is_not_measured_by_its_region(world: World) -> None:
    incident_id = world.incident(region_id=None)
    refused = define(world, incident_id, 0, 422, scope="region")
    assert [e["field"] for e in refused["errors"]] == ["scope"]
    assert define(world, incident_id, 0, scope="location")["scope"] == "location"
    within = world.incident()
    define(world, within, 0, scope="region")
    # As a measure of before this was refused: it counts nothing, and not the whole provider.
    with transaction(world.engine, world.provider) as session:
        defined = measure_of(session, within, 1)
        assert defined is not None
        improvement = session.get_one(Improvement, (within, 1))
        assert observing._measure(session, improvement, defined).locations == (world.location,)
        improvement.region_id = None
        assert observing._measure(session, improvement, defined).locations == ()
        session.rollback()


def test_a_change_after_opening_needs_a_reason_and_stays_on_record(world: World) -> None:
    incident_id = world.incident()
    world.open(incident_id)
    refused = define(world, incident_id, 1, 422, scope="location")
    assert refused["errors"][0]["field"] == "reason"
    define(world, incident_id, 1, scope="location", reason=f"Only this home changed. {PRIVATE}")
    first, second = measures(world, incident_id)
    assert (first["scope"], first["baseline_first"]) == ("provider", "2025-06-01")
    assert (second["scope"], second["baseline_first"], second["reason"] is not None) == ("location", None, True)
    assert second["defined_by"] == str(world.lead.id)
    late = define(
        world,
        incident_id,
        2,
        422,
        scope="location",
        reason="x",
        baseline_first="2026-01-01",
        baseline_until="2026-06-09",
    )
    assert late["errors"][0]["field"] == "baseline_until"
    with transaction(world.engine, world.provider) as session:
        entries = audit.read(session, "actions", incident_id)
    assert [e["action"] for e in entries][-1] == "measure_changed"
    assert audit.verify(entries) is None
    assert PRIVATE not in json.dumps(entries, default=str)


def test_redefined_midway_cannot_be_judged_until_it_is_based_anew(world: World) -> None:
    incident_id = improved(world, band=Band.HIGH, before=60, after=0)
    define(world, incident_id, 1, scope="location", reason="Only this home changed.")
    view = measured(world, incident_id)
    assert (view["proposed"], view["rule"]) == ("cannot_judge", "redefined-without-baseline")
    world.judge(view["checkpoint_id"], Verdict.CANNOT_JUDGE)
    define(
        world, incident_id, 2, scope="location", reason="Based on the year before.",
        baseline_first="2025-06-08", baseline_until="2026-06-08",
    )  # fmt: skip
    view = measured(world, incident_id, 60)
    assert (view["proposed"], view["rule"], view["measure"]["number"]) == ("improving_not_yet_proven", "rate-fell", 3)
    first = world.checkpoints(incident_id)[0]
    seen = world.http.get(f"/checkpoints/{first['checkpoint_id']}", world.lead).json()
    assert (seen["measure"]["number"], seen["baseline_first"]) == (2, None)


def test_when_all_reporting_falls_fewer_incidents_prove_nothing(world: World) -> None:
    now = world.clock.now()
    world.exposure(months_before(now.date(), 14), "300")
    world.exposure([date(2026, 7, 1)], "300")
    for n in range(60):
        world.imported(now - timedelta(days=1 + 6 * n))
        world.imported(now - timedelta(days=1 + 6 * n), category=Category.FALL)
    incident_id = world.incident()
    verified(world, incident_id)
    view = measured(world, incident_id)
    assert (view["proposed"], view["rule"]) == ("cannot_judge", "reporting-fell-too")
    assert (view["balance"]["other_reports_before"], view["balance"]["other_reports_after"]) == (58, 0)
    assert view["balance"]["hours_to_report_before"] == 0
    assert view["chart"]["kind"] == "u"
    assert len(view["chart"]["values"]) == len(view["chart"]["months"]) == len(view["chart"]["upper"])


def test_the_month_of_the_incident_is_not_compared_with(world: World) -> None:
    """A peak of thirty in the first week of June led to the case; the year before had two a month."""
    now = world.clock.now()
    world.exposure(months_before(now.date(), 14), "300")
    world.exposure([date(2026, 7, 1)], "300")
    for month in months_before(date(2026, 5, 1), 12):
        for day in (5, 15):
            world.imported(datetime(month.year, month.month, day, 12, tzinfo=UTC))
    for n in range(30):
        world.imported(now - timedelta(days=1 + n % 7), reported_at=now)
    incident_id = world.incident()
    verified(world, incident_id)
    for n in range(2):
        world.imported(now + timedelta(days=2 + n))
    view = measured(world, incident_id)
    assert (view["baseline_first"], view["baseline_until"]) == ("2025-06-01", "2026-06-08")
    assert (view["baseline_events"], Decimal(view["baseline_exposure"]), view["events"]) == (24, 3600, 2)
    assert view["warnings"] == ["incident-month-left-out"]
    assert view["chart"]["gaps"] == ["2026-06-01"]
    # 2 of 282.58 bed days against 24 of 3,600: as before. With the peak in it the rate would have halved.
    assert (view["proposed"], view["rule"]) == ("cannot_judge", "few-events-expected")
    assert view["balance"]["hours_to_report_before"] == 0


def test_a_score_recorded_in_the_month_of_the_incident_is_no_point_of_the_baseline(world: World) -> None:
    score = indicator(world)
    record(world, score, {**year(world, lambda n: 70 + n % 3), "2026-06": 5.0})
    incident_id = world.incident()
    define(world, incident_id, 0, kind="indicator", indicator_id=score["indicator_id"])
    verified(world, incident_id)
    world.clock.advance(timedelta(days=31))
    record(world, score, {"2026-07": 95.0})
    view = measured(world, incident_id, 0)
    assert view["warnings"] == ["incident-month-left-out"]
    drawn = dict(zip(view["chart"]["months"], view["chart"]["values"], strict=True))
    assert (drawn["2026-06-01"], drawn["2026-07-01"]) == (None, 95.0)
    assert (view["proposed"], view["rule"]) == ("improving_not_yet_proven", "signal-of-improvement")
    assert view["chart"]["limits_are_provisional"] is False


def rare(world: World) -> UUID:
    """Something verified at a home in which, in the year before, one happened each 27 or 28 days at ten bed days a day."""
    for month in months_before(date(2026, 6, 1), 14):
        days = (date(month.year + month.month // 12, month.month % 12 + 1, 1) - month).days
        world.exposure([month], str(10 * days))
    day = datetime(2025, 6, 2, 12, tzinfo=UTC)
    for n in range(14):
        world.imported(day)
        day += timedelta(days=27 + n % 2)
    incident_id = world.incident()
    define(world, incident_id, 0, scope="location")
    verified(world, incident_id)
    return incident_id


def test_months_in_which_a_place_is_closed_are_no_time_without_an_event(world: World) -> None:
    """Half a year passed without one; but the home has been closed since the first of July."""
    incident_id = rare(world)
    closed = measured(world, incident_id, 180)
    assert (closed["proposed"], closed["rule"]) == ("cannot_judge", "few-events-expected")
    # The rest of June: 22 days at ten bed days.
    assert (Decimal(closed["exposure"]), closed["chart"]["between"]["values"][-1]) == (220, 220.0)


def test_the_verdict_on_rare_events_can_be_followed_on_the_chart_of_the_checkpoint(world: World) -> None:
    incident_id = rare(world)
    world.exposure([date(2026, 7, 1), date(2026, 8, 1)], "310")
    view = measured(world, incident_id, 53)
    assert (view["proposed"], view["rule"]) == ("improving_not_yet_proven", "longer-between-events")
    assert view["chart"]["kind"] == "u"
    between = view["chart"]["between"]
    assert (between["kind"], between["baseline_points"]) == ("t", 13)
    # Thirteen times from one to the next of the year before; then 52 days without one.
    assert between["values"] == [270.0, 280.0] * 6 + [270.0, 520.0]
    assert between["outside_limits"] == [0] * 13 + [1]
    assert between["upper"][0] < 520


def test_an_event_where_there_is_no_exposure_ends_no_time(world: World) -> None:
    elsewhere = UUID(int=7)
    incident_id = rare(world)
    world.imported(world.clock.now() + timedelta(days=3), location_id=elsewhere)
    world.exposure([date(2026, 7, 1)], "310", location_id=elsewhere, unit="care_hours")
    with transaction(world.engine, world.provider) as session:
        measure = counting.Measure(world.provider, Category.MEDICATION, ExposureUnit.OCCUPIED_BED_DAYS)
        window = Window(date(2026, 6, 9), date(2026, 7, 20))
        assert counting.care_between(session, measure, window, open_end=True) == (220.0,)
        two = Window(date(2025, 6, 2), date(2025, 8, 1))
        # 2 and 29 June, and 27 July; from the day before the first to the day after the last.
        assert counting.care_between(session, measure, two, open_end=False) == (270.0, 280.0)
        assert counting.care_between(session, measure, two, open_end=True) == (10.0, 270.0, 280.0, 40.0)
    assert incident_id


def test_a_home_without_a_year_of_returns_has_a_short_baseline(world: World) -> None:
    now = world.clock.now()
    world.exposure(months_before(now.date(), 6), "300")
    world.exposure([date(2026, 7, 1)], "3000")
    for n in range(30):
        world.imported(now - timedelta(days=1 + n))
    incident_id = world.incident()
    verified(world, incident_id)
    view = measured(world, incident_id)
    assert (view["proposed"], view["rule"]) == ("cannot_judge", "short-baseline")


def test_a_series_that_people_record_leads_to_a_verdict(world: World) -> None:
    score = indicator(world)
    record(world, score, year(world, lambda n: 70 + n % 3))
    incident_id = world.incident()
    define(world, incident_id, 0, kind="indicator", indicator_id=score["indicator_id"])
    verified(world, incident_id)
    world.clock.advance(timedelta(days=31))
    record(world, score, {"2026-07": 95.0})
    first = measured(world, incident_id, 0)
    assert (first["proposed"], first["rule"]) == ("improving_not_yet_proven", "signal-of-improvement")
    assert (first["events"], first["ratio"], first["chart"]["kind"]) == (None, None, "xmr")
    assert world.events(incident_id)[-1][1]["indicator"] is True
    world.judge(first["checkpoint_id"], Verdict.IMPROVING)
    world.clock.advance(timedelta(days=62))
    record(world, score, {"2026-08": 94.0, "2026-09": 96.0})
    second = measured(world, incident_id, 0)
    assert (second["proposed"], second["rule"]) == ("improved_and_sustained", "signal-of-improvement-stayed")
    detail = world.http.get(f"/indicators/{score['indicator_id']}", world.lead).json()
    assert (detail["months"], detail["chart"]["variation_icon"]) == (16, "improvement_high")


def test_a_rate_that_people_record_is_compared_by_its_numerators(world: World) -> None:
    falls = indicator(world, name="Falls", about="quality_indicator", direction="decrease",
                      numerator="falls", denominator="occupied bed days")  # fmt: skip
    record(world, falls, year(world, lambda n: {"numerator": 10 + n % 2, "denominator": 20}))
    incident_id = world.incident()
    define(world, incident_id, 0, kind="indicator", indicator_id=falls["indicator_id"])
    verified(world, incident_id)
    world.clock.advance(timedelta(days=31))
    record(world, falls, {"2026-07": {"numerator": 25, "denominator": "20.5"}})
    view = measured(world, incident_id, 0)
    assert (view["proposed"], view["rule"], view["events"], view["chart"]["kind"]) == ("worse", "rate-rose", 25, "u")


def test_beside_a_better_score_stands_whether_people_still_report(world: World) -> None:
    """The score rose; and of the medicines that had gone wrong each week, of falls and of near misses nobody tells any
    more. Elsewhere they do, which is no matter of this home's score."""
    now = world.clock.now()
    elsewhere = UUID(int=7)
    for place in (world.location, elsewhere):
        world.exposure(months_before(date(2026, 7, 1), 15), "300", location_id=place)
    for n in range(60):
        at = now - timedelta(days=10 + 6 * n)
        world.imported(at, reported_at=at + timedelta(hours=6))
        world.imported(at, kind=Kind.NEAR_MISS)
        world.imported(at, category=Category.FALL)
        world.imported(at, category=Category.FALL, location_id=elsewhere)
    incident_id = world.incident()
    score = indicator(world, location_id=str(world.location))
    record(world, score, year(world, lambda n: 70 + n % 3))
    define(world, incident_id, 0, kind="indicator", indicator_id=score["indicator_id"])
    verified(world, incident_id)
    for n in range(3):
        world.imported(now + timedelta(days=2 + n), reported_at=now + timedelta(days=4 + n))
        world.imported(now + timedelta(days=2 + n), category=Category.FALL, location_id=elsewhere)
    world.clock.advance(timedelta(days=52))
    record(world, score, {"2026-07": 95.0})
    view = measured(world, incident_id, 0)
    assert (view["proposed"], view["rule"]) == ("improving_not_yet_proven", "signal-of-improvement")
    balance = view["balance"]
    # A year at 300 a month; 22 days of June and 29 of July after.
    assert (balance["incidents_before"], balance["incidents_after"]) == (60, 3)
    assert balance["incidents_ratio"] == pytest.approx((3 / (220 + 300 * 29 / 31)) / (60 / 3600), rel=1e-4)
    # Sixty falls and sixty near misses here before, neither since: what fell may be the telling.
    assert (balance["other_reports_before"], balance["other_reports_after"]) == (120, 0)
    assert balance["other_reports_ratio_high"] < 1
    # Of the same type: sixty, then none. Whether that is earlier help or less telling a person says.
    assert (balance["near_misses_before"], balance["near_misses_after"]) == (60, 0)
    assert balance["near_misses_ratio_high"] < 1
    assert (balance["near_miss_share_before"], balance["near_miss_share_after"]) == (0.5, 0)
    assert (balance["hours_to_report_before"], balance["hours_to_report_after"]) == (6, 48)


def test_beside_the_measure_stand_other_series_and_each_place(world: World) -> None:
    """Over both homes nothing changed: it halved in one and rose in the other, and more people went without sleep."""
    now = world.clock.now()
    elsewhere = UUID(int=7)
    for place, name in ((world.location, "Weir House"), (elsewhere, "Alder Court")):
        world.exposure(months_before(date(2026, 7, 1), 15), "300", location_id=place)
        world.tell(LocationRecorded(
            location_id=place, region_id=world.region, cqc_location_id="1-1", name=name, beds=10, active=True, revision=1,
        ))  # fmt: skip
    for n in range(60):
        for place in (world.location, elsewhere):
            world.imported(now - timedelta(days=10 + 6 * n), location_id=place)
    slept = indicator(world, name="Slept through", about="outcome_for_people")
    record(world, slept, year(world, lambda n: 70 + n % 3))
    checks = indicator(world, name="Checks at night", direction="neutral", numerator="checks", denominator="nights")
    record(world, checks, year(world, lambda n: {"numerator": 90 + n % 3, "denominator": 30}))
    home = indicator(world, name="Of the other home", location_id=str(elsewhere))
    incident_id = world.incident()
    series = [i["indicator_id"] for i in (slept, checks, home)]
    twice = define(world, incident_id, 0, 422, beside=[series[0], series[0]])
    assert twice["errors"][0]["field"] == "beside.1"
    define(world, incident_id, 0, 404, beside=[str(UUID(int=8))])
    define(world, incident_id, 0, beside=series)
    assert define(world, incident_id, 1, scope="provider")["beside"] == series, "as they were"
    verified(world, incident_id)
    for n in range(22):
        world.imported(now + timedelta(days=2 + 2 * n), location_id=elsewhere)
    world.clock.advance(timedelta(days=52))
    record(world, slept, {"2026-07": 40.0})
    record(world, checks, {"2026-07": {"numerator": 250, "denominator": 31}})
    view = measured(world, incident_id, 0)
    assert (view["proposed"], view["rule"]) == ("no_change", "no-clear-change")
    first, second, third = view["beside"]
    assert (first["name"], first["about"], first["says"], first["rule"]) == (
        "Slept through", "outcome_for_people", "worse", "signal-of-concern",
    )  # fmt: skip
    assert (round(first["before"]), first["after"], first["chart"]["kind"]) == (71, 40, "xmr")
    assert (second["says"], second["rule"]) == ("cannot_judge", "neutral-rate-rose")
    assert second["after"] == pytest.approx(1000 * 250 / 31)
    assert (third["says"], third["rule"], third["chart"]) == ("cannot_judge", "no-points", None)
    alder, weir = view["places"]
    assert (alder["name"], alder["events_before"], alder["events_after"]) == ("Alder Court", 60, 22)
    assert (weir["name"], weir["events_before"], weir["events_after"]) == ("Weir House", 60, 0)
    assert Decimal(weir["exposure_before"]) == 3600
    assert weir["ratio_high"] < 1 < alder["ratio_low"]
    assert abs(sum(Decimal(p["exposure_after"]) for p in view["places"]) - Decimal(view["exposure"])) <= Decimal("0.01")
    assert {"places", "indicators"}.isdisjoint(view["balance"])
    # Who does not decide on the effect, or sees one home only, sees as much of the others.
    path = f"/checkpoints/{view['checkpoint_id']}"
    seen = world.http.get(path, world.manager).json()
    assert (seen["places"], len(seen["beside"])) == ([], 2)
    here = world.make_actor(Role.SAFEGUARDING_LEAD, locations=[world.location])
    assert [p["name"] for p in world.http.get(path, here).json()["places"]] == ["Weir House"]
    chain = world.http.get(f"/incidents/{incident_id}/audit", world.lead).json()
    assert [e["data"]["beside"] for e in chain if e["action"] == "measure_frozen"] == [series]


def test_a_share_is_drawn_and_compared_as_a_share(world: World) -> None:
    competent = indicator(world, name="Observed and competent", about="competence_observed",
                          numerator="competent", denominator="observed", share=True)  # fmt: skip
    assert competent["share"] is True
    refused = record(
        world, competent, {"2026-04": {"numerator": 21, "denominator": 20}, "2026-05": {"numerator": 1, "denominator": 1.5}},
        status=422,
    )  # fmt: skip
    assert [e["field"] for e in refused["errors"]] == ["values.0.numerator", "values.1.denominator"]
    record(world, competent, year(world, lambda n: {"numerator": 10 + n % 2, "denominator": 20}))
    incident_id = world.incident()
    define(world, incident_id, 0, kind="indicator", indicator_id=competent["indicator_id"])
    verified(world, incident_id)
    world.clock.advance(timedelta(days=60))
    record(world, competent, {"2026-07": {"numerator": 40, "denominator": 40},
                              "2026-08": {"numerator": 39, "denominator": 40}})  # fmt: skip
    view = measured(world, incident_id, 0)
    assert (view["proposed"], view["rule"], view["events"]) == ("improving_not_yet_proven", "share-rose", 79)
    assert (Decimal(view["exposure"]), view["ratio"]) == (80, None)
    assert (view["chart"]["kind"], view["chart"]["values"][-2:]) == ("p", [100.0, 97.5])
    assert view["chart"]["compared"]["after"] == 98.75
    detail = world.http.get(f"/indicators/{competent['indicator_id']}", world.lead).json()
    assert detail["chart"]["kind"] == "p"


def test_an_indicator_that_changed_its_meaning_is_not_compared_with_itself(world: World) -> None:
    score = indicator(world)
    record(world, score, year(world, lambda n: 70 + n % 3))
    incident_id = world.incident()
    define(world, incident_id, 0, kind="indicator", indicator_id=score["indicator_id"])
    verified(world, incident_id)
    path = f"/indicators/{score['indicator_id']}"
    version = world.http.get(path, world.lead).json()["version"]
    body = {"definition": "Twenty charts, another form.", "reason": "The form was replaced."}
    assert world.http.post(f"{path}/definitions", world.manager, body, version=version).status_code == 403
    assert world.http.post(f"{path}/definitions", world.lead, body, version=version).json()["definition"] == 2
    world.clock.advance(timedelta(days=31))
    record(world, score, {"2026-07": 95.0})
    view = measured(world, incident_id, 0)
    assert (view["proposed"], view["rule"]) == ("cannot_judge", "mixed-definitions")


def test_a_csv_is_taken_whole_or_refused_by_line(world: World) -> None:
    score = indicator(world)
    path = f"/indicators/{score['indicator_id']}/import"

    def send(content: str) -> Any:
        return world.http.post(path, world.lead, content=content.encode(), headers={"Content-Type": "text/csv"})

    assert send("month,value\n2026-03,71.5\n2026-04,72\n").json()["months"] == 2
    wrong = send("month,value\n2026-05,73\n2026-13,1\n2026-06,many\n")
    assert [e["field"] for e in wrong.json()["errors"]] == ["line 3.month", "line 4.value"]
    assert send("month,value\n2026-03,1\n2026-03,2\n").status_code == 422
    assert send("month,value\n2031-01,1\n").status_code == 422
    assert send("month,score\n2026-03,1\n").status_code == 422
    assert send("month,numerator,denominator\n2026-03,1,2\n").status_code == 422
    corrected = send("month,value\n2026-03,80\n")
    assert corrected.json()["months"] == 2
    values = world.http.get(f"/indicators/{score['indicator_id']}", world.lead).json()["values"]
    assert [(v["value"], v["revision"]) for v in values] == [(80.0, 2), (72.0, 1)]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"numerator": "a"}, ""),
        ({"share": True}, ""),
        ({"direction": "sideways"}, "direction"),
        ({"about": "mood"}, "about"),
    ],
)
def test_an_indicator_is_checked(world: World, changes: dict[str, Any], field: str) -> None:
    reply = world.http.post("/indicators", world.lead, {**SCORE, **changes})
    assert reply.status_code == 422
    assert field in reply.json()["errors"][0]["field"]


def test_an_indicator_of_a_place_is_for_those_who_see_the_place(world: World) -> None:
    world.incident()
    home = indicator(world, location_id=str(world.location))
    whole = indicator(world)
    stranger = world.make_actor(Role.REGISTERED_MANAGER, locations=[UUID(int=7)])
    assert world.http.get(f"/indicators/{home['indicator_id']}", stranger).status_code == 404
    listed = world.http.get("/indicators", stranger).json()["items"]
    assert [i["indicator_id"] for i in listed] == [whole["indicator_id"]]
    refused = world.http.post("/indicators", stranger, {**SCORE, "location_id": str(world.location)})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "location_id")
