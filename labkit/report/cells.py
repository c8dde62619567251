"""Numbers, settings and seeds as texts of table cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from labkit.report.sheet import NOTHING
from labkit.report.statistics import Interval, Paired, Summary
from labkit.tracking.quantities import is_share


def is_percent(metric: str) -> bool:
    """Return whether a metric is a share, which is shown in per cent."""
    return is_share(metric)


def unit(metric: str) -> str:
    """Return a metric with its unit, for the head of a column."""
    return f"{metric} (%)" if is_percent(metric) else metric


def number(metric: str, value: float, sign: str = "") -> str:
    """Return a metric's value as people read it: shares in per cent with two decimals, the rest with four digits.

    Args:
        metric: Name of the metric.
        value: Value in the metric's own unit; `-` is returned for NaN and infinity.
        sign: "+" to write the sign of positive values as well.
    """
    if not math.isfinite(value):
        return NOTHING
    return f"{100 * value:{sign}.2f}" if is_percent(metric) else f"{value:{sign}.4g}"


def spread(metric: str, mean: float, deviation: float | None) -> str:
    """Return `mean ± sample standard deviation`."""
    return with_deviation(metric, number(metric, mean), deviation)


def with_deviation(metric: str, mean: str, deviation: float | None) -> str:
    """Return `mean ± deviation`, the deviation with as many decimals as the mean and at least one significant digit.

    Args:
        metric: Name of the metric.
        mean: Mean as `number` writes it.
        deviation: Sample standard deviation in the metric's own unit; None, or one that is not finite, leaves the mean.
    """
    if deviation is None or mean == NOTHING or not math.isfinite(deviation):
        return mean
    shown = 100 * deviation if is_percent(metric) else deviation
    if "e" in mean:
        return f"{mean} ± {shown:.4g}"
    if len(mean.replace(".", "").lstrip("-0")) < 4 and not is_percent(metric):
        mean = f"{float(mean):#.4g}".rstrip(".")  # its zeros at the end are digits too
    rounded = f"{shown:.{len(mean.partition('.')[2])}f}"
    return f"{mean} ± {rounded if float(rounded) or not shown else f'{shown:.1g}'}"


def summary(metric: str, values: Summary) -> str:
    """Return `mean ± sample standard deviation`, but of a time the mean alone: its spread is the machine's."""
    return spread(metric, values.mean, None if metric.startswith("time/") else values.deviation)


def count(n: int, tried: int) -> str:
    """Return the number of seeds behind a mean: `5`, or `4 of 5` where one failed."""
    return str(n) if n == tried else f"{n} of {tried}"


def interval(metric: str, ends: Interval | None, sign: str = "") -> str:
    """Return `[low, high]`, the 95% interval; `-` without one."""
    return NOTHING if ends is None else f"[{', '.join(number(metric, end, sign) for end in ends)}]"


def difference(metric: str, value: Paired) -> str:
    """Return `+1.20 [+0.30, +2.10] p=0.020`; the difference alone where the seeds give neither interval nor p."""
    if value.difference is None:
        return NOTHING
    text = number(metric, value.difference, "+")
    if value.interval is None or value.p_value is None:
        return text
    p = "p<0.001" if value.p_value < 0.001 else f"p={value.p_value:.3f}"
    return f"{text} {interval(metric, value.interval, '+')} {p}"


def parameter(value: str | None) -> str:
    """Return a parameter that can be given back: a number in full, a constructor by its own name, a long text cut."""
    if value is None:
        return NOTHING
    if value.startswith("labkit."):
        return value.rpartition(".")[2]
    return value if len(value) <= 40 else f"{value[:37]}..."


def brief(value: str | None) -> str:
    """Return a parameter with four digits, for labels of figures and reports where there is no room."""
    text = parameter(value)
    try:
        return text if len(text) <= 8 else f"{float(text):.4g}"
    except ValueError:
        return text


def seeds(values: Iterable[str]) -> str:
    """Return the seeds in order, runs of neighbours as `0..4`; `-` where none is recorded."""
    known = list(dict.fromkeys(value for value in values if value))
    if not all(value.lstrip("-").isdigit() for value in known):
        return " ".join(known) or NOTHING
    runs: list[list[int]] = []
    for value in sorted(map(int, known)):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return " ".join(_run(run) for run in runs) or NOTHING


def _run(run: Sequence[int]) -> str:
    return f"{run[0]}..{run[-1]}" if len(run) > 2 else " ".join(map(str, run))
