"""A control chart as a figure that stands in a page: accessible SVG, told apart by shape as well as by colour."""

from dataclasses import dataclass
from html import escape
from typing import Any

from markupsafe import Markup

from services.console.page import TEXTS

_ = TEXTS.gettext
_WIDTH, _HEIGHT, _SIDE, _FOOT = 720, 240, 48, 32


@dataclass(frozen=True)
class Point:
    """One row of the table behind the figure. `stands_out`: more than chance explains, one way or the other."""

    name: str
    value: float | None
    centre: float | None
    lower: float | None
    upper: float | None
    after: bool
    stands_out: bool


def points(chart: dict[str, Any]) -> list[Point]:
    """The chart of a checkpoint, point by point: those of the baseline first."""
    signals = ("outside_limits", "shift_signal", "trend_signal", "two_of_three_signal")
    months = chart.get("months") or []
    return [
        Point(
            months[n][:7] if n < len(months) else str(n + 1),
            value,
            chart["centre"][n],
            chart["lower"][n],
            chart["upper"][n],
            after=n >= chart["baseline_points"],
            stands_out=any(chart[signal][n] for signal in signals),
        )
        for n, value in enumerate(chart["values"])
    ]


def figure(rows: list[Point], title: str) -> Markup:
    """The figure; all that it shows is in the table beside it too."""
    top = max((number for row in rows for number in (row.value, row.upper) if number is not None), default=1.0) or 1.0
    wide = (_WIDTH - 2 * _SIDE) / max(len(rows), 1)

    def at(n: int, value: float) -> str:
        return f"{_SIDE + wide * (n + 0.5):.1f},{_HEIGHT - _FOOT - (_HEIGHT - 2 * _FOOT) * max(value, 0.0) / top:.1f}"

    def line(name: str, style: str) -> str:
        path = " ".join(at(n, getattr(row, name)) for n, row in enumerate(rows) if getattr(row, name) is not None)
        return f'<polyline points="{path}" fill="none" {style}/>'

    parts = [
        f'<svg class="pl-chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">',
        f'<text x="4" y="{_FOOT}" font-size="12">{top:.2f}</text><text x="4" y="{_HEIGHT - _FOOT}" font-size="12">0</text>',
        line("upper", 'stroke="#4c6272" stroke-dasharray="5 4"'),
        line("lower", 'stroke="#4c6272" stroke-dasharray="5 4"'),
        line("centre", 'stroke="#212b32"'),
        line("value", 'stroke="#005eb8" stroke-width="1.5"'),
    ]
    for n, row in enumerate(rows):
        if row.value is not None:
            x, y = (float(number) for number in at(n, row.value).split(","))
            parts.append(
                f'<path d="M{x} {y - 6}L{x + 6} {y}L{x} {y + 6}L{x - 6} {y}Z" fill="#b10e1e"/>'
                if row.stands_out
                else f'<circle cx="{x}" cy="{y}" r="3.5" fill="#005eb8"/>'
            )
    after = next((n for n, row in enumerate(rows) if row.after), None)
    if after is not None:
        x = _SIDE + wide * after
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="8" y2="{_HEIGHT - _FOOT}" stroke="#006747" stroke-width="2"/>'
        )
        parts.append(f'<text x="{x + 4:.1f}" y="16" font-size="12">{escape(_("after the change"))}</text>')
    parts.append(
        f'<text x="{_SIDE}" y="{_HEIGHT - 8}" font-size="12">'
        f"{escape(_('solid line: average; dashed: limits; diamond: more than chance explains'))}</text></svg>"
    )
    return Markup("".join(parts))  # noqa: S704 - numbers, and texts that were escaped above
