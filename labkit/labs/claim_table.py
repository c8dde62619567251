"""The verdicts of a part as sheets: for its record and its end, and for the results page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from labkit.labs.schema import PROFILES, Band, Claim
from labkit.labs.verdict import Verdict
from labkit.report import cells
from labkit.report.board_layout import ENDS
from labkit.report.kinds import FIRST_RUN, TRIED, summary_fields
from labkit.report.sheet import NOTHING, Cell, Column, Kind, Mark, Sheet, in_files, sheet_of
from labkit.report.statistics import FEWEST, Summary

_NO_ENDS = (None, None)
_MARKS: dict[bool | None, Mark] = {True: "good", False: "bad", None: ""}
# Kinds of columns whose values are verdicts.
FOUND = Kind(lambda verdict: finding(verdict), lambda verdict: summary_fields(_summary(verdict)))
HOLDS = Kind(lambda verdict: verdict_words(verdict), lambda verdict: (verdict.holds,))
GOAL = Kind(lambda verdict: goal(verdict), lambda verdict: (*(verdict.claim.goal or _NO_ENDS), verdict.reached))
# Values of the first are (claim, its band or None), of the second (claim, number that others found, words about it).
BAND = Kind(lambda pair: band(*pair), lambda pair: pair[1] or _NO_ENDS)
BESIDE = Kind(lambda world: _beside(*world), lambda world: (world[1],))


def claim_sheet(verdicts: Sequence[Verdict], profile: str) -> Sheet:
    """Return the verdicts of a part as a sheet, one row for each."""
    return sheet_of(
        verdicts,
        [
            (Column("claim"), lambda verdict: verdict.claim.says),
            (in_files("metric"), lambda verdict: verdict.claim.metric),
            (Column("found", FOUND, ("found", *ENDS), right=True), lambda verdict: verdict),
            (Column("n", TRIED, ("n", "tried"), right=True), lambda verdict: (verdict.n, verdict.tried)),
            *_verdict_columns(profile),
            (Column("source"), lambda verdict: verdict.claim.source),
            (in_files("run_ids"), lambda verdict: " ".join(verdict.run_ids)),
        ],
        marks=[_MARKS[verdict.holds] for verdict in verdicts],
    )


def page_sheet(verdicts: Sequence[Verdict], profile: str) -> Sheet:
    """Return the verdicts of a part beside the numbers of the assignment and of publications, for the results page."""
    return sheet_of(
        verdicts,
        [
            (Column("claim"), lambda verdict: f"{verdict.claim.says} ({verdict.claim.metric})"),
            (Column("ours", FOUND, ("ours", *ENDS), right=True), lambda verdict: verdict),
            (Column("n", TRIED, ("n", "tried"), right=True), lambda verdict: (verdict.n, verdict.tried)),
            (
                Column("assignment", BESIDE, right=True),
                lambda v: (v.claim, v.claim.assignment, v.claim.assignment_says),
            ),
            (Column("best published", BESIDE), lambda v: (v.claim, v.claim.published, v.claim.published_by)),
            *_verdict_columns(profile),
            (Column("source"), lambda verdict: verdict.claim.source or None),
            (Column("runs", FIRST_RUN, right=True), lambda verdict: verdict.run_ids),
        ],
    )


def _verdict_columns(profile: str) -> list[tuple[Column, Callable[[Verdict], Cell]]]:
    """Return the columns that say whether a claim holds: its band in a profile, the verdict, the goal."""
    return [
        (Column("band", BAND, ("band_low", "band_high")), lambda verdict: (verdict.claim, verdict.claim.band(profile))),
        (Column("verdict", HOLDS, ("holds",)), lambda verdict: verdict),
        (Column("goal", GOAL, ("goal_low", "goal_high", "reached")), lambda verdict: verdict),
    ]


def _summary(verdict: Verdict) -> Summary:
    return Summary(verdict.n, verdict.found, verdict.deviation, verdict.interval)


def _beside(claim: Claim, value: float | None, words: str) -> str:
    """Return a number that others found, and behind it whose it is or how it is meant."""
    if value is None:
        return NOTHING
    return f"{number(claim, value)} ({words})" if words else number(claim, value)


def goal(verdict: Verdict) -> str:
    """Return a claim's goal and whether it is reached, such as `at least 52.00 missed`."""
    words = {True: " reached", False: " missed", None: f" {_why_no_interval(verdict)}" if verdict.claim.goal else ""}
    return band(verdict.claim, verdict.claim.goal) + words[verdict.reached]


def finding(verdict: Verdict) -> str:
    """Return the estimate as text: `46.02 ± 0.39`, or `+0.25 [+0.10, +0.40]` for a difference."""
    claim = verdict.claim
    if not claim.paired:
        return cells.with_deviation(claim.metric, number(claim, verdict.found), verdict.deviation)
    found = cells.number(claim.metric, verdict.found, "+")
    return found if verdict.interval is None else f"{found} {cells.interval(claim.metric, verdict.interval, '+')}"


def number(claim: Claim, value: float) -> str:
    """Return a value of the claim's metric as text.

    Four digits are usual. Where a band is so narrow that they could not tell its ends apart, there are as many decimals
    as show two digits of the narrowest band's width.
    """
    bands = [claim.band(profile) for profile in PROFILES] + [claim.goal]
    widths = [high - low for low, high in filter(None, bands) if low is not None and high is not None and high > low]
    decimals = 1 - math.floor(math.log10(min(widths))) if widths else 0
    if cells.is_percent(claim.metric) or decimals <= 3 or not math.isfinite(value):
        return cells.number(claim.metric, value)
    return f"{value:.{decimals}f}"


def verdict_words(verdict: Verdict) -> str:
    """Return the verdict as text; a question about a difference is answered by its 95% interval."""
    if not verdict.run_ids:
        return "FAILS: no such run"
    if verdict.holds is not None:
        return "holds" if verdict.holds else "FAILS"
    if verdict.n < verdict.tried:
        return f"{verdict.tried - verdict.n} of {verdict.tried} seeds lost"
    if not verdict.claim.paired:
        return NOTHING
    if verdict.interval is None:
        return _why_no_interval(verdict)
    if verdict.interval[0] <= 0 <= verdict.interval[1]:
        return "no difference shown"
    return "more" if verdict.found > 0 else "less"


def _why_no_interval(verdict: Verdict) -> str:
    """Say why a difference has no interval."""
    few = f"cannot be told from {verdict.n} seed{'s' * (verdict.n != 1)}"
    return few if verdict.n < FEWEST else f"{few} that differ by one sample at most"


def band(claim: Claim, limits: Band | None) -> str:
    """Return a band as text, such as `45.50..47.20` or `at least 52.00`."""
    if limits is None:
        return NOTHING
    low, high = (None if end is None else number(claim, end) for end in limits)
    if low is None or high is None:
        return f"at least {low}" if high is None else f"at most {high}"
    return f"{low}..{high}"
