"""Medians and ratios of all rounds in one table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.sweeps.rounds import Measured
from benchmarks.sweeps.verdict import Verdict
from benchmarks.sweeps.work import Work

Columns = Mapping[str, Sequence[Measured]]


def ratio(measured: Columns, name: str, base: str, field: str = "total") -> float:
    """The median over rounds of `name`'s seconds by `base`'s."""
    pairs = zip(measured[name], measured[base], strict=True)
    return statistics.median(getattr(a.report, field) / getattr(b.report, field) for a, b in pairs)


def lines(
    work: Work, updates: int, measured: Columns, threads: Mapping[str, int], verdicts: Mapping[str, Verdict]
) -> list[str]:
    """The table of one work.

    Columns: wall seconds of the whole command; of compiling and of training (updates and evaluations) within it; what
    is left of it (start-up, data, tracking); microseconds of training for each update of each trial; total and
    training by labkit's; validation accuracy of the best trial and in the mean; the largest difference of a trial.
    """
    bases = [name for name in measured if name.startswith("labkit")]
    head = f"{'':<24}{'threads':>8}{'total':>9}{'compile':>9}{'training':>10}{'rest':>8}{'us/update':>11}"
    head += "".join(f"{'x ' + name.removeprefix('labkit '):>14}" for name in bases)
    head += f"{'training x':>12}{'best':>8}{'mean':>8}{'furthest':>10}  same work"
    rows = [head]
    for name, rounds in measured.items():
        total, compiled, training = (
            statistics.median(getattr(m.report, field) for m in rounds) for field in ("total", "compile", "training")
        )
        per_update = 1e6 * training / updates / len(work.values)
        verdict = verdicts[name]
        text = f"{name:<24}{threads[name] or 'auto':>8}{total:>8.2f}s{compiled:>8.2f}s{training:>9.2f}s"
        text += f"{total - compiled - training:>7.2f}s{per_update:>11.1f}"
        text += "".join(f"{ratio(measured, name, base):>14.2f}" for base in bases)
        text += f"{ratio(measured, name, bases[0], 'training') if bases else float('nan'):>12.2f}"
        text += f"{verdict.best:>8.4f}{verdict.mean:>8.4f}{verdict.furthest:>10.4f}  "
        rows.append(text + ("; ".join(verdict.problems) or "yes"))
    return rows
