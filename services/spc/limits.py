"""Centre lines and limits of one segment. Arrays hold one series in the last axis, blanks are NaN."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# NHS England's factor; 3 / 1.128 is what it was rounded from.
MDC_FACTOR = 2.66
D2 = 1.128
_MOVING_RANGE_LIMIT = 3.267
# Nelson's power, under which times between events are nearly normal.
_NELSON = 3.6


class Kind(StrEnum):
    """Which chart. U' and P' (`up`, `pp`) are Laney's, for big denominators."""

    XMR = "xmr"
    C = "c"
    U = "u"
    UP = "up"
    P = "p"
    PP = "pp"
    G = "g"
    T = "t"


@dataclass(frozen=True)
class Options:
    """How limits are drawn.

    `factor` turns a mean moving range into the distance from centre to limit. `screened` drops moving ranges that are
    themselves out of limits, once. `g_counts_the_second` is for cases from one event to the next with the second
    counted, which are never below 1.
    """

    factor: float = MDC_FACTOR
    screened: bool = False
    g_counts_the_second: bool = False
    g_centre_is_mean: bool = False


@dataclass(frozen=True)
class Limits:
    """Lines of a segment, one value a point. `lower` and `upper` are as drawn; NaN where there are none.

    `sigma_low` and `sigma_high` are the two-sigma lines. `moving_range_mean` is NaN on charts without moving ranges.
    """

    centre: Floats
    lower: Floats
    upper: Floats
    sigma_low: Floats
    sigma_high: Floats
    moving_range_mean: Floats


def mean(values: Floats) -> Floats:
    """The mean over the last axis of what is not blank; NaN if all is."""
    known = ~np.isnan(values)
    count = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.asarray(np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0), dtype=np.float64)


def moving_range(values: Floats) -> Floats:
    """The distance to the point before; NaN for the first point and on both sides of a blank."""
    ranges = np.full(values.shape, np.nan)
    ranges[..., 1:] = np.abs(np.diff(values, axis=-1))
    return ranges


def mean_moving_range(values: Floats, *, screened: bool) -> Floats:
    """The mean moving range; screened, of those below their own upper limit. A constant series keeps its 0.

    NaN when there is no moving range, or when screening left none.
    """
    ranges = moving_range(values)
    average = mean(ranges)
    if not screened:
        return average
    kept = np.where(ranges < _MOVING_RANGE_LIMIT * average[..., None], ranges, np.nan)
    return mean(kept)


def rates(kind: Kind, numerator: Floats, denominator: Floats | None, scale: float) -> Floats:
    """What is plotted: the value itself, or events over exposure. No exposure, no rate."""
    if denominator is None:
        return numerator * scale if scale != 1 else numerator.copy()
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan) * scale


def segment_limits(
    kind: Kind,
    numerator: Floats,
    denominator: Floats | None = None,
    *,
    scale: float = 1.0,
    options: Options = Options(),
    fixed: int | None = None,
) -> Limits:
    """The lines of a segment, from all its points or, with a fixed baseline, from its first `fixed`.

    Raises ValueError for a t chart with a time that is not above 0, and for a u or p chart without denominators.
    """
    return _LINES[kind](numerator, denominator, scale, options, slice(None, fixed), kind)


def _xmr(
    numerator: Floats, denominator: Floats | None, scale: float, options: Options, basis: slice, kind: Kind
) -> Limits:
    values = rates(kind, numerator, denominator, scale)
    average = mean_moving_range(values[..., basis], screened=options.screened)
    centre = np.broadcast_to(mean(values[..., basis])[..., None], values.shape)
    sigma = np.broadcast_to((options.factor * average / 3)[..., None], values.shape)
    return _symmetric(centre, sigma, average)


def _c(
    numerator: Floats, denominator: Floats | None, scale: float, options: Options, basis: slice, kind: Kind
) -> Limits:
    centre = np.broadcast_to(mean(numerator[..., basis])[..., None], numerator.shape)
    lines = _symmetric(centre * scale, np.sqrt(centre) * scale, _no_moving_range(numerator))
    return _truncated(lines, 0.0, np.inf)


def _u(
    numerator: Floats, denominator: Floats | None, scale: float, options: Options, basis: slice, kind: Kind
) -> Limits:
    exposure = _exposure(numerator, denominator)
    centre = _ratio_of_sums(numerator, exposure, basis)
    sigma = np.sqrt(centre / exposure)
    sigma = _laney(kind, Kind.UP, numerator, exposure, centre, sigma, options, basis)
    return _truncated(_symmetric(centre * scale, sigma * scale, _no_moving_range(numerator)), 0.0, np.inf)


def _p(
    numerator: Floats, denominator: Floats | None, scale: float, options: Options, basis: slice, kind: Kind
) -> Limits:
    sizes = _exposure(numerator, denominator)
    centre = _ratio_of_sums(numerator, sizes, basis)
    sigma = np.sqrt(np.maximum(centre * (1 - centre), 0.0) / sizes)
    sigma = _laney(kind, Kind.PP, numerator, sizes, centre, sigma, options, basis)
    return _truncated(_symmetric(centre * scale, sigma * scale, _no_moving_range(numerator)), 0.0, scale)


def _g(
    numerator: Floats, denominator: Floats | None, scale: float, options: Options, basis: slice, kind: Kind
) -> Limits:
    average = mean(numerator[..., basis])
    spread = average * (average + (-1 if options.g_counts_the_second else 1))
    middle = average if options.g_centre_is_mean else _median(numerator[..., basis])
    lines = _symmetric(
        np.broadcast_to(average[..., None] * scale, numerator.shape),
        np.broadcast_to(np.sqrt(np.maximum(spread, 0.0))[..., None] * scale, numerator.shape),
        _no_moving_range(numerator),
    )
    drawn = _truncated(lines, 0.0, np.inf)
    centre = np.broadcast_to(middle[..., None] * scale, numerator.shape)
    return Limits(centre, drawn.lower, drawn.upper, drawn.sigma_low, drawn.sigma_high, drawn.moving_range_mean)


def _t(
    numerator: Floats, denominator: Floats | None, scale: float, options: Options, basis: slice, kind: Kind
) -> Limits:
    if (numerator <= 0).any():
        raise ValueError("Time between events must be greater than zero")
    root = numerator ** (1 / _NELSON)
    lines = _xmr(root, None, 1.0, options, basis, Kind.XMR)

    def back(line: Floats) -> Floats:
        return np.maximum(line, 0.0) ** _NELSON * scale

    return Limits(
        back(lines.centre),
        back(lines.lower),
        back(lines.upper),
        back(lines.sigma_low),
        back(lines.sigma_high),
        lines.moving_range_mean,
    )


_LINES: dict[Kind, Callable[[Floats, Floats | None, float, Options, slice, Kind], Limits]] = {
    Kind.XMR: _xmr,
    Kind.C: _c,
    Kind.U: _u,
    Kind.UP: _u,
    Kind.P: _p,
    Kind.PP: _p,
    Kind.G: _g,
    Kind.T: _t,
}


def _symmetric(centre: Floats, sigma: Floats, moving_range_mean: Floats) -> Limits:
    return Limits(
        centre=np.asarray(centre),
        lower=centre - 3 * sigma,
        upper=centre + 3 * sigma,
        sigma_low=centre - 2 * sigma,
        sigma_high=centre + 2 * sigma,
        moving_range_mean=moving_range_mean,
    )


def _truncated(lines: Limits, low: float, high: float) -> Limits:
    # np.clip keeps NaN.
    return Limits(
        lines.centre,
        np.clip(lines.lower, low, high),
        np.clip(lines.upper, low, high),
        np.clip(lines.sigma_low, low, high),
        np.clip(lines.sigma_high, low, high),
        lines.moving_range_mean,
    )


def _no_moving_range(numerator: Floats) -> Floats:
    return np.full(numerator.shape[:-1], np.nan)


def _exposure(numerator: Floats, denominator: Floats | None) -> Floats:
    if denominator is None:
        raise ValueError("This chart needs denominators")
    return np.where((denominator > 0) & ~np.isnan(numerator), denominator, np.nan)


def _ratio_of_sums(numerator: Floats, exposure: Floats, basis: slice) -> Floats:
    known = ~np.isnan(exposure[..., basis])
    events = np.where(known, numerator[..., basis], 0.0).sum(axis=-1)
    total = np.where(known, exposure[..., basis], 0.0).sum(axis=-1)
    centre = np.divide(events, total, out=np.full(total.shape, np.nan), where=total > 0)
    return np.broadcast_to(centre[..., None], numerator.shape)


def _laney(
    kind: Kind,
    primed: Kind,
    numerator: Floats,
    exposure: Floats,
    centre: Floats,
    sigma: Floats,
    options: Options,
    basis: slice,
) -> Floats:
    """Sigma times how much wider the points spread than counting alone would have them, for a primed chart."""
    if kind is not primed:
        return sigma
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(sigma > 0, (numerator / exposure - centre) / sigma, np.nan)
    spread = mean_moving_range(z[..., basis], screened=options.screened) / D2
    return np.asarray(sigma * spread[..., None])


def _median(values: Floats) -> Floats:
    empty = np.asarray(np.isnan(values).all(axis=-1))
    safe = np.where(empty[..., None], 0.0, values)
    return np.where(empty, np.nan, np.nanmedian(safe, axis=-1))
