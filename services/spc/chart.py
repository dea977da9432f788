"""A chart: segments with their lines, the signals on them, and the two icons."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.spc.limits import Floats, Kind, Limits, Options, moving_range, rates, segment_limits
from services.spc.rules import Rules, Signals, TwoOfThree, find

# Fewer points than this: limits are provisional and no icon is shown.
ENOUGH = 13


class Direction(StrEnum):
    """Which way is better."""

    INCREASE = "increase"
    DECREASE = "decrease"
    NEUTRAL = "neutral"


class PointType(StrEnum):
    """What a point says."""

    COMMON_CAUSE = "common_cause"
    IMPROVEMENT = "special_cause_improvement"
    CONCERN = "special_cause_concern"
    NEUTRAL_HIGH = "special_cause_neutral_high"
    NEUTRAL_LOW = "special_cause_neutral_low"


class Icon(StrEnum):
    """Making Data Count's variation icons."""

    COMMON_CAUSE = "common_cause"
    IMPROVEMENT_HIGH = "improvement_high"
    IMPROVEMENT_LOW = "improvement_low"
    CONCERN_HIGH = "concern_high"
    CONCERN_LOW = "concern_low"
    NEUTRAL_HIGH = "neutral_high"
    NEUTRAL_LOW = "neutral_low"


class Assurance(StrEnum):
    """Whether a target will be met, going by the limits of the last segment."""

    CONSISTENT_PASS = "consistent_pass"  # noqa: S105 - not a password
    CONSISTENT_FAIL = "consistent_fail"
    INCONSISTENT = "inconsistent"


@dataclass(frozen=True)
class Preset:
    """A named set of choices. `first_rule_decides`: the first rule by precedence names a point with two signals;
    otherwise such a point shows improvement, with its conflict told."""

    name: str
    rules: Rules
    options: Options
    first_rule_decides: bool


MDC = Preset("mdc", Rules(), Options(), first_rule_decides=False)
NHSR = Preset(
    "nhsr",
    Rules(two_of_three=TwoOfThree.NHSR_0_2_2),
    Options(screened=True),
    first_rule_decides=True,
)


@dataclass(frozen=True)
class Segment:
    """One stretch between rebases: positions `first` up to but without `until`, and its figures, one a series."""

    first: int
    until: int
    n: NDArray[np.int64]
    centre: Floats
    lower: Floats
    upper: Floats
    moving_range_mean: Floats


@dataclass(frozen=True)
class Chart:
    """Points with lines and signals. All arrays have the shape of the series that were drawn; blanks are NaN.

    `gaps` are the points without a value. Limits are kept as drawn: 0 is the floor of counts and rates, not of XmR.
    """

    kind: Kind
    preset: Preset
    values: Floats
    moving_range: Floats
    segment: NDArray[np.int64]
    lines: Limits
    signals: Signals
    segments: tuple[Segment, ...]

    @property
    def gaps(self) -> NDArray[np.bool_]:
        """Periods without a value: nothing was returned, or there was no exposure."""
        return np.isnan(self.values)

    @property
    def enough(self) -> NDArray[np.bool_]:
        """Whether the last segment has enough points for its limits and icons to be shown."""
        return np.asarray(self.segments[-1].n >= ENOUGH)

    def of(self, series: int) -> "Chart":
        """The chart of one series of many."""
        lines = Limits(**{name: np.asarray(line[series]) for name, line in vars(self.lines).items()})
        signals = Signals(**{name: np.asarray(flags[series]) for name, flags in vars(self.signals).items()})
        segments = tuple(
            replace(
                s,
                n=np.asarray(s.n[series]),
                centre=np.asarray(s.centre[series]),
                lower=np.asarray(s.lower[series]),
                upper=np.asarray(s.upper[series]),
                moving_range_mean=np.asarray(s.moving_range_mean[series]),
            )
            for s in self.segments
        )
        return replace(
            self,
            values=self.values[series],
            moving_range=self.moving_range[series],
            lines=lines,
            signals=signals,
            segments=segments,
        )

    def point_types(self, direction: Direction) -> list[PointType]:
        """What each point of a single series says."""
        return [self._type(position, direction) for position in range(self.values.shape[-1])]

    def conflicts(self) -> NDArray[np.bool_]:
        """Points that have both a high and a low signal; a person must be able to see both."""
        return self.signals.high & self.signals.low

    def icon(self, direction: Direction) -> Icon:
        """The variation icon of a single series, by its last point alone. Show it only where there are `enough`."""
        known = np.flatnonzero(~self.gaps)
        if not known.size:
            return Icon.COMMON_CAUSE
        return _ICONS[self._type(int(known[-1]), direction)][direction]

    def assurance(self, direction: Direction, target: float | None) -> Assurance | None:
        """The assurance icon of a single series; None without a target, a direction or limits."""
        if target is None or direction is Direction.NEUTRAL:
            return None
        lower, upper = self._last_limits()
        if np.isnan(lower) or np.isnan(upper):
            return None
        if lower <= target <= upper:
            return Assurance.INCONSISTENT
        met = target < lower if direction is Direction.INCREASE else target > upper
        return Assurance.CONSISTENT_PASS if met else Assurance.CONSISTENT_FAIL

    def first_rule(self, position: int) -> tuple[str | None, int]:
        """The first rule by precedence at a point of a single series, and its direction."""
        s = self.signals
        if s.outside[position]:
            return "outside_limits", int(s.outside[position])
        if s.trend_up[position] or s.trend_down[position]:
            return "trend", self._trend_direction(position)
        if s.two_of_three[position]:
            return "two_of_three", int(s.two_of_three[position])
        if s.shift[position]:
            return "shift", int(s.shift[position])
        return None, 0

    def _trend_direction(self, position: int) -> int:
        up, down = self.signals.trend_up, self.signals.trend_down
        if up[position] != down[position]:
            return 1 if up[position] else -1
        following = position + 1
        same = following < self.values.shape[-1] and self.segment[following] == self.segment[position]
        if same and (up[following] or down[following]):
            return 1 if self.values[following] > self.values[position] else -1
        return 1 if self.values[position] > self.values[position - 1] else -1

    def _type(self, position: int, direction: Direction) -> PointType:
        high, low = bool(self.signals.high[position]), bool(self.signals.low[position])
        if not high and not low:
            return PointType.COMMON_CAUSE
        if high and low:
            if not self.preset.first_rule_decides and direction is not Direction.NEUTRAL:
                return PointType.IMPROVEMENT
            high = self.first_rule(position)[1] > 0
        if direction is Direction.NEUTRAL:
            return PointType.NEUTRAL_HIGH if high else PointType.NEUTRAL_LOW
        return PointType.IMPROVEMENT if high == (direction is Direction.INCREASE) else PointType.CONCERN

    def _last_limits(self) -> tuple[float, float]:
        """Limits that vary with the denominator are those of the last point that has any."""
        lower, upper = self.lines.lower, self.lines.upper
        first = self.segments[-1].first
        known = np.flatnonzero(~np.isnan(lower[first:]) & ~np.isnan(upper[first:]))
        if not known.size:
            return float("nan"), float("nan")
        return float(lower[first + known[-1]]), float(upper[first + known[-1]])


_ICONS: dict[PointType, dict[Direction, Icon]] = {
    PointType.COMMON_CAUSE: dict.fromkeys(Direction, Icon.COMMON_CAUSE),
    PointType.IMPROVEMENT: {Direction.INCREASE: Icon.IMPROVEMENT_HIGH, Direction.DECREASE: Icon.IMPROVEMENT_LOW},
    PointType.CONCERN: {Direction.INCREASE: Icon.CONCERN_LOW, Direction.DECREASE: Icon.CONCERN_HIGH},
    PointType.NEUTRAL_HIGH: {Direction.NEUTRAL: Icon.NEUTRAL_HIGH},
    PointType.NEUTRAL_LOW: {Direction.NEUTRAL: Icon.NEUTRAL_LOW},
}


def draw(
    kind: Kind,
    numerator: Floats | Sequence[float],
    denominator: Floats | Sequence[float] | None = None,
    *,
    scale: float = 1.0,
    preset: Preset = MDC,
    starts: Sequence[int] = (),
    fixed: int | None = None,
    apart: bool = False,
) -> Chart:
    """Draw one series, or many in one array of the shape (series, points). Blanks are NaN and are kept: no moving
    range goes over them, and they end runs.

    `starts` are the positions at which new segments begin, common to all series. With `fixed`, the lines of each
    segment come from its first so many points; `apart`, no run or window goes from those over to the points after
    them, so that what happened before a change is no signal after it. Raises ValueError for what cannot be drawn: see `segment_limits`.
    """
    counts = np.asarray(numerator, dtype=np.float64)
    exposure = None if denominator is None else np.asarray(denominator, dtype=np.float64)
    values = rates(kind, counts, exposure, scale)
    length = counts.shape[-1]
    edges = sorted({0, *(s for s in starts if 0 < s < length)})
    pieces: list[tuple[Limits, Signals]] = []
    segments: list[Segment] = []
    number = np.zeros(length, dtype=np.int64)
    ranges = np.full(values.shape, np.nan)
    for index, first in enumerate(edges):
        until = edges[index + 1] if index + 1 < len(edges) else length
        part = slice(first, until)
        lines = segment_limits(
            kind,
            counts[..., part],
            None if exposure is None else exposure[..., part],
            scale=scale,
            options=preset.options,
            fixed=fixed,
        )
        pieces.append((lines, _signals(values[..., part], lines, preset, fixed if apart else None)))
        ranges[..., part] = moving_range(values[..., part])
        number[part] = index
        segments.append(
            Segment(
                first,
                until,
                n=np.asarray((~np.isnan(values[..., part])).sum(axis=-1)),
                centre=_at(lines.centre),
                lower=_at(lines.lower),
                upper=_at(lines.upper),
                moving_range_mean=lines.moving_range_mean,
            )
        )

    def joined(name: str, which: int) -> NDArray[Any]:
        return np.concatenate([getattr(piece[which], name) for piece in pieces], axis=-1)

    line_names = ("centre", "lower", "upper", "sigma_low", "sigma_high")
    return Chart(
        kind=kind,
        preset=preset,
        values=values,
        moving_range=ranges,
        segment=number,
        lines=Limits(**{n: joined(n, 0) for n in line_names}, moving_range_mean=segments[-1].moving_range_mean),
        signals=Signals(**{n: joined(n, 1) for n in ("outside", "shift", "trend_up", "trend_down", "two_of_three")}),
        segments=tuple(segments),
    )


def _signals(values: Floats, lines: Limits, preset: Preset, change: int | None) -> Signals:
    """The signals of a segment; with a change, of the points before it and of those from it on by themselves."""
    if change is None or not 0 < change < values.shape[-1]:
        return find(values, lines, preset.rules)
    line_names = ("centre", "lower", "upper", "sigma_low", "sigma_high")
    sides = [
        find(values[..., side], replace(lines, **{n: getattr(lines, n)[..., side] for n in line_names}), preset.rules)
        for side in (slice(None, change), slice(change, None))
    ]
    return Signals(**{name: np.concatenate([vars(s)[name] for s in sides], axis=-1) for name in vars(sides[0])})


def _at(line: Floats) -> Floats:
    return np.asarray(line[..., 0]) if line.shape[-1] else np.full(line.shape[:-1], np.nan)
