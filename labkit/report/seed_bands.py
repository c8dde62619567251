"""Learning curves of one setting on several seeds: their mean, and the band from the lowest to the highest seed.

The band is the range, not the deviation: with two to five seeds it hides none of them, and a share never leaves 0..1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

Curves = Mapping[str, Sequence[tuple[int, float]]]  # metric -> (updates done, value), in order of updates


@dataclass(frozen=True)
class Band:
    """One metric over seeds, at the updates after which every seed has a finite value.

    Attributes:
        n: Number of seeds that have the metric.
        steps: Updates done.
        mean: Mean over the seeds, at each of `steps`.
        low: Lowest value of any seed there.
        high: Highest value of any seed there.
        broken: True where some seed's values stop being finite.
    """

    n: int
    steps: tuple[int, ...] = ()
    mean: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    broken: bool = False


def band(seeds: Sequence[Curves], metric: str) -> Band:
    """Return a metric's mean and range over seeds, which need not have ended after the same number of updates.

    Args:
        seeds: Curves of each run; those without the metric are left out.
        metric: Name of the metric.
    """
    curves = [dict(curve) for one in seeds if (curve := one.get(metric))]
    if not curves:
        return Band(0)
    shared = sorted(set.intersection(*({*curve} for curve in curves)))
    steps = [step for step in shared if all(math.isfinite(curve[step]) for curve in curves)]
    columns = [[curve[step] for curve in curves] for step in steps]
    return Band(
        n=len(curves),
        steps=tuple(steps),
        mean=tuple(map(fmean, columns)),
        low=tuple(map(min, columns)),
        high=tuple(map(max, columns)),
        broken=not all(math.isfinite(value) for curve in curves for value in curve.values()),
    )


def mean_history(bands: Mapping[str, Band]) -> list[tuple[int, dict[str, float]]]:
    """Return the means as a run's history: rows (updates done, metrics)."""
    rows: dict[int, dict[str, float]] = {}
    for metric, one in bands.items():
        for step, value in zip(one.steps, one.mean, strict=True):
            rows.setdefault(step, {})[metric] = value
    return sorted(rows.items())


def caption(settings: Sequence[Sequence[Curves]]) -> str:
    """Return the meaning of mean and band, and up to where they go; "" where every setting has one seed."""
    counts = sorted({len(seeds) for seeds in settings})
    if counts[-1:] in ([], [1]):
        return ""
    n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    told = f"mean of n = {n} seeds, band from the lowest to the highest seed"
    spans = [[_last(one) for one in seeds] for seeds in settings]
    if all(len({*ends}) == 1 for ends in spans):
        return told
    first, last = min(map(min, spans)), max(map(max, spans))
    return f"{told}; seeds ended after {first:,} to {last:,} updates, and a curve ends with the first of its seeds"


def _last(curves: Curves) -> int:
    return max((curve[-1][0] for curve in curves.values() if curve), default=0)
