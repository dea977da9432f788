"""The control chart of a pack: incidents by month as a figure anybody can read, with the table that it was drawn from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from html import escape
from typing import Any

import numpy as np

from services.reporting.packs.words import day
from services.spc.chart import Direction, PointType, draw
from services.spc.limits import Kind

_WIDTH, _HEIGHT = 720, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 16, 44
_PER = 1000
_LEAST_MONTHS = 3


@dataclass(frozen=True)
class Drawn:
    """A chart as it is kept in a pack: the figure, its table, and what it says in words."""

    title: str
    svg: str
    says: str
    rows: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        """The table behind the figure."""
        return {"title": self.title, "says": self.says, "rows": self.rows}


def months_between(first: date, until: date) -> list[date]:
    """The whole months from the one of `first`, up to but without the one of `until`."""
    months, month = [], first.replace(day=1)
    while month < until.replace(day=1):
        months.append(month)
        month = (month.replace(day=28) + _FIVE_DAYS).replace(day=1)
    return months


_FIVE_DAYS = date(2000, 1, 6) - date(2000, 1, 1)


def of_months(
    title: str, occurred: Iterable[str | datetime], months: list[date], exposure: Mapping[date, float] | None, unit: str
) -> Drawn | None:
    """What happened in each month: as a rate where each month's exposure is known, else as a count.

    None for fewer than three months: nothing is seen in them.
    """
    if len(months) < _LEAST_MONTHS:
        return None
    by_month = dict.fromkeys(months, 0)
    for at in occurred:
        month = date.fromisoformat(day(at)).replace(day=1)
        if month in by_month:
            by_month[month] += 1
    counts = np.array([by_month[month] for month in months], dtype=np.float64)
    known = exposure is not None and all(exposure.get(month) for month in months)
    if exposure is not None and known:
        chart = draw(Kind.U, counts, np.array([exposure[month] for month in months]), scale=_PER)
        measure = f"per {_PER:,} {unit}"
    else:
        chart, measure = draw(Kind.C, counts), "a month (care given in each month is not known)"
    types = chart.point_types(Direction.DECREASE)
    rows = [
        {
            "month": f"{month:%Y-%m}",
            "incidents": by_month[month],
            "exposure": round(float(exposure[month]), 2) if exposure is not None and known else None,
            "value": round(float(chart.values[i]), 3),
            "centre": round(float(chart.lines.centre[i]), 3),
            "lower": round(float(max(chart.lines.lower[i], 0.0)), 3),
            "upper": round(float(chart.lines.upper[i]), 3),
            "says": types[i].value,
        }
        for i, month in enumerate(months)
    ]
    says = _says(rows, measure, enough=bool(chart.enough))
    return Drawn(title, _svg(title, says, rows, measure), says, rows)


def _says(rows: list[dict[str, Any]], measure: str, *, enough: bool) -> str:
    worse = [row["month"] for row in rows if row["says"] == PointType.CONCERN]
    better = [row["month"] for row in rows if row["says"] == PointType.IMPROVEMENT]
    parts = [
        f"{sum(row['incidents'] for row in rows)} in {len(rows)} months; on average {rows[-1]['centre']:.2f} {measure}."
    ]
    if worse:
        parts.append(f"More than chance explains in {', '.join(worse)}.")
    if better:
        parts.append(f"Fewer than chance explains in {', '.join(better)}; it may be that less was reported.")
    if not worse and not better:
        parts.append("No month stands out from what chance explains.")
    if not enough:
        parts.append("There are fewer than 13 months, so the limits are provisional.")
    return " ".join(parts)


def _svg(title: str, says: str, rows: list[dict[str, Any]], measure: str) -> str:
    top = max(max(row["value"], row["upper"]) for row in rows) * 1.1 or 1.0
    wide = (_WIDTH - _LEFT - _RIGHT) / len(rows)

    def x(i: int) -> float:
        return round(_LEFT + wide * (i + 0.5), 1)

    def y(value: float) -> float:
        return round(_HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value / top, 1)

    def line(name: str, style: str) -> str:
        points = " ".join(f"{x(i)},{y(row[name])}" for i, row in enumerate(rows))
        return f'<polyline points="{points}" fill="none" {style}/>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
        ' role="img" aria-labelledby="chart-title chart-says" font-family="sans-serif" font-size="11">',
        f'<title id="chart-title">{escape(title)}</title><desc id="chart-says">{escape(says)}</desc>',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
    ]
    for step in range(5):
        value = top * step / 4
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(value)}" y2="{y(value)}" stroke="#d8dde0"/>'
            f'<text x="{_LEFT - 6}" y="{y(value) + 4}" text-anchor="end" fill="#212b32">{value:.1f}</text>'
        )
    parts += [
        line("upper", 'stroke="#4c6272" stroke-dasharray="5 4"'),
        line("lower", 'stroke="#4c6272" stroke-dasharray="5 4"'),
        line("centre", 'stroke="#212b32"'),
        line("value", 'stroke="#005eb8" stroke-width="1.5"'),
    ]
    every = max(1, -(-len(rows) // 12))
    for i, row in enumerate(rows):
        parts.append(_mark(x(i), y(row["value"]), row["says"]))
        if i % every == 0:
            parts.append(
                f'<text x="{x(i)}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle" fill="#212b32">{row["month"]}</text>'
            )
    parts.append(
        f'<text x="{_LEFT}" y="{_HEIGHT - 8}" fill="#212b32">{escape(measure)}; solid line: average; dashed: limits;'
        " diamond: more than chance explains; square: fewer</text></svg>"
    )
    return "\n".join(parts)


def _mark(x: float, y: float, says: str) -> str:
    """Told apart by shape as well as by colour."""
    if says == PointType.CONCERN:
        return f'<path d="M{x} {y - 6}L{x + 6} {y}L{x} {y + 6}L{x - 6} {y}Z" fill="#b10e1e"/>'
    if says == PointType.IMPROVEMENT:
        return f'<rect x="{x - 4.5}" y="{y - 4.5}" width="9" height="9" fill="#00703c"/>'
    return f'<circle cx="{x}" cy="{y}" r="3.5" fill="#005eb8"/>'
