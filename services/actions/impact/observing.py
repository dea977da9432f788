"""What a checkpoint looks at: the measure before and after, month by month, and what balances it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.actions.domain import ImprovementPolicy
from services.actions.impact.counting import (
    Measure,
    Month,
    by_month,
    by_place,
    care_between,
    delay_hours,
    locations_of,
    total,
)
from services.actions.impact.domain import MeasureKind, Observed, Scope, Window, month_of, window_of, without
from services.actions.impact.measuring import baseline_of, prompted_on
from services.actions.impact.store import Defined, Indicator, IndicatorValue
from services.actions.impact.verdict import Found, Series, conclude, rate_ratio, shown
from services.actions.store import Improvement
from services.contracts.taxonomy import Category, ExposureUnit
from services.spc.chart import Direction


@dataclass(frozen=True)
class Looked:
    """What was found, and what is to be seen beside it: balancing measures, series and places."""

    found: Found
    balance: dict[str, Any]


@dataclass(frozen=True)
class _Before:
    """The baseline, and the month that counts no point in it: that of the incident which prompted the change."""

    whole: Window
    prompting: date | None

    @property
    def parts(self) -> tuple[Window, ...]:
        """The days that are compared with."""
        return (self.whole,) if self.prompting is None else without(self.whole, window_of(self.prompting))


def look(
    session: Session,
    improvement: Improvement,
    defined: Defined,
    after: Window,
    *,
    rules: ImprovementPolicy,
    last: bool,
    improved_before: bool,
) -> Looked:
    """Everything that a proposal rests on, as it is known now."""
    baseline = baseline_of(defined)
    direction = Direction(defined.direction)
    if baseline is None:
        empty = Found(direction, Series((), (), None, 0), based=False)
        return Looked(empty, {})
    prompted = prompted_on(session, improvement)
    before = _Before(baseline, None if prompted is None else month_of(prompted))
    of_kind = _indicator if defined.kind == MeasureKind.INDICATOR else _rate
    looked = of_kind(session, improvement, defined, before, after, rules.confidence, last, improved_before)
    if defined.beside:
        looked.balance["indicators"] = [_beside(session, one, before, after, rules) for one in defined.beside]
    return looked


def _rate(
    session: Session,
    improvement: Improvement,
    defined: Defined,
    baseline: _Before,
    after: Window,
    confidence: float,
    last: bool,
    improved_before: bool,
) -> Looked:
    measure = _measure(session, improvement, defined)
    first, second = by_month(session, measure, baseline.whole), by_month(session, measure, after)
    kept = _kept(first, baseline)
    before_all, after_all = total(kept), total(second)
    others = (_others(kept), _others(second))
    points = [*(month if month in kept else None for month in first), *second]
    found = Found(
        direction=Direction(defined.direction),
        series=Series(
            months=tuple(m.month for m in [*first, *second]),
            numbers=tuple(None if m is None else float(m.events) for m in points),
            denominators=tuple(0.0 if m is None else float(m.exposure) for m in points),
            basis=len(first),
        ),
        before=before_all,
        after=after_all,
        other_reports=others,
        between=(
            tuple(n for part in baseline.parts for n in care_between(session, measure, part, open_end=False)),
            care_between(session, measure, after, open_end=True),
        ),
        last=last,
        improved_before=improved_before,
        left_out=len(kept) < len(first),
    )
    balance = _balance(session, measure, baseline, after, kept, second, confidence)
    if measure.locations is None or len(measure.locations) > 1:
        balance["places"] = _places(session, measure, baseline, after, confidence)
    return Looked(found, balance)


def _places(
    session: Session, measure: Measure, baseline: _Before, after: Window, confidence: float
) -> list[dict[str, Any]]:
    """The same measure place by place, in no order of merit: a whole that moved may hide a place that did not."""
    first, second = by_place(session, measure, baseline.parts), by_place(session, measure, (after,))
    nothing = Observed(0, 0, Decimal(0))
    return [
        {
            "location_id": str(place),
            "exposure_before": str(first.get(place, nothing).exposure),
            "exposure_after": str(second.get(place, nothing).exposure),
            **_told("events", first.get(place, nothing), second.get(place, nothing), confidence),
        }
        for place in sorted({*first, *second}, key=str)
    ]


def _beside(
    session: Session, indicator_id: UUID, baseline: _Before, after: Window, rules: ImprovementPolicy
) -> dict[str, Any]:
    """A series that is shown beside the measure, by the same ladder; nobody decides on it."""
    indicator = session.get_one(Indicator, indicator_id)
    found = _found(session, indicator, Direction(indicator.direction), None, baseline, after)
    concluded = conclude(rules, found)
    return {
        "indicator_id": str(indicator_id),
        "definition": indicator.definition,
        "says": concluded.proposal.verdict,
        "rule": concluded.proposal.rule,
        "warnings": list(concluded.warnings),
        "before": _level(found, slice(None, found.series.basis)),
        "after": _level(found, slice(found.series.basis, None)),
        "chart": None if concluded.chart is None else shown(concluded.chart, found.series, found.direction),
    }


def _level(found: Found, part: slice) -> float | None:
    """The mean of a part of a series; of counts their sum over that of the denominators, as on the chart."""
    series = found.series
    if series.denominators is None:
        known = [number for number in series.numbers[part] if number is not None]
        return sum(known) / len(known) if known else None
    counted = [
        (number, over)
        for number, over in zip(series.numbers[part], series.denominators[part], strict=True)
        if number is not None and over > 0
    ]
    scale = 100 if series.share else 1000
    return scale * sum(n for n, _ in counted) / sum(over for _, over in counted) if counted else None


def _balance(
    session: Session,
    measure: Measure,
    baseline: _Before,
    after: Window,
    first: Sequence[Month],
    second: Sequence[Month],
    confidence: float,
) -> dict[str, Any]:
    """What is to be seen beside a measure: whether reporting itself fell, near misses, and how soon people report."""
    before_all, after_all = total(first), total(second)
    others = (_others(first), _others(second))
    return {
        **_told("other_reports", others[0], others[1], confidence),
        **_told("near_misses", _near(before_all), _near(after_all), confidence),
        "near_miss_share_before": before_all.near_miss_share,
        "near_miss_share_after": after_all.near_miss_share,
        "hours_to_report_before": delay_hours(session, measure, baseline.parts),
        "hours_to_report_after": delay_hours(session, measure, (after,)),
    }


def _near(counted: Observed) -> Observed:
    return Observed(counted.near_misses, 0, counted.exposure)


def _told(name: str, before: Observed, after: Observed, confidence: float) -> dict[str, Any]:
    ratio = rate_ratio(before, after, confidence)
    return {
        f"{name}_before": before.events,
        f"{name}_after": after.events,
        f"{name}_ratio": None if ratio is None else ratio.ratio,
        f"{name}_ratio_low": None if ratio is None else ratio.lower,
        f"{name}_ratio_high": None if ratio is None else ratio.upper,
    }


def _beside_indicator(
    session: Session,
    improvement: Improvement,
    indicator: Indicator,
    baseline: _Before,
    after: Window,
    confidence: float,
) -> dict[str, Any]:
    """The same for a series that people record, of incidents of the case's category where the series is of; and their
    rate, which is what a better score is meant to bring down."""
    assert improvement.unit is not None
    places = None if indicator.location_id is None else (indicator.location_id,)
    unit = ExposureUnit(improvement.unit)
    measure = Measure(improvement.provider_id, Category(improvement.category), unit, places)
    whole, second = by_month(session, measure, baseline.whole), by_month(session, measure, after)
    first = _kept(whole, baseline)
    return {
        **_told("incidents", total(first), total(second), confidence),
        **_balance(session, measure, baseline, after, first, second, confidence),
    }


def _kept(months: Sequence[Month], baseline: _Before) -> list[Month]:
    return [month for month in months if month.month != baseline.prompting]


def _others(months: Sequence[Month]) -> Observed:
    counted = total(months)
    return Observed(sum(m.other_reports for m in months), 0, counted.exposure)


def _measure(session: Session, improvement: Improvement, defined: Defined) -> Measure:
    places: tuple[UUID, ...] | None = None
    if defined.scope == Scope.LOCATION:
        places = (improvement.location_id,)
    elif defined.scope == Scope.REGION:
        # A place without a region has no others beside it: nothing is counted, rather than the whole provider.
        places = () if improvement.region_id is None else locations_of(session, improvement.region_id)
    assert defined.category is not None
    assert defined.unit is not None
    return Measure(improvement.provider_id, Category(defined.category), ExposureUnit(defined.unit), places)


def _indicator(
    session: Session,
    improvement: Improvement,
    defined: Defined,
    baseline: _Before,
    after: Window,
    confidence: float,
    last: bool,
    improved_before: bool,
) -> Looked:
    assert defined.indicator_id is not None
    indicator = session.get_one(Indicator, defined.indicator_id)
    direction, meant = Direction(defined.direction), defined.indicator_definition
    found = replace(
        _found(session, indicator, direction, meant, baseline, after), last=last, improved_before=improved_before
    )
    return Looked(found, _beside_indicator(session, improvement, indicator, baseline, after, confidence))


def _found(
    session: Session,
    indicator: Indicator,
    direction: Direction,
    definition: int | None,
    baseline: _Before,
    after: Window,
) -> Found:
    """A series before and after, its months counted to the side on which they begin; by one definition if one is named."""
    rows = {
        row.month: row
        for row in session.scalars(select(IndicatorValue).where(IndicatorValue.indicator_id == indicator.indicator_id))
    }
    first = _months(baseline.whole.first, baseline.whole.until)
    second = [month for month in _months(after.first, after.until) if month not in first]
    months = [*first, *second]
    left_out = baseline.prompting in first
    if baseline.prompting is not None and left_out:
        rows.pop(baseline.prompting, None)
    used = {rows[month].definition for month in months if month in rows}
    series = Series(
        months=tuple(months),
        numbers=tuple(_number(rows.get(month), counted=indicator.counted) for month in months),
        denominators=tuple(_denominator(rows.get(month)) for month in months) if indicator.counted else None,
        basis=len(first),
        share=indicator.share,
    )
    counts = (_sum(rows, first), _sum(rows, second)) if indicator.counted else (None, None)
    return Found(
        direction=direction,
        series=series,
        before=counts[0],
        after=counts[1],
        one_definition=len(used) <= 1 if definition is None else used <= {definition},
        left_out=left_out,
    )


def _months(first: date, until: date) -> list[date]:
    """The months that begin in a window."""
    months, month = [], month_of(first)
    while month < until:
        if month >= first:
            months.append(month)
        month = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    return months


def _number(row: IndicatorValue | None, *, counted: bool) -> float | None:
    if row is None:
        return None
    return (None if row.numerator is None else float(row.numerator)) if counted else row.value


def _denominator(row: IndicatorValue | None) -> float:
    return 0.0 if row is None or row.denominator is None else float(row.denominator)


def _sum(rows: dict[date, IndicatorValue], months: Sequence[date]) -> Observed:
    there = [rows[m] for m in months if m in rows and (rows[m].denominator or 0) > 0]
    return Observed(
        events=sum(row.numerator or 0 for row in there),
        near_misses=0,
        exposure=sum((row.denominator or Decimal(0) for row in there), Decimal(0)),
    )
