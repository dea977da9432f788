"""Reads CQC's care directory, the CSV file that the regulator publishes each month. Pure: bytes in, rows out.

Only the columns below count; others may be there, in any order. A row is refused on its own, with its line, its column
and what to do. A file is refused whole only when its rows cannot be told apart.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

LOCATION_ID = "Location ID"
LOCATION_NAME = "Location Name"
LOCAL_AUTHORITY = "Location Local Authority"
REGION = "Location ADASS Region"
SERVICE_TYPES = "Service Types"
BEDS = "Care homes beds"
STARTED = "Location HSCA start date"
ENDED = "Location HSCA end date"
PROVIDER_ID = "Provider ID"
PROVIDER_NAME = "Provider Name"

REQUIRED = (
    LOCATION_ID, LOCATION_NAME, LOCAL_AUTHORITY, REGION, SERVICE_TYPES, BEDS, STARTED, PROVIDER_ID, PROVIDER_NAME,
)  # fmt: skip
"""Files without `Location HSCA end date` list registered locations only."""

MOST_LINES = 200_000
MOST_BEDS = 2_000
LONGEST_TEXT = 300
MOST_SERVICE_TYPES = 50

# Of CQC's own numbering, or for a service of the NHS the code of its organisation.
_CQC_ID = r"1-[0-9]{3,12}|[RT][A-Z0-9]{2}(?:[A-Z0-9]{2})?"
_ID = re.compile(_CQC_ID)
# A record may hold line breaks inside quotes; one that goes on for longer has lost a quote.
_LONGEST_RECORD = 10
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

CQC_ID_PATTERN = f"^(?:{_CQC_ID})$"
"""What an id of CQC looks like: `1-` and digits, or the code of an NHS organisation such as `RX3LD`."""


class UnreadableFile(Exception):
    """The whole file is refused."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


@dataclass(frozen=True)
class Rejection:
    """A row that was not taken over, and why. The header is line 1."""

    line: int
    field: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Row:
    """One location as the file tells of it."""

    line: int
    location_id: str
    name: str
    provider_id: str
    provider_name: str
    local_authority: str | None
    region: str | None
    service_types: tuple[str, ...]
    beds: int
    registered_on: date | None
    deregistered_on: date | None


class _Refused(Exception):
    def __init__(self, field: str, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.field, self.reason, self.remedy = field, reason, remedy


def read(content: bytes) -> tuple[list[Row], list[Rejection]]:
    """The rows of a file and what was refused, each in the order of the file. Raises UnreadableFile."""
    records = _records(_lines(content))
    line, header = next(records, (1, []))
    if isinstance(header, _Refused):
        raise UnreadableFile(f"{header.reason} in its header, line {line}", header.remedy)
    columns = _columns(header)
    rows: list[Row] = []
    rejections: list[Rejection] = []
    first_seen: dict[str, int] = {}
    for line, record in records:
        try:
            if isinstance(record, _Refused):
                raise record
            row = _row(line, record, columns, width=len(header))
            if row.location_id in first_seen:
                raise _Refused(
                    LOCATION_ID,
                    f"is there already on line {first_seen[row.location_id]}",
                    "Keep one row for each location and remove the others.",
                )
        except _Refused as refused:
            rejections.append(Rejection(line, refused.field, refused.reason, refused.remedy))
            continue
        first_seen[row.location_id] = line
        rows.append(row)
    if not rows and not rejections:
        raise UnreadableFile("has a header and no rows", "Export the file again, with its rows.")
    return rows, rejections


def _lines(content: bytes) -> list[str]:
    if max(content.count(b"\n"), content.count(b"\r")) > MOST_LINES:
        raise UnreadableFile(f"has more than {MOST_LINES:,} lines", "Split the file and import the parts.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnreadableFile(
            f"is not UTF-8 at line {line}", "Save the file as 'CSV UTF-8', or download it from CQC again."
        ) from None
    if not text.strip():
        raise UnreadableFile("is empty", "Send the CSV file of CQC's care directory.")
    # Universal newlines: Windows line ends are read alike, and no other character ends a line.
    return list(io.StringIO(text, newline=None))


def _records(lines: Sequence[str]) -> Iterator[tuple[int, list[str] | _Refused]]:
    """Each record with the number of its first line. A fault spoils the line it is on, and not the lines after it."""
    at, width = 0, None
    while at < len(lines):
        record, span = _record(lines, at, width)
        if isinstance(record, _Refused) or any(cell.strip() for cell in record):
            yield at + 1, record
            width = width or (None if isinstance(record, _Refused) else len(record))
        at += span


def _record(lines: Sequence[str], at: int, width: int | None) -> tuple[list[str] | _Refused, int]:
    """The record that begins on a line, and over how many lines it goes."""
    for span in range(1, min(_LONGEST_RECORD, len(lines) - at) + 1):
        try:
            record = next(csv.reader(lines[at : at + span], strict=True))
        except csv.Error as error:
            if "unexpected end" not in str(error):
                break
        else:
            if span == 1 or len(record) == width:
                return record, span
            break  # a quote too many has taken in rows that are not its own
    return _Refused("line", "is not well-formed CSV", "Close each quote, and double a quote inside a quoted cell."), 1


def _columns(header: Sequence[str]) -> dict[str, int]:
    names = [name.strip() for name in header]
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise UnreadableFile(
            f"lacks {', '.join(repr(name) for name in missing)} in its header",
            "Send CQC's care directory as CSV with commas, its header on the first line.",
        )
    twice = [name for name in (*REQUIRED, ENDED) if names.count(name) > 1]
    if twice:
        raise UnreadableFile(
            f"names {', '.join(repr(name) for name in twice)} more than once in its header", "Remove the extra columns."
        )
    return {name: names.index(name) for name in (*REQUIRED, ENDED) if name in names}


def _row(line: int, record: Sequence[str], columns: dict[str, int], *, width: int) -> Row:
    if len(record) != width:
        raise _Refused(
            "line",
            f"has {len(record)} cells where the header has {width}",
            "Put cells that hold commas in quotes, and keep empty cells.",
        )
    cells = {name: record[index].strip() for name, index in columns.items()}
    row = Row(
        line=line,
        location_id=_id(LOCATION_ID, cells[LOCATION_ID]),
        name=_name(LOCATION_NAME, cells[LOCATION_NAME]),
        provider_id=_id(PROVIDER_ID, cells[PROVIDER_ID]),
        provider_name=_name(PROVIDER_NAME, cells[PROVIDER_NAME]),
        local_authority=_text(LOCAL_AUTHORITY, cells[LOCAL_AUTHORITY]) or None,
        region=_text(REGION, cells[REGION]).removesuffix(" (ADASS Region)") or None,
        service_types=_service_types(cells[SERVICE_TYPES]),
        beds=_beds(cells[BEDS]),
        registered_on=_date(STARTED, cells[STARTED]),
        deregistered_on=_date(ENDED, cells.get(ENDED, "")),
    )
    if row.registered_on is not None and row.deregistered_on is not None and row.deregistered_on < row.registered_on:
        raise _Refused(ENDED, f"is before '{STARTED}'", "Correct one of the two dates.")
    return row


def _id(field: str, cell: str) -> str:
    if not cell:
        raise _Refused(field, "is missing", "Fill it in as CQC's register shows it, for example 1-101667914.")
    if not _ID.fullmatch(cell):
        raise _Refused(
            field,
            "is not an id of CQC",
            "Correct it: '1-' and 3 to 12 digits, or the code of an NHS organisation such as RX3LD.",
        )
    return cell


def _name(field: str, cell: str) -> str:
    if not cell:
        raise _Refused(field, "is missing", "Fill it in as CQC's register shows it.")
    return _text(field, cell)


def _text(field: str, cell: str) -> str:
    if len(cell) > LONGEST_TEXT:
        raise _Refused(field, f"is longer than {LONGEST_TEXT} characters", "Shorten it.")
    if _CONTROL.search(cell):
        raise _Refused(field, "holds a line break or a control character", "Remove it.")
    return cell


def _service_types(cell: str) -> tuple[str, ...]:
    names = dict.fromkeys(name for part in cell.split(",") if (name := _text(SERVICE_TYPES, part.strip())))
    if len(names) > MOST_SERVICE_TYPES:
        raise _Refused(SERVICE_TYPES, f"names more than {MOST_SERVICE_TYPES}", "Remove what CQC does not list.")
    return tuple(names)


def _beds(cell: str) -> int:
    if not cell:
        return 0  # home care has none, and some editions leave the cell empty
    if not re.fullmatch(r"[0-9]{1,6}", cell) or int(cell) > MOST_BEDS:
        raise _Refused(BEDS, f"is not a whole number from 0 to {MOST_BEDS:,}", "Correct the number of beds.")
    return int(cell)


def _date(field: str, cell: str) -> date | None:
    """A day as the file writes it: `2010-12-20`, or `12/20/2010 12:00:00 AM` with the month first."""
    if not cell:
        return None
    form = "%Y-%m-%d" if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", cell) else "%m/%d/%Y %I:%M:%S %p"
    try:
        day = datetime.strptime(cell, form).date()  # noqa: DTZ007 - a day, not an instant
    except ValueError:
        day = date.min
    if day.year < 1900:
        raise _Refused(field, "is not a date", "Write it as year-month-day, for example 2010-12-20.")
    return day
