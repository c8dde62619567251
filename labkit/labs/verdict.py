"""Claims against the runs of their steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.labs.part import Band, Claim
from labkit.report.entries import Entry
from labkit.report.leaderboard import rank
from labkit.report.statistics import Summary, paired, summarise


@dataclass(frozen=True)
class Verdict:
    """What became of a claim.

    Attributes:
        claim: as the lab's file says it.
        found: the metric's mean over seeds, or the mean paired difference; NaN where no run says.
        deviation: over seeds; None for fewer than two, and of a difference.
        half_width: the 95% interval is found ± half_width; None for fewer than two seeds.
        n: seeds.
        holds: whether it lies in the band of the profile; None without a band.
        reached: whether it lies in the goal's; None without a goal.
        run_ids: of the runs behind it.
    """

    claim: Claim
    found: float
    deviation: float | None
    half_width: float | None
    n: int
    holds: bool | None
    reached: bool | None
    run_ids: tuple[str, ...]


def verdict(claim: Claim, rows: Sequence[Mapping[str, Any]], profile: str) -> Verdict:
    """The claim's, from the rows of its step as the store has them."""
    entry = _entry(claim, rows, claim.where)
    values = {} if entry is None else entry.values
    if claim.against is not None:
        other = _entry(claim, rows, claim.against)
        gain = paired(values, {} if other is None else other.values)
        found = math.nan if gain.difference is None else gain.difference
        summary = Summary(gain.n, found, None, gain.half_width)
    else:
        summary = summarise(values.values())
    band = claim.band(profile)
    return Verdict(
        claim,
        summary.mean,
        summary.deviation,
        summary.half_width,
        summary.n,
        None if band is None else within(summary.mean, band),
        None if claim.goal is None else within(summary.mean, claim.goal),
        () if entry is None else entry.run_ids,
    )


def within(value: float, band: Band) -> bool:
    """Whether a value lies in a band; NaN lies in none."""
    low, high = band
    return not math.isnan(value) and (low is None or value >= low) and (high is None or value <= high)


def _entry(claim: Claim, rows: Sequence[Mapping[str, Any]], where: Mapping[str, Any]) -> Entry | None:
    """The row of the leaderboard that the claim is about, with its metric's values; None where there is none."""
    wanted = [row for row in rows if all(_same(row["params"].get(key), value) for key, value in where.items())]
    if not wanted:
        return None
    best = rank(wanted, claim.best).entries[0]
    chosen = [row for row in wanted if row["run_id"] in best.run_ids]
    return rank(chosen, claim.metric).entries[0]


def _same(have: str | None, want: Any) -> bool:
    if have is None:
        return False
    try:
        return float(have) == float(want)
    except (TypeError, ValueError):
        return "".join(have.split()) == "".join(str(want).split())
