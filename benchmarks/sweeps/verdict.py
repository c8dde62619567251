"""Whether a peer did the same work and learned the same: what its store holds, against labkit's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.sweeps.measures import LOGGED
from benchmarks.sweeps.tracking import History
from benchmarks.sweeps.work import Tolerance, Work


@dataclass(frozen=True)
class Verdict:
    """What the check of one measurement found.

    Attributes:
        best: the highest validation accuracy of a trial, NaN without one.
        mean: over the trials.
        furthest: the largest difference of a trial's validation accuracy from the reference; NaN if not compared.
        problems: one clause each; none is a pass.
    """

    best: float
    mean: float
    furthest: float
    problems: tuple[str, ...]


def judge(
    work: Work,
    evaluations: list[int],
    found: Mapping[float, History],
    reference: Mapping[float, History],
    tolerance: Tolerance,
    own_start: bool,
) -> Verdict:
    """Compare the trials in a store with the reference's.

    Args:
        evaluations: the numbers of updates at which metrics are expected.
        own_start: the peer draws its own weights: only mean and best are compared, and nothing is expected at 0.
    """
    expected = [step for step in evaluations if step or not own_start]
    problems = _missing(work, expected, found)
    if problems:
        return Verdict(math.nan, math.nan, math.nan, tuple(problems))
    accuracy, loss = (
        np.array([found[v][expected[-1]][key] for v in work.values]) for key in ("val/accuracy", "val/loss")
    )
    known, known_loss = (
        np.array([reference[v][expected[-1]][key] for v in work.values]) for key in ("val/accuracy", "val/loss")
    )
    for what, here, there in (("mean", accuracy.mean(), known.mean()), ("best", accuracy.max(), known.max())):
        allowed = tolerance.own if own_start else tolerance.mean
        if not abs(here - there) <= allowed:
            problems.append(f"{what} accuracy {here:.4f} against {there:.4f}, allowed {allowed}")
    if own_start:
        return Verdict(accuracy.max(), accuracy.mean(), math.nan, tuple(problems))
    furthest = float(np.abs(accuracy - known).max())
    if not furthest <= tolerance.accuracy:
        problems.append(f"a trial's accuracy is off by {furthest:.4f}, allowed {tolerance.accuracy}")
    if tolerance.loss is not None:
        off = float((np.abs(loss - known_loss) / known_loss).max())
        if not off <= tolerance.loss:
            problems.append(f"a trial's val/loss is off by {off:.1e} of itself, allowed {tolerance.loss}")
    return Verdict(accuracy.max(), accuracy.mean(), furthest, tuple(problems))


def _missing(work: Work, expected: list[int], found: Mapping[float, History]) -> list[str]:
    """Trials, evaluations or metrics that the store lacks."""
    problems = []
    for value in work.values:
        if value not in found:
            problems.append(f"no finished run with {work.key}={value!r}")
            continue
        for step in expected:
            lacking = LOGGED - set(found[value].get(step, {}))
            if lacking:
                problems.append(f"{work.key}={value!r}: nothing logged at {step} for {', '.join(sorted(lacking))}")
                break
    return problems
