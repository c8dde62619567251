"""The end of an experiment: tables, and claims with a verdict that was computed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import mean, stdev

from labkit.report.sheet import Column, Kind, Sheet

SURE = 2.0  # a difference counts from so many standard errors


@dataclass(frozen=True)
class MeasuredClaim:
    """One sentence that the numbers bear out or not.

    Attributes:
        sentence: Sentence that is claimed.
        holds: Verdict, True where the numbers bear it out.
        measured: Numbers that the verdict rests on, in words.
    """

    sentence: str
    holds: bool
    measured: str

    def __str__(self) -> str:
        """Return `true: OR takes one unit (...)`."""
        return f"{str(self.holds).lower()}: {self.sentence} ({self.measured})"


@dataclass(frozen=True)
class Finding:
    """The tables and claims of one experiment.

    Attributes:
        tables: Tables, at least one.
        claims: Claims, in the order in which they build on each other.
        notes: Sentences that a reader should know beside them.
    """

    tables: Sequence[Sheet]
    claims: Sequence[MeasuredClaim]
    notes: Sequence[str] = ()


# In a file the lines of a cell are joined by semicolons.
_LINES = Kind(plain=lambda text: ("; ".join(" ".join(line.split()) for line in text.splitlines()),))


def sheet(title: str, heads: Iterable[str], rows: Sequence[Sequence[str]]) -> Sheet:
    """Return cells as they are to be read, one of which may have several lines, as a sheet; numbers stand to the right.

    Args:
        title: Words that say what the rows are.
        heads: Heads of the columns; the first tells the rows apart.
        rows: Texts, a row as long as `heads`.
    """
    columns = [
        Column(head, _LINES, right=i > 0 and any(sign.isdigit() for row in rows for sign in row[i]))
        for i, head in enumerate(heads)
    ]
    return Sheet(columns, rows, title)


def spread_of(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and sample standard deviation; the latter is 0 for a single value."""
    return mean(values), stdev(values) if len(values) > 1 else 0.0


def percent(values: Sequence[float]) -> str:
    """Return the mean and standard deviation of shares as `81.2 ± 0.4 %`; of a single one `81.2 %`."""
    middle, deviation = spread_of([100 * value for value in values])
    return f"{middle:.1f} ± {deviation:.1f} %" if len(values) > 1 else f"{middle:.1f} %"


def difference(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard error of `first - second`, paired by seed.

    Args:
        first: Values, one for each seed.
        second: Values of the same seeds, in the same order.
    """
    middle, deviation = spread_of([a - b for a, b in zip(first, second, strict=True)])
    return middle, deviation / sqrt(len(first))


def points(pair: tuple[float, float]) -> str:
    """Return a difference of shares as `+3.1 percentage points, standard error 0.4`.

    Args:
        pair: Mean and standard error of the difference, shares.
    """
    return f"{100 * pair[0]:+.1f} percentage points, standard error {100 * pair[1]:.1f}"
