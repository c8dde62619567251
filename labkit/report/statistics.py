"""How sure a mean over seeds is, and whether two settings differ: Student's t, nothing else.

Source: Student (W. S. Gosset), "The probable error of a mean", Biometrika 6 (1908). The values are taken as drawn from
normal distributions; with three to ten seeds that is all one can do, and the interval says how little that is.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

LEVEL = 0.95

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Summary:
    """What some values have in common, in their own unit.

    Attributes:
        n: how many there are.
        mean: their arithmetic mean; NaN for none.
        deviation: the sample standard deviation (n - 1); None for fewer than two.
        half_width: the 95% interval of the mean is mean ± half_width; None for fewer than two.
    """

    n: int
    mean: float
    deviation: float | None
    half_width: float | None


@dataclass(frozen=True)
class Paired:
    """A setting less a baseline, seed by seed.

    Attributes:
        n: seeds that both have.
        difference: mean of (value - baseline) over them; None without a common seed.
        half_width: the 95% interval is difference ± half_width; None for fewer than two seeds.
        p_value: of the two-sided paired t test; None for fewer than two seeds. 1 where no seed differs at all.
    """

    n: int
    difference: float | None
    half_width: float | None
    p_value: float | None


def summarise(values: Iterable[float]) -> Summary:
    """n, mean, standard deviation and the 95% interval of the mean: t(0.975, n - 1) * deviation / sqrt(n).

    A value that is not finite makes the mean NaN and leaves the rest None: leave out what diverged, and say so.
    """
    known = [float(value) for value in values]
    n = len(known)
    if not known or not all(map(math.isfinite, known)):
        return Summary(n, math.nan, None, None)
    mean = statistics.fmean(known)
    if n < 2:
        return Summary(n, mean, None, None)
    deviation = statistics.stdev(known)
    return Summary(n, mean, deviation, _quantile(n - 1) * deviation / math.sqrt(n))


def paired(values: Mapping[Key, float], baseline: Mapping[Key, float]) -> Paired:
    """The paired t test over the seeds that both have.

    The same seed draws the same initial weights and the same batches, so what the seeds share cancels and the interval
    is narrower than that of two means side by side.

    Args:
        values: seed -> value.
        baseline: seed -> value.
    """
    gains = [values[key] - baseline[key] for key in values if key in baseline]
    summary = summarise(gains)
    if not gains or not math.isfinite(summary.mean):
        return Paired(summary.n, None, None, None)
    if summary.half_width is None or summary.deviation is None:
        return Paired(summary.n, summary.mean, None, None)
    return Paired(summary.n, summary.mean, summary.half_width, _p_value(summary.mean, summary.deviation, summary.n))


def _p_value(mean: float, deviation: float, n: int) -> float:
    from scipy.special import stdtr

    if deviation == 0:
        return 1.0 if mean == 0 else 0.0
    return 2 * float(stdtr(n - 1, -abs(mean) / (deviation / math.sqrt(n))))


def _quantile(freedom: int) -> float:
    from scipy.special import stdtrit  # scipy.stats would take ten times as long to import

    return float(stdtrit(freedom, 0.5 + LEVEL / 2))
