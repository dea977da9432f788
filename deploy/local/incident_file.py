"""Reads a file of historical incidents by a mapping: its columns become the fields of an import. See docs/import.md.

A row that cannot be read is refused with its line, its field and what to do; the others go on.
"""

import codecs
import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from deploy.local.state import StackError
from services.contracts.taxonomy import Category, Kind, PhysicalHarm

_SHOWN = 60
"""How much of a cell is quoted when it is refused. A narrative is never quoted."""

Columns = Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]


@dataclass(frozen=True)
class Rejection:
    """A row that was not taken over, and why. The header of a CSV file is line 1."""

    line: int
    field: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Incident:
    """A row as the API of intake wants it."""

    line: int
    fields: dict[str, Any]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Refused(Exception):
    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


class _Text(_Strict):
    """Text of one column, or of several, one below the other."""

    column: Columns = Field(min_length=1)

    def read(self, row: Mapping[str, str]) -> str | None:
        """What the row says, or None where it is blank."""
        return "\n".join(filter(None, (row[name].strip() for name in self.column))) or None


class _Place(_Text):
    """A location by CQC id or by our own; `values` says which is meant by what the file calls it."""

    values: dict[str, str] = Field(default_factory=dict)


Code = TypeVar("Code", Kind, Category, PhysicalHarm)


class _Choice(_Strict):
    """A code of a taxonomy: a constant, or what `values` says of the column's cell; `otherwise` for all other cells."""

    column: Columns = Field(default_factory=list)
    constant: str | None = None
    values: dict[str, str] = Field(default_factory=dict)
    otherwise: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.column) == (self.constant is not None):
            raise ValueError("give either a column or a constant")
        return self

    def codes(self) -> list[str]:
        """Every code that the mapping names itself."""
        return [*self.values.values(), *filter(None, (self.constant, self.otherwise))]

    def read(self, row: Mapping[str, str], taxonomy: type[Code]) -> str | None:
        """The code that the row means, or None where the cell is blank and nothing stands for it."""
        if self.constant is not None:
            return self.constant
        cell = " ".join(filter(None, (row[name].strip() for name in self.column)))
        wanted = cell.casefold()
        for written, code in self.values.items():
            if written.casefold() == wanted:
                return code
        if wanted in set(taxonomy):
            return wanted
        if self.otherwise is not None:
            return self.otherwise
        if not cell:
            return None
        raise _Refused(
            f"{_quoted(cell)} is not in the mapping",
            "Add it to 'values' of this field, or set 'otherwise'. docs/import.md lists the codes.",
        )


class _Moment(_Strict):
    """A time of one column, or of a date and a time column. Formats are tried in turn; `iso` is ISO 8601."""

    column: Columns = Field(min_length=1)
    formats: list[str] = Field(default=["iso"], min_length=1)

    @field_validator("formats")
    @classmethod
    def _holds_a_date(cls, formats: list[str]) -> list[str]:
        for form in formats:
            if form != "iso" and "%" not in form:
                raise ValueError(f"{form!r} is neither 'iso' nor a format such as '%d/%m/%Y %H:%M'")
        return formats

    def read(self, row: Mapping[str, str], zone: ZoneInfo) -> str | None:
        """The instant in ISO 8601 with its offset, or None where the cells are blank."""
        cell = " ".join(filter(None, (row[name].strip() for name in self.column)))
        if not cell:
            return None
        for form in self.formats:
            try:
                moment = datetime.fromisoformat(cell) if form == "iso" else datetime.strptime(cell, form)  # noqa: DTZ007 - its zone comes next
                return (moment if moment.tzinfo else _in_zone(moment, zone)).isoformat()
            except (ValueError, OverflowError):
                continue
        raise _Refused(
            f"{_quoted(cell)} is not a time in any of the formats",
            "Correct the cell, or add its format to the mapping.",
        )


def _in_zone(moment: datetime, zone: ZoneInfo) -> datetime:
    """A local time with its zone. An hour that comes twice in autumn means the first."""
    local = moment.replace(tzinfo=zone)
    if local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment:
        raise _Refused(
            "is a time that the clocks skipped in spring", "Correct the time, or give it with its offset from UTC."
        )
    return local


def _quoted(cell: str) -> str:
    return repr(cell if len(cell) <= _SHOWN else cell[:_SHOWN] + "…")


def _column_only(value: Any) -> Any:
    return {"column": value} if isinstance(value, str | list) else value


Text = Annotated[_Text, BeforeValidator(_column_only)]
Place = Annotated[_Place, BeforeValidator(_column_only)]
Choice = Annotated[_Choice, BeforeValidator(_column_only)]
Moment = Annotated[_Moment, BeforeValidator(_column_only)]


class _Fields(_Strict):
    source_ref: Text
    location: Place
    kind: Choice = _Choice(constant=Kind.INCIDENT)
    category: Choice
    actual_harm: Choice
    occurred_at: Moment
    reported_at: Moment | None = None
    closed_at: Moment | None = None
    narrative: Text

    @model_validator(mode="after")
    def _known_codes(self) -> Self:
        choices = (("kind", self.kind, Kind), ("category", self.category, Category), ("actual_harm", self.actual_harm, PhysicalHarm))  # fmt: skip
        for name, choice, taxonomy in choices:
            unknown = sorted(set(choice.codes()) - set(taxonomy))
            if unknown:
                raise ValueError(f"{name}: {', '.join(unknown)}: no such code. Use {', '.join(taxonomy)}")
        return self


class FileMapping(_Strict):
    """What the columns of a file mean."""

    format: Literal["csv", "jsonl"] | None = Field(default=None, description="By the file's name if left out.")
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    time_zone: str = "Europe/London"
    fields: _Fields

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError, KeyError):
            raise ValueError(f"{name!r} is no time zone: use a name such as Europe/London") from None
        return name

    def columns(self) -> list[str]:
        """Every column that the mapping reads."""
        sources = (getattr(self.fields, name) for name in _Fields.model_fields)
        return list(dict.fromkeys(column for source in sources if source is not None for column in source.column))


def read_mapping(path: Path) -> FileMapping:
    """The mapping in a file. Raises StackError that names what is wrong."""
    try:
        return FileMapping.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StackError(f"the mapping {path} cannot be read: {_one_line(error)}") from None
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors(include_url=False, include_input=False)
        )
        raise StackError(f"the mapping {path} is not right: {faults}. docs/import.md describes it.") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def count_lines(path: Path) -> int:
    """How many lines the file has. Raises StackError if it is not there, empty, or not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    lines, empty = 0, True
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                empty = False
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError as error:
                    line = lines + error.object[: error.start].count(b"\n") + 1
                    raise StackError(
                        f"{path} is not UTF-8 near line {line}: save it as 'CSV UTF-8' and try again"
                    ) from None
                lines += chunk.count(b"\n")
            decoder.decode(b"", final=True)
    except OSError as error:
        raise StackError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise StackError(f"{path} ends in the middle of a character: is it whole?") from None
    if empty:
        raise StackError(f"{path} is empty")
    return lines


def read_incidents(path: Path, mapping: FileMapping, locations: Mapping[str, UUID]) -> Iterator[Incident | Rejection]:
    """Each row of a file, read or refused. `locations` are those of the provider, by CQC id and by our own.

    Raises StackError for a CSV file whose header lacks a column of the mapping.
    """
    kind = mapping.format or ("jsonl" if path.suffix.lower() in (".jsonl", ".ndjson", ".json") else "csv")
    first_seen: dict[str, int] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = _csv_rows(file, mapping, path) if kind == "csv" else _json_rows(file, mapping.columns())
        for line, row in rows:
            if isinstance(row, _Refused):
                yield Rejection(line, "line", row.reason, row.remedy)
                continue
            read = _incident(line, row, mapping, locations)
            if isinstance(read, Incident):
                ref = read.fields["source_ref"]
                seen = first_seen.setdefault(ref, line)
                if seen != line:
                    read = Rejection(
                        line,
                        "source_ref",
                        f"is there already on line {seen}",
                        "Give each incident a reference of its own.",
                    )
            yield read


def _csv_rows(
    file: Iterator[str], mapping: FileMapping, path: Path
) -> Iterator[tuple[int, Mapping[str, str] | _Refused]]:
    reader = csv.reader(file, delimiter=mapping.delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error:
        header = []
    missing = [name for name in mapping.columns() if name not in header]
    if missing:
        raise StackError(
            f"the header of {path} lacks {', '.join(map(repr, missing))}: correct the mapping, or its 'delimiter'"
        )
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield line, _Refused("is not well-formed CSV", "Close each quote, and double a quote inside a quoted cell.")
            continue
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            yield (
                line,
                _Refused(
                    f"has {len(row)} cells where the header has {len(header)}",
                    "Put cells that hold the delimiter in quotes, and keep empty cells.",
                ),
            )
            continue
        yield line, dict(zip(header, row, strict=True))


def _json_rows(file: Iterator[str], columns: Sequence[str]) -> Iterator[tuple[int, Mapping[str, str] | _Refused]]:
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            yield line, _Refused("is not a JSON object", 'Write one object on each line: {"...": ...}.')
            continue
        cells = {name: content.get(name) for name in columns}
        if any(isinstance(cell, dict | list) for cell in cells.values()):
            yield line, _Refused("holds a list or an object where text is needed", "Write text, a number or null.")
            continue
        yield line, {name: "" if cell is None else str(cell) for name, cell in cells.items()}


def _incident(
    line: int, row: Mapping[str, str], mapping: FileMapping, locations: Mapping[str, UUID]
) -> Incident | Rejection:
    fields, zone = mapping.fields, ZoneInfo(mapping.time_zone)
    readers: dict[str, Any] = {
        "source_ref": lambda: fields.source_ref.read(row),
        "location": lambda: _location(fields.location, row, locations),
        "kind": lambda: fields.kind.read(row, Kind),
        "category": lambda: fields.category.read(row, Category),
        "actual_harm": lambda: fields.actual_harm.read(row, PhysicalHarm),
        "occurred_at": lambda: fields.occurred_at.read(row, zone),
        "reported_at": lambda: fields.reported_at.read(row, zone) if fields.reported_at else None,
        "closed_at": lambda: fields.closed_at.read(row, zone) if fields.closed_at else None,
        "narrative": lambda: fields.narrative.read(row),
    }
    found: dict[str, Any] = {}
    for name, read in readers.items():
        try:
            value = read()
            if value is None and name not in ("reported_at", "closed_at"):
                raise _Refused("is missing", "Fill it in.")
        except _Refused as refused:
            return Rejection(line, name, refused.reason, refused.remedy)
        found[name] = value
    found["location_id"] = str(found.pop("location"))
    return Incident(line, found)


def _location(place: _Place, row: Mapping[str, str], locations: Mapping[str, UUID]) -> UUID | None:
    cell = place.read(row)
    if cell is None:
        return None
    wanted = place.values.get(cell, cell)
    if wanted not in locations:
        raise _Refused(
            f"{_quoted(wanted)} is not a location of this provider",
            "Give its CQC id or our own, map it in 'values', or import the directory first.",
        )
    return locations[wanted]
