"""Directory's rules: who is called, what a month can hold, and how CQC's file is read."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from services.contracts import identity
from services.contracts.taxonomy import ExposureUnit, LocationType, Role
from services.directory import cqc, policy
from services.directory.domain import Duty, Reach, in_order, location_types, reach

NOON = datetime(2026, 6, 8, 12, tzinfo=UTC)
POLICY = policy.shipped()


def person(number: int) -> UUID:
    return UUID(int=number)


# --- types of service


@pytest.mark.parametrize(
    ("names", "types"),
    [
        ([], []),
        (["Care home service without nursing"], [LocationType.CARE_HOME]),
        (["Care home service with nursing", "Care home service without nursing"],
         [LocationType.CARE_HOME, LocationType.CARE_HOME_NURSING]),
        (["Domiciliary care service", "Extra Care housing services", "Supported living service"],
         [LocationType.EXTRA_CARE, LocationType.HOME_CARE, LocationType.SUPPORTED_LIVING]),
        (["Homecare agencies", "Nursing homes", "Residential homes", "Shared Lives"],
         [LocationType.CARE_HOME, LocationType.CARE_HOME_NURSING, LocationType.HOME_CARE, LocationType.SHARED_LIVES]),
        (["Rehabilitation services"], [LocationType.OTHER]),
    ],
)  # fmt: skip
def test_the_type_of_a_service_follows_from_cqcs_names(names: list[str], types: list[LocationType]) -> None:
    assert location_types(names) == types


# --- on call


def test_a_turn_on_the_rota_comes_before_a_standing_role_however_near() -> None:
    assert in_order([Duty(person(1), Reach.LOCATION), Duty(person(2), Reach.PROVIDER, NOON)]) == [person(2), person(1)]


def test_the_nearest_turn_counts_then_the_one_that_began_last() -> None:
    earlier = NOON - timedelta(hours=8)
    assert in_order([Duty(person(1), Reach.REGION, NOON), Duty(person(2), Reach.LOCATION, earlier)]) == [
        person(2),
        person(1),
    ]
    assert in_order([Duty(person(1), Reach.REGION, earlier), Duty(person(2), Reach.REGION, NOON)]) == [
        person(2),
        person(1),
    ]


def test_nobody_is_called_where_nobody_is() -> None:
    assert in_order([]) == []


@given(
    st.lists(
        st.builds(
            Duty,
            st.integers(0, 9).map(person),
            st.sampled_from(Reach),
            st.none() | st.integers(-50, 0).map(lambda hours: NOON + timedelta(hours=hours)),
        ),
        min_size=1,
    ),
    st.randoms(),
)
def test_the_answer_does_not_depend_on_the_order_and_is_one_of_the_best(duties: list[Duty], random: object) -> None:
    shuffled = list(duties)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    called = in_order(duties)
    assert in_order(shuffled) == called
    turns = [duty for duty in duties if duty.since is not None] or duties
    nearest = min(duty.reach for duty in turns)
    assert called[0] in {duty.person_id for duty in turns if duty.reach is nearest}
    assert sorted(called) == sorted({duty.person_id for duty in duties}), "each once"


def test_what_names_no_place_reaches_the_whole_provider() -> None:
    assert reach(person(1), None) is Reach.LOCATION
    assert reach(None, person(1)) is Reach.REGION
    assert reach(None, None) is Reach.PROVIDER


def test_a_rung_that_nobody_holds_may_have_somebody_to_stand_in() -> None:
    assert POLICY.in_turn(Role.EXECUTIVE) == [Role.EXECUTIVE, Role.DIRECTOR]
    assert POLICY.in_turn(Role.SHIFT_LEAD) == [Role.SHIFT_LEAD]


# --- exposure


def test_a_month_holds_no_more_bed_days_than_beds_and_days() -> None:
    unit = ExposureUnit.OCCUPIED_BED_DAYS
    assert POLICY.most_exposure(unit, date(2024, 2, 1), 10) == Decimal("1.1") * 290
    assert POLICY.most_exposure(unit, date(2026, 6, 1), 0) == 0
    assert POLICY.most_exposure(ExposureUnit.CARE_HOURS, date(2026, 6, 1), 0) == 200_000


# --- policy


@pytest.mark.parametrize(
    ("section", "changes"),
    [
        ("on_call", {"ladder": []}),
        ("on_call", {"ladder": ["director", "director"]}),
        ("on_call", {"ladder": ["service"]}),
        ("on_call", {"ladder": ["night_owl"]}),
        ("on_call", {"longest_turn_days": 0}),
        ("exposure", {"most_occupied": 0.9}),
        ("exposure", {"most_care_hours": -1}),
        ("exposure", {"most_visits": 1}),
    ],
)
def test_a_policy_that_cannot_work_is_refused(tmp_path: Path, section: str, changes: dict[str, object]) -> None:
    shipped = Path(policy.__file__).parent / "policies" / "default.yaml"
    document = yaml.safe_load(shipped.read_text())
    document[section] |= changes
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump(document))
    with pytest.raises(ValueError, match=next(iter(changes))):
        policy.load(file)


# --- ids


def test_ids_that_follow_from_cqc_never_change() -> None:
    """Tokens, imports and other systems hold these: a change of the rule would orphan them all."""
    assert identity.provider_id("1-101667914") == UUID("dd07ca1c-db0a-5c01-ae2b-bbbedc371ec3")
    assert identity.location_id("RX3LD") == UUID("172adfbe-a553-514a-b279-6e899949b632")
    assert identity.region_id(identity.provider_id("1-101667914"), "South West") == UUID(
        "03f0e7d3-9da7-5cbb-9594-bd1fd916d6de"
    )


# --- CQC's file

HEADER = [*cqc.REQUIRED, cqc.ENDED, "Phone"]
GOOD = {
    cqc.LOCATION_ID: "1-123456789",
    cqc.LOCATION_NAME: "Orchard, The",
    cqc.LOCAL_AUTHORITY: "Leeds",
    cqc.REGION: "South West (ADASS Region)",
    cqc.SERVICE_TYPES: "Care home service with nursing, Care home service with nursing,Supported living service",
    cqc.BEDS: "12",
    cqc.STARTED: "2010-12-20",
    cqc.ENDED: "",
    cqc.PROVIDER_ID: "RX3",
    cqc.PROVIDER_NAME: "Orchard Care Ltd",
}


def a_file(*rows: dict[str, str], header: list[str] = HEADER) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows([row.get(name, "") for name in header] for row in rows)
    return text.getvalue().encode()


def test_a_good_row_is_read_whole() -> None:
    rows, rejections = cqc.read(a_file(GOOD))
    assert not rejections
    assert rows == [
        cqc.Row(
            line=2,
            location_id="1-123456789",
            name="Orchard, The",
            provider_id="RX3",
            provider_name="Orchard Care Ltd",
            local_authority="Leeds",
            region="South West",
            service_types=("Care home service with nursing", "Supported living service"),
            beds=12,
            registered_on=date(2010, 12, 20),
            deregistered_on=None,
        )
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (cqc.LOCATION_ID, ""),
        (cqc.LOCATION_ID, "1-12AB"),
        (cqc.LOCATION_ID, "123456789"),
        (cqc.LOCATION_ID, "1-1234567890123"),
        (cqc.LOCATION_ID, "1-\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669"),
        (cqc.LOCATION_NAME, " "),
        (cqc.LOCATION_NAME, "x" * 301),
        (cqc.LOCATION_NAME, "a\x00b"),
        (cqc.LOCATION_NAME, "two\nlines"),
        (cqc.PROVIDER_ID, ""),
        (cqc.PROVIDER_ID, "BD226"),
        (cqc.PROVIDER_NAME, ""),
        (cqc.BEDS, "-1"),
        (cqc.BEDS, "many"),
        (cqc.BEDS, "6.5"),
        (cqc.BEDS, "2001"),
        (cqc.STARTED, "31/02/2020"),
        (cqc.STARTED, "2020-02-30"),
        (cqc.STARTED, "0001-01-01"),
        (cqc.STARTED, "2020"),
        (cqc.ENDED, "2009-01-01"),
        (cqc.ENDED, "soon"),
    ],
)
def test_a_bad_cell_costs_its_row_and_is_named(field: str, value: str) -> None:
    other = GOOD | {cqc.LOCATION_ID: "1-987654321"}
    rows, rejections = cqc.read(a_file(other, GOOD | {field: value}, GOOD))
    assert [row.location_id for row in rows] == ["1-987654321", "1-123456789"]
    assert [(rejection.line, rejection.field) for rejection in rejections] == [(3, field)]
    assert rejections[0].reason
    assert rejections[0].remedy


@pytest.mark.parametrize("written", ["2010-12-20", "12/20/2010 12:00:00 AM"])
def test_days_are_read_as_cqc_writes_them(written: str) -> None:
    rows, _ = cqc.read(a_file(GOOD | {cqc.STARTED: written}))
    assert rows[0].registered_on == date(2010, 12, 20)


def test_no_beds_are_none() -> None:
    assert cqc.read(a_file(GOOD | {cqc.BEDS: ""}))[0][0].beds == 0


def test_a_location_is_taken_over_once_and_the_first_good_row_counts() -> None:
    rows, rejections = cqc.read(a_file(GOOD | {cqc.BEDS: "x"}, GOOD, GOOD | {cqc.BEDS: "3"}))
    assert [(row.line, row.beds) for row in rows] == [(3, 12)]
    assert [(rejection.line, rejection.field) for rejection in rejections] == [(2, cqc.BEDS), (4, cqc.LOCATION_ID)]
    assert "line 3" in rejections[1].reason


def test_columns_may_come_in_any_order_and_the_end_date_may_be_absent() -> None:
    header = [name for name in reversed(HEADER) if name != cqc.ENDED]
    rows, rejections = cqc.read(a_file(GOOD, header=header))
    assert not rejections
    assert rows[0].deregistered_on is None


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_any_line_end_and_a_byte_order_mark_will_do(ends: str, mark: str) -> None:
    text = a_file(GOOD, GOOD | {cqc.LOCATION_ID: "bad"}).decode().replace("\r\n", ends)
    rows, rejections = cqc.read((mark + text + ends * 3 + "," * (len(HEADER) - 1)).encode())
    assert (len(rows), [rejection.line for rejection in rejections]) == (1, [3])


def test_a_cell_may_hold_line_breaks_inside_quotes() -> None:
    rows, rejections = cqc.read(a_file(GOOD | {"Phone": "one\ntwo\nthree"}, GOOD | {cqc.LOCATION_ID: "1-987654321"}))
    assert not rejections
    assert [row.line for row in rows] == [2, 5]


@pytest.mark.parametrize("spoilt", ['"lost,', 'a "quote", too', "too,few", ",".join("x" * 50)])
def test_a_malformed_line_spoils_no_other(spoilt: str) -> None:
    lines = a_file(*(GOOD | {cqc.LOCATION_ID: f"1-10000000{n}"} for n in range(6))).decode().splitlines()
    lines[3] = spoilt
    rows, rejections = cqc.read("\n".join(lines).encode())
    assert [row.line for row in rows] == [2, 3, 5, 6, 7]
    assert [(rejection.line, rejection.field) for rejection in rejections] == [(4, "line")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \n\n", "empty"),
        (a_file(), "no rows"),
        (a_file(GOOD) + "Café".encode("latin-1"), "is not UTF-8 at line 3"),
        (a_file(GOOD).decode().encode("utf-16"), "is not UTF-8 at line 1"),
        (a_file(GOOD, header=["Name", "Location ID"]), "in its header"),
        (a_file(GOOD, header=[*HEADER, cqc.BEDS]), "more than once"),
        (b'"' + a_file(GOOD), "header"),
        (a_file(GOOD) + b"\n" * 200_000, "more than 200,000 lines"),
        (b"PK\x03\x04" + bytes(200), "header"),
    ],
)
def test_a_file_whose_rows_cannot_be_told_apart_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(cqc.UnreadableFile) as refused:
        cqc.read(content)
    assert reason in refused.value.reason
    assert refused.value.remedy


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_whatever_is_sent_is_read_or_refused(content: bytes) -> None:
    for file in (content, a_file(GOOD) + content):
        try:
            rows, rejections = cqc.read(file)
        except cqc.UnreadableFile:
            continue
        lines = [row.line for row in rows] + [rejection.line for rejection in rejections]
        assert len(set(lines)) == len(lines)
