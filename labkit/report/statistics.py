"""The certainty of a mean over seeds and of a difference between settings: Student's t, on the scale of the quantity.

The interval of a mean is Student's t where the quantity has no bounds: on the logit scale for a share, on the log scale
for what is never negative. The deviation is carried over by the delta method, so the interval lies around the mean that
stands beside it, and a single seed at 0% or 100% does no harm. In a simulation it covers 92% to 98% where t clipped to
0..1 covers 86% to 96%. A difference keeps plain t, in step with its p-value; of shares it ends at ±1, beyond which no
difference lies: cutting off what cannot be costs no coverage.

Sources: Student (W. S. Gosset), "The probable error of a mean", Biometrika 6 (1908); A. Agresti, "Categorical Data
Analysis", 3rd edition (2013), sections 3.1 and 16.1 (the delta method, intervals on the logit scale).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from labkit.tracking.quantities import Scale

LEVEL = 0.95
FEWEST = 3  # seeds: from two, t(0.975, 1) = 12.7, an interval says nothing that the two values do not say better
_ROUNDING = 1e-12  # of the values: what float64 leaves of a difference that is none
_SLACK = 1 + 1e-6  # 0.8 - 0.7 is more than 0.1

Key = TypeVar("Key", bound=Hashable)
Interval = tuple[float, float]


@dataclass(frozen=True)
class Summary:
    """A summary of some values, in their own unit.

    Attributes:
        n: Number of values.
        mean: Arithmetic mean; NaN for none.
        deviation: Sample standard deviation (n - 1); None for fewer than two.
        interval: Low and high end of the 95% interval of the mean; None for fewer than three values, and where they
            all lie within one step of their resolution.
    """

    n: int
    mean: float
    deviation: float | None
    interval: Interval | None


@dataclass(frozen=True)
class Paired:
    """A setting less a baseline, seed by seed.

    Attributes:
        n: Number of seeds that both have.
        difference: Mean of (value - baseline) over them; None without a common seed.
        interval: Low and high end of its 95% interval; None for fewer than three seeds, and where the differences all
            lie within one step of their resolution.
        p_value: Probability of the two-sided paired t test; None where there is no interval.
    """

    n: int
    difference: float | None
    interval: Interval | None
    p_value: float | None


def summarise(values: Iterable[float], scale: Scale = "real", resolution: float = 0.0) -> Summary:
    """Return n, mean, standard deviation and the 95% interval of the mean.

    A value that is not finite makes the mean NaN and leaves the rest None: leave out what diverged, and say so.

    Args:
        values: Values, one for each seed.
        scale: Scale of the quantity: `share`, `positive` or `real`; values that contradict it are taken as `real`.
        resolution: Smallest step between two values, such as one sample of the validation part; 0 if unknown.
    """
    known = [float(value) for value in values]
    n = len(known)
    if not known or not all(map(math.isfinite, known)):
        return Summary(n, math.nan, None, None)
    mean = statistics.fmean(known)
    if n < 2:
        return Summary(n, mean, None, None)
    deviation = statistics.stdev(known)
    if _too_close(known, resolution, max(map(abs, known))):
        return Summary(n, mean, deviation, None)
    possible = min(known) >= 0 and (scale == "positive" or max(known) <= 1)
    return Summary(n, mean, deviation, interval(mean, deviation, n, scale if possible else "real"))


def interval(mean: float, deviation: float | None, n: int, scale: Scale = "real") -> Interval | None:
    """Return the 95% interval of a mean; None for fewer than three values, and without a spread.

    With h = t(0.975, n - 1) * deviation / sqrt(n): mean ± h; of a share logit(mean) ± h / (mean (1 - mean)) and back;
    of what is never negative log(mean) ± h / mean and back.
    """
    if n < FEWEST or not deviation or not math.isfinite(mean):
        return None
    from scipy.special import expit, logit

    half = _quantile(n - 1) * deviation / math.sqrt(n)
    if scale == "share":
        middle, half = logit(mean), half / (mean * (1 - mean))
        return float(expit(middle - half)), float(expit(middle + half))
    if scale == "positive":
        return mean * math.exp(-half / mean), mean * math.exp(half / mean)
    return mean - half, mean + half


def paired_difference(
    values: Mapping[Key, float], baseline: Mapping[Key, float], scale: Scale = "real", resolution: float = 0.0
) -> Paired:
    """Return the mean difference over the seeds that both have, with the interval and p-value of the paired t test.

    The same seed draws the same initial weights and the same batches, so what the seeds share cancels and the interval
    is narrower than that of two means side by side.

    Args:
        values: Seed -> value.
        baseline: Seed -> value.
        scale: Scale of the values; differences of shares lie between -1 and 1.
        resolution: Smallest step between two values; 0 if unknown.
    """
    shared = [key for key in values if key in baseline]
    gains = [values[key] - baseline[key] for key in shared]
    summary = summarise(gains)
    if not gains or not math.isfinite(summary.mean):
        return Paired(summary.n, None, None, None)
    size = max(abs(value) for key in shared for value in (values[key], baseline[key]))
    ends = None if _too_close(gains, resolution, size) else summary.interval
    if ends is None or summary.deviation is None:
        return Paired(summary.n, summary.mean, None, None)
    if scale == "share" and size <= 1:
        ends = max(ends[0], -1.0), min(ends[1], 1.0)
    return Paired(summary.n, summary.mean, ends, _p_value(summary.mean, summary.deviation, summary.n))


def _too_close(values: list[float], resolution: float, size: float) -> bool:
    """Return whether values are equal or one step apart.

    Seeds that toss a coin between two counts have no normal spread.
    """
    return max(values) - min(values) <= max(resolution * _SLACK, size * _ROUNDING)


def _p_value(mean: float, deviation: float, n: int) -> float:
    from scipy.special import stdtr

    return 2 * float(stdtr(n - 1, -abs(mean) / (deviation / math.sqrt(n))))


def _quantile(freedom: int) -> float:
    from scipy.special import stdtrit  # scipy.stats would take ten times as long to import

    return float(stdtrit(freedom, 0.5 + LEVEL / 2))
