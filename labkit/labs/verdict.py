"""Claims against the runs of their steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from labkit.labs.part import Band, Claim
from labkit.labs.rows import Rows, best, matching
from labkit.report.entries import Entry, is_untrained
from labkit.report.entries import entries as entries_of
from labkit.report.statistics import Summary, paired, summarise


@dataclass(frozen=True)
class Verdict:
    """What became of a claim.

    Attributes:
        claim: as the lab's file says it.
        found: the metric's mean over seeds, or the mean paired difference; NaN where no run says.
        deviation: over seeds; None for fewer than two, and of a difference.
        half_width: the 95% interval is found ± half_width; None for fewer than two seeds.
        n: seeds with a result.
        tried: seeds in all; where some diverged or failed the claim neither holds nor reaches its goal.
        holds: whether it lies in the band of the profile, of a difference its whole interval where there is one; None
            without a band. False where no run is what the claim is about, band or not.
        reached: the same of the goal; None without a goal.
        run_ids: of the runs behind it, of both sides of a difference.
    """

    claim: Claim
    found: float
    deviation: float | None
    half_width: float | None
    n: int
    tried: int
    holds: bool | None
    reached: bool | None
    run_ids: tuple[str, ...]


def verdict(claim: Claim, steps: Mapping[str, Rows], profile: str) -> Verdict:
    """The claim's, from the rows of each step as the store has them."""
    sides: list[tuple[tuple[str, ...], Mapping[str, Any]]] = [((claim.step,), claim.where)]
    if claim.paired:
        sides.append((claim.against_steps, claim.against or {}))
    rows = [[row for name in names for row in steps.get(name, ())] for names, _ in sides]
    entries = [_entry(claim, own, where) for own, (_, where) in zip(rows, sides, strict=True)]
    values = [{} if entry is None else entry.values for entry in entries]
    if len(values) == 1:
        summary = summarise(values[0].values())
    else:
        gain = paired(*values)
        summary = Summary(gain.n, math.nan if gain.difference is None else gain.difference, None, gain.half_width)
    whole = all(entry is not None and len(entry.values) == entry.tried for entry in entries)
    tried = summary.n if whole else max((entry.tried for entry in entries if entry is not None), default=0)

    spread = (summary.half_width or 0.0) if claim.paired else 0.0

    def inside(band: Band | None) -> bool | None:
        ends = (summary.mean - spread, summary.mean + spread)
        return None if band is None else whole and all(within(end, band) for end in ends)

    run_ids = tuple(run_id for entry in entries if entry is not None for run_id in entry.run_ids)
    holds = False if None in entries else inside(claim.band(profile))
    spreads = summary.deviation, summary.half_width
    return Verdict(claim, summary.mean, *spreads, summary.n, tried, holds, inside(claim.goal), run_ids)


def within(value: float, band: Band) -> bool:
    """Whether a value lies in a band; NaN lies in none."""
    low, high = band
    return not math.isnan(value) and (low is None or value >= low) and (high is None or value <= high)


def _entry(claim: Claim, rows: Rows, where: Mapping[str, Any]) -> Entry | None:
    """The runs that the claim is about, those without a result among them, as one entry; None where there are none."""
    asked = matching(rows, where, claim.stage)
    chosen = asked if all(map(is_untrained, asked)) else best(asked, claim.best)
    if not chosen and asked:  # none of several settings has a result to be chosen by
        entry = entries_of(asked, claim.metric, maximise=True, keys=())[0]
        seeds, ids = {row["params"].get("seed") for row in asked}, tuple(row["run_id"] for row in asked)
        return replace(entry, values={}, tried=len(seeds), run_ids=ids)
    return entries_of(chosen, claim.metric, maximise=True, keys=())[0] if chosen else None
