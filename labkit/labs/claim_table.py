"""The verdicts of a part as a terminal table, Markdown or CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

from rich import box
from rich.table import Table

from labkit.labs.schema import PROFILES, Band, Claim
from labkit.labs.verdict import Verdict
from labkit.report import cells as write
from labkit.report.statistics import FEWEST

HEADS = ("claim", "found", "n", "band", "verdict", "goal", "source")


def to_rich(verdicts: Sequence[Verdict], profile: str) -> Table:
    """A table for a terminal."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in HEADS:
        table.add_column(head, justify="right" if head in ("found", "n") else "left")
    for verdict in verdicts:
        style = {True: "green", False: "bold red", None: ""}[verdict.holds]
        table.add_row(*_cells(verdict, profile), style=style)
    return table


def to_markdown(verdicts: Sequence[Verdict], profile: str) -> str:
    """A Markdown table."""
    return write.markdown_table(HEADS, [_cells(verdict, profile) for verdict in verdicts], right=["found", "n"])


def to_csv(verdicts: Sequence[Verdict], profile: str) -> str:
    """Full precision, whole run ids."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    spread = ["standard_deviation", "interval_low", "interval_high", "n", "tried"]
    bands = ["band_low", "band_high", "holds", "goal_low", "goal_high", "reached"]
    writer.writerow(["claim", "metric", "found", *spread, *bands, "source", "run_ids"])
    for v in verdicts:
        band, goal = v.claim.band(profile) or (None, None), v.claim.goal or (None, None)
        numbers = [v.found, v.deviation, *(v.interval or (None, None)), v.n, v.tried, *band, v.holds, *goal, v.reached]
        writer.writerow([v.claim.says, v.claim.metric, *numbers, v.claim.source, " ".join(v.run_ids)])
    return buffer.getvalue()


def _cells(verdict: Verdict, profile: str) -> list[str]:
    claim, n = verdict.claim, write.count(verdict.n, verdict.tried)
    limits = band(claim, claim.band(profile))
    return [claim.says, finding(verdict), n, limits, verdict_words(verdict), goal(verdict), claim.source]


def goal(verdict: Verdict) -> str:
    """`at least 52.00 missed`."""
    words = {True: " reached", False: " missed", None: f" {_untold(verdict)}" if verdict.claim.goal else ""}
    return band(verdict.claim, verdict.claim.goal) + words[verdict.reached]


def finding(verdict: Verdict) -> str:
    """`46.02 ± 0.39`; of a difference `+0.25 [+0.10, +0.40]`."""
    claim = verdict.claim
    if not claim.paired:
        return write.with_deviation(claim.metric, number(claim, verdict.found), verdict.deviation)
    found = write.number(claim.metric, verdict.found, "+")
    return found if verdict.interval is None else f"{found} {write.interval(claim.metric, verdict.interval, '+')}"


def number(claim: Claim, value: float) -> str:
    """A value of the claim's metric, with two digits of its narrowest band's width where four in all are too few."""
    bands = [claim.band(profile) for profile in PROFILES] + [claim.goal]
    widths = [high - low for low, high in filter(None, bands) if low is not None and high is not None and high > low]
    decimals = 1 - math.floor(math.log10(min(widths))) if widths else 0
    if write.is_percent(claim.metric) or decimals <= 3 or not math.isfinite(value):
        return write.number(claim.metric, value)
    return f"{value:.{decimals}f}"


def verdict_words(verdict: Verdict) -> str:
    """What became of the claim. A question about a difference is answered by its 95% interval."""
    if not verdict.run_ids:
        return "FAILS: no such run"
    if verdict.holds is not None:
        return "holds" if verdict.holds else "FAILS"
    if verdict.n < verdict.tried:
        return f"{verdict.tried - verdict.n} of {verdict.tried} seeds lost"
    if not verdict.claim.paired:
        return write.NOTHING
    if verdict.interval is None:
        return _untold(verdict)
    if verdict.interval[0] <= 0 <= verdict.interval[1]:
        return "no difference shown"
    return "more" if verdict.found > 0 else "less"


def _untold(verdict: Verdict) -> str:
    """Why a difference has no interval."""
    few = f"cannot be told from {verdict.n} seed{'s' * (verdict.n != 1)}"
    return few if verdict.n < FEWEST else f"{few} that differ by one sample at most"


def band(claim: Claim, limits: Band | None) -> str:
    """`45.50..47.20`, `at least 52.00`."""
    if limits is None:
        return write.NOTHING
    low, high = (None if end is None else number(claim, end) for end in limits)
    if low is None or high is None:
        return f"at least {low}" if high is None else f"at most {high}"
    return f"{low}..{high}"
