"""Answers a reference case of statistical process control: `plumbline spc case FILE.json`.

A case is a JSON file that names a CSV beside it and lists analyses; of an analysis its chart, inputs and settings are
read, and from its id which rows it is about: `rows_dropped`, `blank_rows_kept` (as unless said otherwise), `firstN`,
`before`. What an analysis is expected to give is never looked at. A setting that is not offered for its chart, by its name
or by its value, is skipped with its reason; null is a setting that was not made.
"""

import csv
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.spc.chart import ENOUGH, MDC, NHSR, Chart, Direction, Preset, draw
from services.spc.comparison import Counted, autocorrelation, dispersion, rate_ratio, runs_analysis
from services.spc.limits import D2, Floats, Kind
from services.spc.rules import Rules, TwoOfThree, beside

_Result = dict[str, Any]
# Fewest points of a fixed baseline that the `nhsr` preset takes.
_LEAST_FIXED = 12


class Skipped(Exception):
    """An analysis asks for what is not offered."""


class _NoTable(Exception):
    """An analysis asks for a column, and the file that should have it is not there."""


@dataclass(frozen=True)
class _Table:
    """The rows of a case. Cells are text; a blank is a missing value."""

    columns: list[str]
    rows: list[dict[str, str]]
    event: bool
    absent: str | None = None

    def numbers(self, column: str) -> Floats:
        if self.absent is not None:
            raise _NoTable(f"{self.absent}, which should have the column {column!r}, is not there")
        if column not in self.columns:
            raise Skipped(f"the case has no column {column!r}")
        return np.array([_number(row.get(column)) for row in self.rows], dtype=np.float64)

    def labels(self, column: str | None) -> list[Any]:
        """What stands on the x axis: the named column, else the first with dates, else 1, 2, 3 ..."""
        if column is None and not self.event:
            column = next((c for c in self.columns if all(_is_date(row[c]) for row in self.rows)), None)
        if column is None or column not in self.columns:
            return list(range(1, len(self.rows) + 1))
        return [row[column] for row in self.rows]


def answer(path: Path) -> dict[str, Any]:
    """The results of all analyses of a case, in its own schema. Raises ValueError for a file that is no case."""
    try:
        case = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(case, dict):
            raise TypeError("it is no object")
        analyses, given = case["analyses"], case.get("input") or {}
        if not isinstance(analyses, list) or not all(isinstance(one, dict) for one in analyses):
            raise TypeError("analyses is no list of objects")
        if not all(isinstance(one.get("inputs") or {}, dict) for one in analyses) or not isinstance(given, dict):
            raise TypeError("input, and the inputs of an analysis, are objects")
    except KeyError as error:
        raise ValueError(f"{path.name} is not a case: {error} is missing") from error
    except (TypeError, RecursionError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} is not a case: {error}") from error
    table = _read(path, given)
    try:
        changed_at = _change(analyses, table)
        answers = [_answered(one, table, changed_at) for one in analyses]
    except _NoTable as error:
        raise ValueError(str(error)) from error
    return {"case_id": case.get("case_id", path.stem), "analyses": answers}


def _answered(analysis: dict[str, Any], table: _Table, changed_at: int | None) -> dict[str, Any]:
    name = analysis.get("chart")
    try:
        result = _analyse(analysis, table, changed_at)
        json.dumps(result, allow_nan=False)
    except Skipped as reason:
        result = {"skipped": str(reason)}
    except (OverflowError, MemoryError):
        result = {"error": "The figures are too large to compute with"}
    except ValueError as error:
        said = str(error)
        result = {"error": "The figures are too large to compute with" if "JSON compliant" in said else said}
    return {"analysis_id": analysis.get("analysis_id"), "chart": name, "result": result}


def _analyse(analysis: dict[str, Any], table: _Table, changed_at: int | None) -> _Result:
    name = str(analysis.get("chart"))
    inputs = analysis.get("inputs") or {}
    settings = _settings(name, analysis.get("settings") or {})
    identity = str(analysis.get("analysis_id") or "")
    if name == "rate_ratio":
        return _ratio(inputs, table)
    table = _rows(table, identity, inputs, changed_at)
    if name == "dispersion":
        return _dispersion(inputs, table)
    if name == "autocorrelation":
        return _autocorrelation(inputs, table)
    if name == "xmr":
        return _mdc(inputs, settings, table)
    if "nsigmas" in settings or name == "xbar.one":
        return _plain(name, inputs, table)
    if not _RULES.isdisjoint(settings):
        return _with_rules(name, inputs, settings, table)
    return _with_runs(name, inputs, settings, table)


# What is said of signals: which one names a point with several, by the two presets.
_PRECEDENCE = {
    True: "outside_limits > trend > two_of_three > shift",
    False: "all rules reported; conflict shows improvement",
}
_METHOD = "exact conditional binomial (central Clopper-Pearson interval)"
_RULES = {"two_of_three_variant", "shift_n", "trend_n"}
# Charts that draw their limits from moving ranges, and so can screen them; of two the constant is that of the chart.
_SCREENED = {"xmr", "i", "t", "up", "pp"}
_SCALED = {"xmr", "i", "t"}


def _settings(name: str, given: object) -> dict[str, Any]:
    """The settings that were made, all of them offered for the chart."""
    if not isinstance(given, dict):
        raise Skipped("settings are not an object")
    made = {key: value for key, value in given.items() if value is not None}
    offered = _offered(name, made)
    for key, value in made.items():
        if key not in offered:
            raise Skipped(f"the setting {key!r} is not offered here for {name!r}")
        if not offered[key](value):
            raise Skipped(f"{key} {value!r} is not offered for {name!r}")
    return made


def _offered(name: str, made: dict[str, Any]) -> dict[str, Callable[[Any], bool]]:
    """What can be set for a chart, and to what: with `nsigmas` limits alone, with a rule its rules, else Anhoj's runs."""
    if name == "rate_ratio":
        return {"method": lambda v: v == _METHOD}
    if name in ("dispersion", "autocorrelation"):
        return {}
    if name == "xbar.one" or "nsigmas" in made:
        return {} if name == "xmr" else {"nsigmas": lambda v: _is_number(v) and v == 3}
    screening = {"screen_moving_ranges": lambda v: v is False or (v is True and name in _SCREENED)}
    if name != "xmr" and _RULES.isdisjoint(made):
        return screening
    rules: dict[str, Callable[[Any], bool]] = {
        **screening,
        "limit_constant": _is_constant if name in _SCALED else lambda v: _is_constant(v) and _factor(v) == 3 / D2,
        "shift_n": _is_length,
        "trend_n": _is_length,
        "two_of_three_variant": lambda v: isinstance(v, str) and v in set(TwoOfThree),
    }
    if name == "xmr":
        nhsr = made.get("two_of_three_variant") == TwoOfThree.NHSR_0_2_2
        rules["precedence"] = lambda v: v == _PRECEDENCE[nhsr]
    return rules


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_length(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 2


def _is_constant(value: object) -> bool:
    """A number above 0, or two of them as a fraction."""
    try:
        factor = _factor(value)
    except (ValueError, ZeroDivisionError):
        return False
    return not isinstance(value, bool) and math.isfinite(factor) and factor > 0


def _rows(table: _Table, identity: str, inputs: dict[str, Any], changed_at: int | None) -> _Table:
    rows = table.rows
    first = re.search(r"_first(\d+)", identity)
    if first:
        rows = rows[: int(first.group(1))]
    elif re.search(r"_before(_|$)", identity) and changed_at is not None:
        rows = rows[:changed_at]
    if "rows_dropped" in identity:
        used = [c for c in (inputs.get(k) for k in ("value_column", "y_column", "denominator_column")) if c]
        rows = [row for row in rows if all(not math.isnan(_number(row.get(c))) for c in used)]
    return replace(table, rows=rows)


def _change(analyses: list[dict[str, Any]], table: _Table) -> int | None:
    """Where the case's change is: the first row after it, as any of its analyses says."""
    for analysis in analyses:
        inputs = analysis.get("inputs") or {}
        for key in ("part_after_n_points", "freeze_after_n_points", "fix_after_n_points"):
            position = inputs.get(key)
            if isinstance(position, int):
                return position
        try:
            starts = _starts(inputs, table.labels(None))
        except ValueError:
            continue  # said of the analysis itself
        if starts:
            return starts[0]
    return None


def _mdc(inputs: dict[str, Any], settings: dict[str, Any], table: _Table) -> _Result:
    preset = _preset(settings)
    values = table.numbers(_named(inputs, "value_column", "y_column"))
    labels = table.labels(inputs.get("x_column"))
    direction, target = _judged(inputs)
    fixed = _fixed(inputs)
    nhsr = preset.rules.two_of_three is TwoOfThree.NHSR_0_2_2
    if nhsr and fixed is not None and fixed < _LEAST_FIXED:
        raise ValueError(f"A fixed baseline needs at least {_LEAST_FIXED} points")
    drawn = _draw(Kind.XMR, values, None, 1.0, preset, _starts(inputs, labels), fixed)
    points = {"period": labels, **_lines(drawn), "moving_range": _cells(drawn.moving_range)}
    points |= {"segment": drawn.segment.tolist()}
    types = drawn.point_types(direction)
    assurance = drawn.assurance(direction, target)
    segments = [_segment(drawn, index, labels, counts_blanks=nhsr) for index in range(len(drawn.segments))]
    signals = drawn.signals
    if nhsr:
        blank = drawn.gaps
        limited = ~np.isnan(drawn.lines.upper)
        for described, piece in zip(segments, drawn.segments, strict=True):
            described["short_group_warning"] = described["n"] < ENOUGH
            described["last_point_type"] = types[piece.until - 1]
        points["outside_limits"] = _flags(signals.outside != 0, ~blank & limited)
        points["trend"] = _flags(signals.trend_up | signals.trend_down)
        points["two_of_three"] = _flags(signals.two_of_three != 0, ~blank)
        points["shift"] = _flags(signals.shift != 0)
        points["special_cause_type"] = [_label(drawn, position) for position in range(len(labels))]
        points["point_type"] = types
        return {
            "segments": segments,
            "points": points,
            "variation_icon": drawn.icon(direction),
            "assurance_type": assurance,
            # The reference's icons leave the first word out.
            "assurance_icon": None if assurance is None else assurance.removeprefix("consistent_"),
        }
    for described in segments:
        described["limits_and_icons_shown_by_mdc_tool"] = described["n"] >= ENOUGH
    points["outside_limits"] = _sides(signals.outside)
    points["shift"] = _sides(signals.shift)
    points["trend_up"], points["trend_down"] = signals.trend_up.tolist(), signals.trend_down.tolist()
    points["two_of_three"] = _sides(signals.two_of_three)
    points["point_type"] = types
    points["conflict"] = drawn.conflicts().tolist()
    return {
        "segments": segments,
        "points": points,
        "variation_icon": drawn.icon(direction),
        "assurance_type": assurance,
    }


def _segment(drawn: Chart, index: int, labels: list[Any], *, counts_blanks: bool) -> dict[str, Any]:
    piece = drawn.segments[index]
    return {
        "segment": index,
        "first_period": labels[piece.first] if labels else None,
        "last_period": labels[piece.until - 1] if labels else None,
        "n": piece.until - piece.first if counts_blanks else int(piece.n),
        "centre": _cell(float(piece.centre)),
        "mean_moving_range_used": _cell(float(piece.moving_range_mean)),
        "lower_limit": _cell(float(piece.lower)),
        "upper_limit": _cell(float(piece.upper)),
    }


_LABELS = {
    ("outside_limits", 1): "Above UCL",
    ("outside_limits", -1): "Below LCL",
    ("trend", 1): "{trend} Point Trend (Increasing)",
    ("trend", -1): "{trend} Point Trend (Decreasing)",
    ("two_of_three", 1): "2 in 3 Above CL",
    ("two_of_three", -1): "2 in 3 Below CL",
    ("shift", 1): "{shift} Points Above CL",
    ("shift", -1): "{shift} Points Below CL",
}


def _label(drawn: Chart, position: int) -> str:
    rule, direction = drawn.first_rule(position)
    if rule is None:
        return "Common Cause"
    return _LABELS[rule, direction].format(trend=drawn.preset.rules.trend, shift=drawn.preset.rules.shift)


def _with_runs(name: str, inputs: dict[str, Any], settings: dict[str, Any], table: _Table) -> _Result:
    """A chart with its limits and Anhoj's analysis of runs."""
    screened = bool(settings.get("screen_moving_ranges"))
    preset = replace(MDC, options=replace(MDC.options, factor=3 / D2, screened=screened))
    drawn, labels, exposure = _drawn(name, inputs, preset, table)
    signal = drawn.signals.outside != 0
    segments = []
    for index, piece in enumerate(drawn.segments):
        part = slice(piece.first, piece.until)
        runs = runs_analysis(beside(drawn.values[part], drawn.lines.centre[part]))
        segments.append(
            {
                "segment": index,
                "n": piece.until - piece.first,
                "centre": _cell(float(piece.centre)),
                "runs_analysis": {
                    "n_useful": runs.useful,
                    "longest_run": runs.longest,
                    "longest_run_max": runs.longest_allowed,
                    "n_crossings": runs.crossings,
                    "n_crossings_min": runs.crossings_needed,
                    "runs_signal": runs.signal,
                },
                "any_sigma_signal": bool(signal[part].any()),
            }
        )
    points = {
        "x": labels,
        **_lines(drawn),
        "denominator": [None] * len(labels) if exposure is None else np.nan_to_num(exposure).tolist(),
        "segment": drawn.segment.tolist(),
        "lower_2sigma": _cells(drawn.lines.sigma_low),
        "upper_2sigma": _cells(drawn.lines.sigma_high),
        "sigma_signal": signal.tolist(),
    }
    return {"segments": segments, "points": points}


def _plain(name: str, inputs: dict[str, Any], table: _Table) -> _Result:
    """A chart with three-sigma limits and nothing more; a g chart for cases with the second counted."""
    options = replace(MDC.options, factor=3 / D2, g_counts_the_second=True, g_centre_is_mean=True)
    drawn, _, _ = _drawn(name, inputs, replace(MDC, options=options), table)
    return {
        "segments": [
            {"segment": i, "n": piece.until - piece.first, "centre": _cell(float(piece.centre))}
            for i, piece in enumerate(drawn.segments)
        ],
        "points": {
            "value": _cells(drawn.values),
            "lower": _cells(drawn.lines.lower),
            "upper": _cells(drawn.lines.upper),
            "sigma_signal": (drawn.signals.outside != 0).tolist(),
        },
    }


def _with_rules(name: str, inputs: dict[str, Any], settings: dict[str, Any], table: _Table) -> _Result:
    """A chart on which each signal says whether it is better or worse, and all icons of its last point are shown."""
    drawn, labels, _ = _drawn(name, inputs, _preset(settings, ties_pass=True), table)
    direction, target = _judged(inputs)
    words = {
        Direction.INCREASE: {1: "improvement", -1: "deterioration"},
        Direction.DECREASE: {1: "deterioration", -1: "improvement"},
        Direction.NEUTRAL: {1: "neutral_high", -1: "neutral_low"},
    }[direction]
    signals = drawn.signals
    trend = np.where(signals.trend_up, 1, np.where(signals.trend_down, -1, 0))
    last = drawn.values.shape[-1] - 1
    icons = {
        Direction.INCREASE: {1: "improvement_high", -1: "concern_low"},
        Direction.DECREASE: {1: "concern_high", -1: "improvement_low"},
        Direction.NEUTRAL: {1: "neutral_high", -1: "neutral_low"},
    }[direction]
    shown = sorted(
        icons[sign] for sign, fired in ((1, signals.high), (-1, signals.low)) if last >= 0 and bool(fired[last])
    )
    return {
        "variation_icons": shown or ["common_cause"],
        "assurance_icon": drawn.assurance(direction, target),
        "points": {
            "x": labels,
            **_lines(drawn),
            "lower_2sigma": _cells(drawn.lines.sigma_low),
            "upper_2sigma": _cells(drawn.lines.sigma_high),
            "outside_limits": [words.get(int(s)) for s in signals.outside],
            "shift": [words.get(int(s)) for s in signals.shift],
            "trend": [words.get(int(s)) for s in trend],
            "two_of_three": [words.get(int(s)) for s in signals.two_of_three],
        },
    }


_KINDS = {
    "i": Kind.XMR,
    "xbar.one": Kind.XMR,
    "xmr": Kind.XMR,
    "c": Kind.C,
    "u": Kind.U,
    "up": Kind.UP,
    "p": Kind.P,
    "pp": Kind.PP,
    "g": Kind.G,
    "t": Kind.T,
}


def _drawn(name: str, inputs: dict[str, Any], preset: Preset, table: _Table) -> tuple[Chart, list[Any], Floats | None]:
    kind = _KINDS.get(name)
    if kind is None:
        raise Skipped(f"chart {name!r} is not offered")
    counts = table.numbers(_named(inputs, "y_column", "value_column"))
    column = inputs.get("denominator_column")
    exposure = table.numbers(column) if column else None
    labels = table.labels(inputs.get("x_column"))
    scale = _above(inputs, "multiplier", 1)
    if kind is not Kind.XMR:
        _check_counted(name, counts, exposure)
    drawn = _draw(kind, counts, exposure, scale, preset, _starts(inputs, labels), _fixed(inputs))
    return drawn, labels, exposure


def _check_counted(name: str, counts: Floats, exposure: Floats | None) -> None:
    """What is counted, and over what, is never below 0; a part is never more than its whole."""
    if (counts < 0).any():
        raise ValueError(f"A chart {name!r} is of counts or of times between: none is below 0")
    if exposure is not None and (exposure < 0).any():
        raise ValueError("A denominator is below 0")
    if name in ("p", "pp") and exposure is not None and ((counts > exposure) & (exposure > 0)).any():
        raise ValueError(f"A chart {name!r} is of shares: a numerator is above its denominator")


def _draw(
    kind: Kind,
    counts: Floats,
    exposure: Floats | None,
    scale: float,
    preset: Preset,
    starts: list[int],
    fixed: int | None,
) -> Chart:
    if not counts.size:
        raise ValueError("There is no point to draw")
    return draw(kind, counts, exposure, scale=scale, preset=preset, starts=starts, fixed=fixed)


def _preset(settings: dict[str, Any], *, ties_pass: bool = False) -> Preset:
    variant = TwoOfThree(settings.get("two_of_three_variant", TwoOfThree.MDC_2024))
    known = NHSR if variant is TwoOfThree.NHSR_0_2_2 else MDC
    constant = settings.get("limit_constant")
    options = replace(
        known.options,
        factor=known.options.factor if constant is None else _factor(constant),
        screened=settings.get("screen_moving_ranges", known.options.screened),
    )
    rules = Rules(
        shift=settings.get("shift_n", known.rules.shift),
        trend=settings.get("trend_n", known.rules.trend),
        two_of_three=variant,
        ties_pass=ties_pass,
    )
    return replace(known, rules=rules, options=options)


def _factor(constant: object) -> float:
    above, _, below = str(constant).partition("/")
    return float(above) / float(below or 1)


def _judged(inputs: dict[str, Any]) -> tuple[Direction, float | None]:
    named = inputs.get("improvement_direction") or Direction.NEUTRAL
    if not isinstance(named, str) or named not in set(Direction):
        raise Skipped(f"direction {named!r} is not offered")
    target = inputs.get("target")
    if target is not None and not _is_number(target):
        raise ValueError(f"target {target!r} is not a number")
    return Direction(named), None if target is None else float(target)


def _above(inputs: dict[str, Any], key: str, otherwise: float) -> float:
    """A number above 0, or what counts where none is given."""
    value = inputs.get(key)
    if value is None:
        return otherwise
    if not _is_number(value) or value <= 0:
        raise ValueError(f"{key} {value!r} is not a number above 0")
    return float(value)


def _position(key: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{key} {value!r} is not a whole number from 1")
    return value


def _fixed(inputs: dict[str, Any]) -> int | None:
    for key in ("fix_after_n_points", "freeze_after_n_points"):
        if inputs.get(key):
            return _position(key, inputs[key])
    return None


def _starts(inputs: dict[str, Any], labels: list[Any]) -> list[int]:
    """Where new segments begin: after so many points, or at the first period that starts at or after a date."""
    parts = inputs.get("part_after_n_points")
    parts = parts if isinstance(parts, list) else [] if parts is None else [parts]
    starts = [_position("part_after_n_points", part) for part in parts]
    dates = inputs.get("rebase_dates") or []
    for day in dates if isinstance(dates, list) else [dates]:
        if not re.fullmatch(r"\d{4}-\d\d(-\d\d.*)?", str(day)):
            raise ValueError(f"rebase_dates {day!r} is not a day")
        found = next((i for i, label in enumerate(labels) if str(label) >= str(day)), None)
        if found is not None:
            starts.append(found)
    return sorted(starts)


def _ratio(inputs: dict[str, Any], table: _Table) -> _Result:
    given = {**next((row for row in table.rows if row.get("label") == inputs.get("label")), {}), **inputs}
    before = Counted(_number(given.get("before_events")), _number(given.get("before_exposure")))
    after = Counted(_number(given.get("after_events")), _number(given.get("after_exposure")))
    for name, counted in (("before", before), ("after", after)):
        if not (counted.events >= 0 and counted.events == round(counted.events) and counted.exposure >= 0):
            raise ValueError(f"{name}_events is a whole number and {name}_exposure a number, both from 0")
    per, confidence = _above(inputs, "rate_per", 1), _above(inputs, "confidence", 0.95)
    if confidence >= 1:
        raise ValueError(f"confidence {confidence!r} is not below 1")
    found = rate_ratio(before, after, confidence)
    rates: _Result = {
        "rate_before": _cell(before.events / before.exposure * per) if before.exposure > 0 else None,
        "rate_after": _cell(after.events / after.exposure * per) if after.exposure > 0 else None,
    }
    if found is None:
        unknown = ("ratio_after_over_before", "ci_lower", "ci_upper", "p_two_sided_minlike")
        return rates | dict.fromkeys(unknown) | {"note": "cannot be estimated: no events at all, or no exposure"}
    return rates | {
        "ratio_after_over_before": _finite(found.ratio),
        "ci_lower": _finite(found.lower),
        "ci_upper": _finite(found.upper),
        "p_two_sided_minlike": found.p_minlike,
        "p_two_sided_central": found.p_central,
        "p_less": found.p_fewer,
        "p_greater": found.p_more,
    }


def _dispersion(inputs: dict[str, Any], table: _Table) -> _Result:
    kind = inputs.get("kind") or "poisson"
    if kind not in ("poisson", "binomial"):
        raise Skipped(f"dispersion of kind {kind!r} is not offered")
    counts = table.numbers(_named(inputs, "y_column", "value_column"))
    column = inputs.get("denominator_column")
    exposure = table.numbers(column) if column else np.ones(counts.shape)
    _check_counted("p" if kind == "binomial" else "u", counts, exposure)
    found = dispersion(counts, exposure, binomial=kind == "binomial")
    if found is None:
        raise ValueError("Dispersion needs two periods with events")
    return {
        "pearson_x2": found.chi_square,
        "df": found.degrees,
        "dispersion_ratio": found.ratio,
        "p_value": found.p,
    }


def _autocorrelation(inputs: dict[str, Any], table: _Table) -> _Result:
    found = autocorrelation(table.numbers(_named(inputs, "value_column", "y_column")))
    if found is None:
        raise ValueError("Autocorrelation needs three points that are not all alike")
    return {"lag1": found.lag1, "approx_95_bound": found.bound}


def _named(inputs: dict[str, Any], *keys: str) -> str:
    for key in keys:
        if inputs.get(key):
            return str(inputs[key])
    raise Skipped(f"the analysis names no column: {keys[0]} is missing")


def _read(path: Path, given: dict[str, Any]) -> _Table:
    file = path.parent / str(given.get("csv") or f"{path.stem}.csv")
    event = given.get("grain") == "event"
    if not file.is_file():
        return _Table([], [], event, absent=file.name)
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            table = _Table(list(reader.fieldnames or []), list(reader), event)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{file.name} is not a CSV in UTF-8: {error}") from error
    return table


def _number(cell: object) -> float:
    if cell is None or str(cell).strip().lower() in ("", "na", "nan"):
        return math.nan
    try:
        number = float(str(cell))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Skipped(f"{cell!r} is not a number")
    return number


def _is_date(cell: str | None) -> bool:
    try:
        date.fromisoformat(cell or "")
    except ValueError:
        return False
    return True


def _lines(drawn: Chart) -> dict[str, list[float | None]]:
    lines = drawn.lines
    return {
        "value": _cells(drawn.values),
        "centre": _cells(lines.centre),
        "lower": _cells(lines.lower),
        "upper": _cells(lines.upper),
    }


def _cells(values: Floats) -> list[float | None]:
    return [_cell(float(v)) for v in values]


def _cell(value: float) -> float | None:
    return None if math.isnan(value) else value


def _finite(value: float) -> float | str:
    return "Inf" if math.isinf(value) else value


def _flags(flags: NDArray[np.bool_], known: NDArray[np.bool_] | None = None) -> list[bool | None]:
    return [bool(f) if known is None or known[i] else None for i, f in enumerate(flags)]


def _sides(signs: NDArray[np.int8]) -> list[str | None]:
    return [{1: "high", -1: "low"}.get(int(s)) for s in signs]
