"""A made-up year is the same for the same seed, and what was planted is in it."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner

from deploy.local.cli import app
from deploy.local.year.evaluate import Shown, score_radar
from deploy.local.year.generator import make_year
from deploy.local.year.lives import SILENT, complete
from services.contracts import intake, review
from services.contracts.taxonomy import Seips
from services.reporting import consumer
from services.reporting.patterns.domain import PatternKind
from services.reporting.radar.policy import Weakness


def test_the_same_seed_gives_the_same_year() -> None:
    one, same, other = make_year(7, services=20), make_year(7, services=20), make_year(8, services=20)
    assert one.told == same.told
    assert one.planted == same.planted
    assert one.provider_id != other.provider_id


def test_every_kind_is_planted_and_its_incidents_are_told() -> None:
    year = make_year(7, services=20)
    # Thresholds are a provider's own: none is shipped.
    assert {one.kind for one in year.planted} == set(PatternKind) - {PatternKind.THRESHOLD}
    told = {getattr(one.data, "incident_id", None) for one in year.told}
    for planted in year.planted:
        assert len(planted.incidents) >= 4
        assert set(planted.incidents) <= told
    assert {one.data.TYPE for one in year.told} <= consumer.PROJECTED
    assert [one.at for one in year.told] == sorted(one.at for one in year.told)


def test_a_stable_year_has_nothing_planted() -> None:
    stable = make_year(7, services=20, planted=False)
    assert stable.planted == []
    assert stable.provider_id != make_year(7, services=20).provider_id, "the two can be looked at in one database"


def test_weak_services_are_planted_and_their_records_show_it() -> None:
    made = make_year(7, services=20)
    year = complete(made, 7, planted=True)
    assert complete(made, 7, planted=True).told == year.told
    assert {one.weakness for one in year.weaknesses} == {*map(str, Weakness), SILENT}
    assert {one.data.TYPE for one in year.told} <= consumer.PROJECTED
    assert [one.at for one in year.told] == sorted(one.at for one in year.told)
    assert year.told[-1].at <= year.end
    assert year.planted == made.planted, "patterns are what they are without it"
    reports = [one.data for one in year.told if isinstance(one.data, intake.IncidentReported)]
    assert {incident for one in year.planted for incident in one.incidents} <= {one.incident_id for one in reports}
    home = {one.weakness: one.location_id for one in year.weaknesses}

    def late(there: bool) -> float:
        these = [one for one in reports if (one.location_id == home[Weakness.LATE_TO_REPORT]) == there]
        return sum(one.reported_at - one.occurred_at > timedelta(days=1) for one in these) / len(these)

    assert late(True) > 0.18 > 0.15 > late(False)
    quiet = [one.occurred_at > year.end - timedelta(days=90) for one in reports if one.location_id == home[SILENT]]
    assert sum(quiet) / len(quiet) < 0.15, "a quarter of the year, and nearly nothing in it"
    places = {one.incident_id: one.location_id for one in reports}
    blamed = [
        (places[one.data.incident_id] == home[Weakness.BLAME], one.data.factors == [Seips.PERSON])
        for one in year.told
        if isinstance(one.data, review.ReviewApproved) and one.data.factors
    ]
    here = [person for there, person in blamed if there]
    elsewhere = [person for there, person in blamed if not there]
    assert sum(here) / len(here) > 0.3 > 0.2 > sum(elsewhere) / len(elsewhere)
    assert complete(make_year(7, services=20, planted=False), 7, planted=False).weaknesses == []


def test_a_weakness_is_found_where_it_was_planted_and_counted_where_it_was_not() -> None:
    year = complete(make_year(7, services=20), 7, planted=True)
    weak = {one.weakness: one.location_id for one in year.weaknesses}
    other = next(one.location_id for one in year.services if one.location_id != weak["blame"])
    nothing: tuple[set[UUID], set[UUID]] = (set(), set())
    scores = {name: Shown() for name in weak}
    score_radar(
        scores, year, dict.fromkeys(weak, nothing) | {"blame": ({weak["blame"], other}, {weak["blame"], other})}
    )
    blame, missed = scores["blame"].view(), scores["no_oversight"].view()
    assert (blame["recall"], blame["precision"]) == (1.0, 0.5)
    assert (missed["recall"], missed["precision"]) == (0.0, None)


def test_the_command_writes_a_folder_once(tmp_path: Path) -> None:
    arguments = ["generate", "year", "--services", "20", "--seed", "3", "--out", str(tmp_path / "year")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert {path.name for path in (tmp_path / "year").iterdir()} == {"events.jsonl", "truth.json"}
    with pytest.raises(Exception, match="is there already"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
