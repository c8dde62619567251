"""The verdict on a claim, from the runs of its step."""

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
    """The verdict on a claim.

    Attributes:
        claim: Claim as the lab's file says it.
        found: Mean of the metric over seeds, or mean paired difference, in the metric's unit; NaN without a result.
        deviation: Sample standard deviation over seeds; None for fewer than two seeds, and for a difference.
        interval: Ends of the 95% interval; None where the seeds give none (see `labkit.report.statistics`).
        n: Number of seeds with a result.
        tried: Number of seeds in all. Where some diverged or failed, the claim neither holds nor reaches its goal.
        holds: True where `found` lies in the band of the profile, for a difference its whole interval. None without a
            band, and where a difference in the band has no interval. False where there is no run that the claim is
            about, with a band or without.
        reached: The same for the goal.
        run_ids: Ids of the runs behind it, of both sides for a difference.
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
    """Return the verdict on a claim.

    Args:
        claim: Claim.
        steps: Rows of each step of its part, by the step's name.
        profile: Profile whose band counts.
    """
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
    """Return the mean over the seeds of one entry, or the mean difference to another; NaN where one is missing."""
    present = [entry for entry in entries if entry is not None and entry.values]
    if len(present) < len(entries):
        return Summary(0, math.nan, None, None)
    first = present[0]
    if len(present) == 1:
        return Summary(len(first.values), first.mean, first.deviation, first.interval)
    gain = difference(first, present[1], claim.metric)
    return Summary(gain.n, math.nan if gain.difference is None else gain.difference, None, gain.interval)


def estimate_within(claim: Claim, found: float, ends: Interval | None, band: Band) -> bool | None:
    """Return True where an estimate lies in a band, for a difference where its whole interval does.

    A difference without an interval is never inside, since nobody knows how far the interval would reach: None. It can
    be outside, since every interval contains its middle.

    Args:
        claim: Claim.
        found: Estimate, in the metric's unit.
        ends: Ends of its 95% interval, or None.
        band: Band.
    """
    if not claim.paired or not within(found, band):
        return within(found, band)
    return None if ends is None else all(within(end, band) for end in ends)


def within(value: float, band: Band) -> bool:
    """Return True where a value lies in a band, its ends included; NaN lies in none."""
    low, high = band
    return not math.isnan(value) and (low is None or value >= low) and (high is None or value <= high)


def _entry(claim: Claim, rows: Rows, where: Mapping[str, object]) -> Entry | None:
    """Return the runs that a claim is about as one entry, those without a result included; None for no run."""
    asked = matching(rows, where, claim.stage)
    chosen = asked if all(row.is_untrained for row in asked) else best(asked, claim.best)
    if not chosen and asked:  # none of several settings has a result to be chosen by
        entry = entries_of(asked, claim.metric, maximise=True, keys=())[0]
        seeds, ids = {row.seed for row in asked}, tuple(row.run_id for row in asked)
        return replace(entry, values={}, tried=len(seeds), run_ids=ids)
    return entries_of(chosen, claim.metric, maximise=True, keys=())[0] if chosen else None
