"""Indicators: series that people enter month by month, or import from a file."""

import csv
import io
import math
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, ValidationError, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from services.actions.history import SERVICE
from services.actions.impact.domain import About, month_of
from services.actions.impact.store import Indicator, IndicatorDefinition, IndicatorValue, Strict, visible_indicator
from services.actions.store import Incident
from services.runtime import audit
from services.runtime.actor import Actor
from services.runtime.errors import FieldProblem, ServiceError, invalid
from services.runtime.idempotency import check_version
from services.runtime.outbox import new_id
from services.runtime.text import LongText, ShortText
from services.spc.chart import Direction

MAX_MONTHS = 600
_COLUMNS = ("month", "value", "numerator", "denominator")


class CreateIndicator(Strict):
    """A series by which one can see whether something worked."""

    name: ShortText = Field(description="For example: medication audit score. No person's name.")
    about: About
    direction: Direction = Field(description="Which way is better.")
    definition: LongText = Field(description="What exactly is measured, how and by whom.")
    numerator: ShortText | None = Field(default=None, description="What is counted, if it is a share or a rate.")
    denominator: ShortText | None = Field(default=None, description="Out of what, if it is a share or a rate.")
    share: bool = Field(
        default=False,
        description="Whether the numerator is part of the denominator, as 17 of 19 observed. A rate else, as falls over"
        " bed days.",
    )
    location_id: UUID | None = Field(default=None, description="The place it is of; left out, the whole provider.")

    @model_validator(mode="after")
    def _whole(self) -> "CreateIndicator":
        if (self.numerator is None) != (self.denominator is None):
            raise ValueError("numerator and denominator belong together: give both, or neither")
        if self.share and self.numerator is None:
            raise ValueError("a share needs numerator and denominator: say what is counted, and out of what")
        return self


class RedefineIndicator(Strict):
    """Another meaning from now on. Values before it keep theirs, and are not compared with those after it."""

    definition: LongText
    numerator: ShortText | None = None
    denominator: ShortText | None = None
    reason: ShortText


class MonthValue(Strict):
    """One month: a value, or a numerator over a denominator."""

    month: date = Field(description="Any day of it.")
    value: Annotated[float, Field(allow_inf_nan=False)] | None = None
    numerator: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    denominator: Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=4)] | None = None


class RecordValues(Strict):
    """Months of an indicator. One that is there already is corrected."""

    values: Annotated[list[MonthValue], Field(min_length=1, max_length=MAX_MONTHS)]


def create_indicator(session: Session, actor: Actor, command: CreateIndicator, now: datetime) -> Indicator:
    """Begin a series. 422 for a place out of the actor's scope."""
    region_id = None
    if command.location_id is not None:
        region_id = session.scalars(
            select(Incident.region_id).where(Incident.location_id == command.location_id).limit(1)
        ).first()
        if not actor.sees(command.location_id, region_id):
            raise invalid("location_id", "is not a place you may see", "Name one of your places, or leave it out.")
    indicator = Indicator(
        indicator_id=new_id(),
        provider_id=actor.provider_id,
        location_id=command.location_id,
        region_id=region_id,
        name=command.name,
        about=command.about,
        direction=command.direction,
        counted=command.numerator is not None,
        share=command.share,
        definition=1,
        created_by=actor.id,
        created_at=now,
        version=1,
    )
    session.add(indicator)
    session.flush()
    _define(session, actor, indicator, command.definition, command.numerator, command.denominator, None, now)
    _append(
        session,
        actor,
        indicator,
        now,
        "indicator_created",
        {"about": indicator.about, "direction": indicator.direction, "location_id": indicator.location_id},
    )
    return indicator


def redefine_indicator(
    session: Session, actor: Actor, indicator_id: UUID, command: RedefineIndicator, version: int, now: datetime
) -> Indicator:
    """Give a series another definition, with a reason."""
    indicator = visible_indicator(session, actor, indicator_id, lock=True)
    check_version(indicator.version, version)
    indicator.definition += 1
    indicator.version += 1
    _define(session, actor, indicator, command.definition, command.numerator, command.denominator, command.reason, now)
    _append(
        session,
        actor,
        indicator,
        now,
        "indicator_redefined",
        {"definition": indicator.definition, "reason_sha256": audit.digest(command.reason)},
    )
    return indicator


def record_values(
    session: Session, actor: Actor, indicator_id: UUID, values: Sequence[MonthValue], now: datetime
) -> Indicator:
    """Enter or correct months, all or none. 422 names each row that does not fit the indicator."""
    indicator = visible_indicator(session, actor, indicator_id, lock=True)
    months = [month_of(value.month) for value in values]
    problems = [
        FieldProblem(field=f"values.{place}.{field}", message=message, remedy=remedy)
        for place, value in enumerate(values)
        for field, message, remedy in _problems(indicator, value, months[:place], now.date())
    ]
    if problems:
        raise _refused(problems)
    known = {
        row.month: row
        for row in session.scalars(
            select(IndicatorValue).where(IndicatorValue.indicator_id == indicator_id, IndicatorValue.month.in_(months))
        )
    }
    entries = []
    for value, month in zip(values, months, strict=True):
        row = known.get(month)
        figures = {"value": value.value, "numerator": value.numerator, "denominator": value.denominator}
        if row is None:
            row = IndicatorValue(indicator_id=indicator_id, month=month, provider_id=indicator.provider_id, revision=0)
            session.add(row)
        for name, figure in figures.items():
            setattr(row, name, figure)
        row.definition, row.recorded_by, row.recorded_at = indicator.definition, actor.id, now
        row.revision += 1
        entries.append(
            {"month": month, "revision": row.revision} | {n: None if f is None else str(f) for n, f in figures.items()}
        )
    indicator.version += 1
    _append(session, actor, indicator, now, "values_recorded", {"definition": indicator.definition, "values": entries})
    return indicator


def read_csv(content: bytes) -> list[MonthValue]:
    """Months from a CSV with the columns month and value, or month, numerator and denominator. 422 names the line."""
    try:
        lines = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
        header = [name.strip().lower() for name in lines.fieldnames or []]
        rows = list(lines)
    except (UnicodeDecodeError, csv.Error):
        raise invalid("file", "is not a CSV in UTF-8", "Save it as CSV UTF-8 and send it again.") from None
    unknown = sorted(set(header) - set(_COLUMNS))
    if "month" not in header or unknown:
        raise invalid(
            "file",
            "needs the columns month and value, or month, numerator and denominator, and no others",
            "The first line names them.",
        )
    if not 0 < len(rows) <= MAX_MONTHS:
        raise invalid("file", f"has {len(rows)} rows", f"Send 1 to {MAX_MONTHS} months.")
    values, problems = [], []
    for line, row in enumerate(rows, 2):
        cells = {name: (cell or "").strip() for name, cell in zip(header, row.values(), strict=False)}
        given = {name: cell for name, cell in cells.items() if cell}
        if len(given.get("month", "")) == 7:
            given["month"] += "-01"
        try:
            values.append(MonthValue.model_validate(given))
        except ValidationError as error:
            for one in error.errors():
                field = str(one["loc"][0]) if one["loc"] else "row"
                problems.append(
                    FieldProblem(
                        field=f"line {line}.{field}",
                        message="is not understood",
                        remedy="Write months as 2026-03, and plain numbers.",
                    )
                )
    if problems:
        raise _refused(problems)
    return values


def _refused(problems: list[FieldProblem]) -> ServiceError:
    return ServiceError(
        422,
        "invalid-input",
        "Some fields need attention",
        "Nothing was recorded. Correct the fields below and send all months again.",
        errors=problems,
    )


def _problems(indicator: Indicator, value: MonthValue, before: list[date], today: date) -> list[tuple[str, str, str]]:
    found = []
    if month_of(value.month) in before:
        found.append(("month", "is there twice", "Give each month once."))
    if value.month > today:
        found.append(("month", "is in the future", "Record what was measured."))
    if indicator.counted and (value.numerator is None or value.denominator is None or value.value is not None):
        found.append(("numerator", "and denominator are needed, and no value", "This indicator is counted."))
    if indicator.share and value.numerator is not None and value.denominator is not None:
        if value.numerator > value.denominator:
            found.append(("numerator", "is more than the denominator", "Of a share, count what is part of the whole."))
        if value.denominator != int(value.denominator):
            found.append(("denominator", "is not a whole number", "Of a share, count the whole."))
    if not indicator.counted and (value.value is None or value.numerator is not None or value.denominator is not None):
        found.append(("value", "is needed, without numerator or denominator", "This indicator has plain values."))
    if value.value is not None and not math.isfinite(value.value):
        found.append(("value", "is not a number", "Give a plain number."))
    return found


def _define(
    session: Session,
    actor: Actor,
    indicator: Indicator,
    definition: str,
    numerator: str | None,
    denominator: str | None,
    reason: str | None,
    now: datetime,
) -> None:
    if (numerator is not None) != indicator.counted or (denominator is not None) != indicator.counted:
        raise invalid(
            "numerator",
            "does not fit: the indicator is counted" if indicator.counted else "does not fit: it has plain values",
            "Begin another indicator for another kind of figure.",
        )
    session.add(
        IndicatorDefinition(
            indicator_id=indicator.indicator_id,
            number=indicator.definition,
            provider_id=indicator.provider_id,
            definition=definition,
            numerator=numerator,
            denominator=denominator,
            reason=reason,
            defined_by=actor.id,
            defined_at=now,
        )
    )
    session.flush()


def _append(
    session: Session, actor: Actor, indicator: Indicator, now: datetime, action: str, data: dict[str, Any]
) -> None:
    session.flush()
    audit.append(
        session,
        SERVICE,
        chain=indicator.indicator_id,
        actor=actor,
        action=action,
        subject=indicator.indicator_id,
        at=now,
        data=data,
    )
