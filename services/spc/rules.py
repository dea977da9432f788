"""The four rules of Making Data Count, within one segment. Arrays hold one series in the last axis, blanks are NaN.

A signal is +1 (high), -1 (low) or 0. Every rule that fires is told; nothing carries over a rebase.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from services.spc.limits import Floats, Limits

Signs = NDArray[np.int8]
Flags = NDArray[np.bool_]

# A point counts as on a line when only rounding in the last digits separates them.
_ROUNDING = 1e-9


class TwoOfThree(StrEnum):
    """Which points count in a window of three, and what is asked of the third.

    `mdc_2024`: beyond 2 sigma, also beyond 3; the third on the same side of the centre. `nhsr_0_2_2`: between 2 and 3
    sigma only; the third on the same side. `wa`: beyond 2 sigma; the third anywhere but beyond 2 sigma opposite.
    """

    MDC_2024 = "mdc_2024"
    NHSR_0_2_2 = "nhsr_0_2_2"
    WA = "wa"


@dataclass(frozen=True)
class Rules:
    """How long a run must be, and what ends it. `ties_pass`: a tie neither counts in a run nor ends it."""

    shift: int = 7
    trend: int = 7
    two_of_three: TwoOfThree = TwoOfThree.MDC_2024
    ties_pass: bool = False

    def __post_init__(self) -> None:
        if self.shift < 2 or self.trend < 2:
            raise ValueError("A run needs at least two points")


@dataclass(frozen=True)
class Signals:
    """What fired, point by point. A point may end a falling trend and start a rising one."""

    outside: Signs
    shift: Signs
    trend_up: Flags
    trend_down: Flags
    two_of_three: Signs

    @property
    def high(self) -> Flags:
        """Points with a high signal of any rule."""
        return (self.outside > 0) | (self.shift > 0) | self.trend_up | (self.two_of_three > 0)

    @property
    def low(self) -> Flags:
        """Points with a low signal of any rule."""
        return (self.outside < 0) | (self.shift < 0) | self.trend_down | (self.two_of_three < 0)


def find(values: Floats, lines: Limits, rules: Rules) -> Signals:
    """All signals of a segment."""
    side = beside(values, lines.centre)
    up, down = _trends(values, rules)
    return Signals(
        outside=outside(values, lines),
        shift=_shifts(side, ~np.isnan(values) & ~np.isnan(lines.centre), rules),
        trend_up=up,
        trend_down=down,
        two_of_three=_two_of_three(values, side, lines, rules.two_of_three),
    )


def beside(values: Floats, line: Floats) -> Signs:
    """+1 strictly above a line, -1 strictly below, 0 on it or where either is missing."""
    near = _ROUNDING * np.maximum(np.abs(values), np.abs(line))
    with np.errstate(invalid="ignore"):
        return ((values - line > near).astype(np.int8) - (line - values > near).astype(np.int8)).astype(np.int8)


def outside(values: Floats, lines: Limits) -> Signs:
    """Strictly outside the limits; on a limit is inside."""
    high = beside(values, lines.upper) > 0
    low = beside(values, lines.lower) < 0
    return (high.astype(np.int8) - low.astype(np.int8)).astype(np.int8)


def _runs(member: Flags, counts: Flags, least: int) -> Flags:
    """The members of each unbroken run in which at least `least` count."""
    ahead = _counted_so_far(member, counts)
    behind = _counted_so_far(member[..., ::-1], counts[..., ::-1])[..., ::-1]
    return np.asarray(member & (ahead + behind - counts >= least))


def _counted_so_far(member: Flags, counts: Flags) -> NDArray[np.int64]:
    length = np.zeros(member.shape, dtype=np.int64)
    so_far = np.zeros(member.shape[:-1], dtype=np.int64)
    for position in range(member.shape[-1]):
        so_far = np.where(member[..., position], so_far + counts[..., position], 0)
        length[..., position] = so_far
    return length


def _bridged(signs: Signs, known: Flags) -> Signs:
    """Ties between two equal signs take that sign; a blank ends what goes over it."""
    before = _carried(signs, known)
    after = _carried(signs[..., ::-1], known[..., ::-1])[..., ::-1]
    return np.where((signs == 0) & known & (before == after), before, signs).astype(np.int8)


def _carried(signs: Signs, known: Flags) -> Signs:
    out = np.zeros(signs.shape, dtype=np.int8)
    last = np.zeros(signs.shape[:-1], dtype=np.int8)
    for position in range(signs.shape[-1]):
        here = signs[..., position]
        last = np.where(known[..., position], np.where(here != 0, here, last), 0).astype(np.int8)
        out[..., position] = last
    return out


def _shifts(side: Signs, known: Flags, rules: Rules) -> Signs:
    member = _bridged(side, known) if rules.ties_pass else side
    high = _runs(member > 0, side > 0, rules.shift)
    low = _runs(member < 0, side < 0, rules.shift)
    return (high.astype(np.int8) - low.astype(np.int8)).astype(np.int8)


def _trends(values: Floats, rules: Rules) -> tuple[Flags, Flags]:
    """N points are N - 1 differences of one sign; both ends of each difference are in the trend."""
    steps = np.diff(values, axis=-1)
    known = ~np.isnan(steps)
    sign = np.where(known, np.sign(np.where(known, steps, 0.0)), 0).astype(np.int8)
    member = _bridged(sign, known) if rules.ties_pass else sign
    flags: list[Flags] = []
    for direction in (1, -1):
        run = _runs(member == direction, sign == direction, rules.trend - 1)
        flag = np.zeros(values.shape, dtype=np.bool_)
        flag[..., :-1] |= run
        flag[..., 1:] |= run
        flags.append(flag)
    return flags[0], flags[1]


def _two_of_three(values: Floats, side: Signs, lines: Limits, variant: TwoOfThree) -> Signs:
    result = np.zeros(values.shape, dtype=np.int8)
    if values.shape[-1] < 3:
        return result
    beyond = {1: beside(values, lines.sigma_high) > 0, -1: beside(values, lines.sigma_low) < 0}
    out = outside(values, lines)
    for sign in (1, -1):
        counted = beyond[sign] & (out == 0) if variant is TwoOfThree.NHSR_0_2_2 else beyond[sign]
        fits = ~np.isnan(values) & ~beyond[-sign] if variant is TwoOfThree.WA else side == sign
        count, fit = counted.astype(np.int8), fits.astype(np.int8)
        window = (count[..., :-2] + count[..., 1:-1] + count[..., 2:] >= 2) & (
            fit[..., :-2] + fit[..., 1:-1] + fit[..., 2:] == 3
        )
        hit = np.zeros(values.shape, dtype=np.bool_)
        for offset in range(3):
            hit[..., offset : values.shape[-1] - 2 + offset] |= window
        result = np.where(hit & counted, sign, result).astype(np.int8)
    return result
