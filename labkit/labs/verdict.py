"""Claims against the runs of their steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from pydantic import ConfigDict

from labkit.labs.schema import Band, Claim
from labkit.labs.selection import Rows, best, matching
from labkit.report.baseline import difference
from labkit.report.ranked_entries import Entry
from labkit.report.ranked_entries import entries as entries_of
from labkit.report.statistics import Interval, Summary


@dataclass(frozen=True)
class Verdict:
    """What became of a claim.

    Attributes:
        claim: as the lab's file says it.
        found: the metric's mean over seeds, or the mean paired difference; NaN where no run says.
        deviation: over seeds; None for fewer than two, and of a difference.
        interval: low and high end of its 95% interval; None where the seeds give none (see `labkit.report.statistics`).
        n: seeds with a result.
        tried: seeds in all; where some diverged or failed the claim neither holds nor reaches its goal.
        holds: whether it lies in the band of the profile, of a difference its whole interval; None without a band, and
            where a difference in the band has no interval. False where no run is what the claim is about, band or not.
        reached: the same of the goal.
        run_ids: of the runs behind it, of both sides of a difference.
    """

    __pydantic_config__: ClassVar[ConfigDict] = {"extra": "forbid"}  # stored JSON with other keys is no verdict

    claim: Claim
    found: float
    deviation: float | None
    interval: Interval | None
    n: int
    tried: int
    holds: bool | None
    reached: bool | None
    run_ids: tuple[str, ...]


def verdict(claim: Claim, steps: Mapping[str, Rows], profile: str) -> Verdict:
    """The claim's, from the rows of each step as the store has them."""
    sides: list[tuple[tuple[str, ...], Mapping[str, object]]] = [((claim.step,), claim.where)]
    if claim.paired:
        sides.append((claim.against_steps, claim.against or {}))
    rows = [[row for name in names for row in steps.get(name, ())] for names, _ in sides]
    entries = [_entry(claim, own, where) for own, (_, where) in zip(rows, sides, strict=True)]
    summary = _estimate(claim, entries)
    whole = all(entry is not None and len(entry.values) == entry.tried for entry in entries)
    tried = summary.n if whole else max((entry.tried for entry in entries if entry is not None), default=0)

    def inside(band: Band | None) -> bool | None:
        return None if band is None else whole and estimate_within(claim, summary.mean, summary.interval, band)

    run_ids = tuple(run_id for entry in entries if entry is not None for run_id in entry.run_ids)
    holds = False if None in entries else inside(claim.band(profile))
    spreads = summary.deviation, summary.interval
    return Verdict(claim, summary.mean, *spreads, summary.n, tried, holds, inside(claim.goal), run_ids)


def _estimate(claim: Claim, entries: Sequence[Entry | None]) -> Summary:
    """A metric's mean over the seeds of one entry, or its mean difference to another's; NaN where one is missing."""
    present = [entry for entry in entries if entry is not None and entry.values]
    if len(present) < len(entries):
        return Summary(0, math.nan, None, None)
    first = present[0]
    if len(present) == 1:
        return Summary(len(first.values), first.mean, first.deviation, first.interval)
    gain = difference(first, present[1], claim.metric)
    return Summary(gain.n, math.nan if gain.difference is None else gain.difference, None, gain.interval)


def estimate_within(claim: Claim, found: float, ends: Interval | None, band: Band) -> bool | None:
    """Whether a value lies in a band, of a difference its whole interval.

    A difference without an interval is never inside, since nobody knows how far it would reach; outside it is outside,
    because every interval has its middle in it.
    """
    if not claim.paired or not within(found, band):
        return within(found, band)
    return None if ends is None else all(within(end, band) for end in ends)


def within(value: float, band: Band) -> bool:
    """Whether a value lies in a band; NaN lies in none."""
    low, high = band
    return not math.isnan(value) and (low is None or value >= low) and (high is None or value <= high)


def _entry(claim: Claim, rows: Rows, where: Mapping[str, object]) -> Entry | None:
    """The runs that the claim is about, those without a result among them, as one entry; None where there are none."""
    asked = matching(rows, where, claim.stage)
    chosen = asked if all(row.is_untrained for row in asked) else best(asked, claim.best)
    if not chosen and asked:  # none of several settings has a result to be chosen by
        entry = entries_of(asked, claim.metric, maximise=True, keys=())[0]
        seeds, ids = {row.seed for row in asked}, tuple(row.run_id for row in asked)
        return replace(entry, values={}, tried=len(seeds), run_ids=ids)
    return entries_of(chosen, claim.metric, maximise=True, keys=())[0] if chosen else None
