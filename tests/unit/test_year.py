"""A made-up year is the same for the same seed, and what was planted is in it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.local.cli import app
from deploy.local.year.generator import make_year
from services.reporting import consumer
from services.reporting.patterns.domain import PatternKind


def test_the_same_seed_gives_the_same_year() -> None:
    one, same, other = make_year(7, services=20), make_year(7, services=20), make_year(8, services=20)
    assert one.told == same.told
    assert one.planted == same.planted
    assert one.provider_id != other.provider_id


def test_every_kind_is_planted_and_its_incidents_are_told() -> None:
    year = make_year(7, services=20)
    assert {one.kind for one in year.planted} == set(PatternKind)
    told = {getattr(one.data, "incident_id", None) for one in year.told}
    for planted in year.planted:
        assert len(planted.incidents) >= 4
        assert set(planted.incidents) <= told
    assert {one.data.TYPE for one in year.told} <= consumer.PROJECTED
    assert [one.at for one in year.told] == sorted(one.at for one in year.told)


def test_a_stable_year_has_nothing_planted() -> None:
    assert make_year(7, services=20, planted=False).planted == []


def test_the_command_writes_a_folder_once(tmp_path: Path) -> None:
    arguments = ["generate", "year", "--services", "20", "--seed", "3", "--out", str(tmp_path / "year")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert {path.name for path in (tmp_path / "year").iterdir()} == {"events.jsonl", "truth.json"}
    with pytest.raises(Exception, match="is there already"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
