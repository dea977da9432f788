"""Reading a file of historical incidents by a mapping: what is read, what is refused, on which line."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.local.incident_file import FileMapping, Incident, Rejection, count_lines, read_incidents, read_mapping
from deploy.local.state import StackError

HOME = UUID(int=7)
PLACES = {"1-101667914": HOME, str(HOME): HOME}
HEADER = "Ref,Home,Type,Harm,Date,Time,Closed,Description,Action"
FIELDS: dict[str, Any] = {
    "source_ref": "Ref",
    "location": {"column": "Home", "values": {"Orchard": "1-101667914"}},
    "category": {"column": "Type", "values": {"Drug Error": "medication"}},
    "actual_harm": {"column": "Harm", "values": {"No harm": "none"}},
    "occurred_at": {"column": ["Date", "Time"], "formats": ["%d/%m/%Y %H:%M", "%d/%m/%Y"]},
    "closed_at": {"column": "Closed"},
    "narrative": ["Description", "Action"],
}
GOOD = "R1,Orchard,drug error,No harm,08/06/2026,09:30,2026-06-10T12:00:00Z,Two tablets were left.,Staff told"


def a_mapping(**changes: Any) -> FileMapping:
    fields = {name: spec for name, spec in (FIELDS | changes).items() if spec is not None}
    return FileMapping.model_validate({"fields": fields})


def read(path: Path, text: str, mapping: FileMapping | None = None) -> list[Incident | Rejection]:
    path.write_text(text, newline="")
    return list(read_incidents(path, mapping or a_mapping(), PLACES))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "incidents.csv"


def test_a_row_becomes_what_intake_takes(file: Path) -> None:
    assert read(file, f"{HEADER}\n{GOOD}\n") == [
        Incident(
            2,
            {
                "source_ref": "R1",
                "location_id": str(HOME),
                "kind": "incident",
                "category": "medication",
                "actual_harm": "none",
                "occurred_at": "2026-06-08T09:30:00+01:00",
                "reported_at": None,
                "closed_at": "2026-06-10T12:00:00+00:00",
                "narrative": "Two tablets were left.\nStaff told",
            },
        )
    ]


def test_json_lines_are_read_by_their_keys(tmp_path: Path) -> None:
    row = dict(zip(HEADER.split(","), GOOD.split(","), strict=True)) | {"Ref": 17, "Closed": None}
    text = f'{json.dumps(row)}\n\n[1]\n{{"Ref": \n{json.dumps(row | {"Ref": 18, "Home": ["x"]})}\n{json.dumps({})}\n'
    found = read(tmp_path / "incidents.jsonl", text)
    assert isinstance(found[0], Incident)
    assert (found[0].fields["source_ref"], found[0].fields["closed_at"]) == ("17", None)
    refused = [(row.line, row.field) for row in found[1:] if isinstance(row, Rejection)]
    assert refused == [(3, "line"), (4, "line"), (5, "line"), (6, "source_ref")]


@pytest.mark.parametrize(
    ("cell", "by", "field"),
    [
        ("R1", "", "source_ref"),
        ("Orchard", "", "location"),
        ("Orchard", "1-999999999", "location"),
        ("drug error", "", "category"),
        ("drug error", "Slips", "category"),
        ("No harm", "A bit", "actual_harm"),
        ("08/06/2026,09:30", ",", "occurred_at"),
        ("08/06/2026", "31/06/2026", "occurred_at"),
        ("08/06/2026,09:30", "29/03/2026,01:30", "occurred_at"),
        ("2026-06-10T12:00:00Z", "soon", "closed_at"),
        ("Two tablets were left.,Staff told", " , ", "narrative"),
    ],
)
def test_a_bad_cell_costs_its_row_and_is_named(file: Path, cell: str, by: str, field: str) -> None:
    assert GOOD.count(cell) == 1
    bad, other = GOOD.replace(cell, by), GOOD.replace("R1", "R2")
    found = read(file, f"{HEADER}\n{bad}\n{other}\n")
    assert isinstance(found[0], Rejection)
    assert (found[0].line, found[0].field) == (2, field)
    assert found[0].reason
    assert found[0].remedy
    assert isinstance(found[1], Incident)


def test_an_hour_that_comes_twice_is_the_first_and_a_day_begins_at_midnight(file: Path) -> None:
    twice, day = GOOD.replace("08/06/2026,09:30", "25/10/2026,01:30"), GOOD.replace(",09:30", ",").replace("R1", "R2")
    found = read(file, f"{HEADER}\n{twice}\n{day}\n")
    assert [row.fields["occurred_at"] for row in found if isinstance(row, Incident)] == [
        "2026-10-25T01:30:00+01:00",
        "2026-06-08T00:00:00+01:00",
    ]


def test_a_reference_is_taken_once(file: Path) -> None:
    found = read(file, f"{HEADER}\n{GOOD}\n\n{GOOD}\n")
    assert isinstance(found[1], Rejection)
    assert (found[1].line, found[1].field) == (4, "source_ref")
    assert "line 2" in found[1].reason


def test_lines_are_counted_where_a_row_begins(file: Path) -> None:
    longer = GOOD.replace("Two tablets were left.", '"Two tablets\nwere ""left"", it\nseems"')
    found = read(file, f'\ufeff{HEADER}\r\n{longer}\r\ntoo,few\r\na "b" c,"d" e\r\n{GOOD.replace("R1", "R2")}\r\n')
    assert [row.line for row in found] == [2, 5, 6, 7]
    assert [isinstance(row, Incident) for row in found] == [True, False, False, True]


def test_otherwise_stands_for_every_other_cell(file: Path) -> None:
    mapping = a_mapping(category={"column": "Type", "otherwise": "other"}, kind={"constant": "near_miss"})
    found = read(file, f"{HEADER}\n{GOOD}\n{GOOD.replace('drug error', '').replace('R1', 'R2')}\n", mapping)
    assert {(row.fields["category"], row.fields["kind"]) for row in found if isinstance(row, Incident)} == {
        ("other", "near_miss")
    }


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"category": {"column": "Type", "values": {"x": "cake"}}}, "cake"),
        ({"category": {"constant": "fall", "column": "Type"}}, "column or a constant"),
        ({"actual_harm": {"values": {"x": "low"}}}, "column or a constant"),
        ({"narrative": None}, "narrative"),
        ({"narrative": []}, "narrative"),
        ({"colour": "Colour"}, "colour"),
        ({"occurred_at": {"column": "Date", "formats": ["dd/mm/yyyy"]}}, "dd/mm/yyyy"),
        ({"occurred_at": {"column": "Date", "format": "iso"}}, "format"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    path = tmp_path / "mapping.yaml"
    fields = {name: spec for name, spec in (FIELDS | changes).items() if spec is not None}
    path.write_text(yaml.safe_dump({"fields": fields}))
    with pytest.raises(StackError, match=says):
        read_mapping(path)


@pytest.mark.parametrize("text", ["", "a: b", "fields: [", "- 1", "time_zone: Mars/Base"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text(text)
    with pytest.raises(StackError, match=r"mapping\.yaml"):
        read_mapping(path)


def test_the_mapping_of_the_documentation_is_read(tmp_path: Path) -> None:
    document = (Path(__file__).parents[2] / "docs" / "import.md").read_text()
    path = tmp_path / "mapping.yaml"
    path.write_text(document.partition("```yaml\n")[2].partition("```")[0])
    assert read_mapping(path).columns() == [
        "Ref", "Home", "Type", "Harm", "Date", "Time", "Reported", "Closed", "Description", "Immediate action",
    ]  # fmt: skip


def test_a_header_without_a_column_of_the_mapping_is_refused(file: Path) -> None:
    with pytest.raises(StackError, match="'Harm'"):
        read(file, f"{HEADER.replace('Harm', 'Hurt')}\n{GOOD}\n")


@pytest.mark.parametrize("content", [b"", b"Ref\nCaf\xe9\n", b"Ref\nCaf\xc3"])
def test_a_file_that_is_empty_or_not_utf8_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(StackError):
        count_lines(file)


@settings(max_examples=50)
@given(st.text(min_size=1, max_size=200), st.sampled_from(["csv", "jsonl"]))
def test_whatever_is_in_the_file_is_read_or_refused(tmp_path_factory: Any, text: str, kind: str) -> None:
    path = tmp_path_factory.mktemp("any") / f"incidents.{kind}"
    path.write_bytes((f"{HEADER}\n" if kind == "csv" else "").encode() + text.encode())
    assert count_lines(path) >= 0
    found = list(read_incidents(path, a_mapping(), PLACES))
    assert all(isinstance(row, Rejection) for row in found)
