"""Runs side by side: ranked by an objective, seeds averaged, only the parameters that differ. No store in sight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from labkit.report import baseline as _baseline
from labkit.report.datasets import by_data, remarks
from labkit.report.ranked_entries import Entry, contestants, differing, entries
from labkit.tracking.quantities import is_maximised
from labkit.tracking.rows import IGNORED, RunRow

__all__ = ["Entry", "Leaderboard", "Section", "rank"]


@dataclass(frozen=True)
class Section:
    """The entries of one data set, best first and those without a result last; ranks count within it.

    Attributes:
        data: Name of the data set.
        keys: Parameters that differ between its rows.
        entries: Entries, one a line.
        note: Reason why its entries have no difference to the baseline; "" if they have.
        remarks: Sentences that its runs were told of the data.
    """

    data: str
    keys: tuple[str, ...]
    entries: tuple[Entry, ...]
    note: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Leaderboard:
    """Ranked entries, a section for each data set.

    Attributes:
        objective: Metric that ranks them.
        extra: Further metrics to show.
        sections: Sections, at least one, in order of their first run.
        baseline: User's words for the entry that others are compared with; "" for none.
    """

    objective: str
    extra: tuple[str, ...]
    sections: tuple[Section, ...]
    baseline: str = ""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries of all sections."""
        return tuple(entry for section in self.sections for entry in section.entries)

    @property
    def keys(self) -> tuple[str, ...]:
        """The parameters that differ in any section."""
        return tuple(dict.fromkeys(key for section in self.sections for key in section.keys))


def rank(
    rows: Sequence[RunRow],
    objective: str = "val/accuracy",
    *,
    maximise: bool | None = None,
    extra: Sequence[str] = (),
    ignore: Sequence[str] = IGNORED,
    baseline: str | None = None,
) -> Leaderboard:
    """Rank runs by the last value of `objective`, those of different data sets apart.

    Args:
        rows: Rows read from the store. A run that only holds others together, or speaks for their seeds, is no
            contestant.
        objective: Name of a metric.
        maximise: Direction; unless given, everything but losses, costs and times is better the higher it is.
        extra: Further metrics to show; one that no row has, and the objective, are left out.
        ignore: Beginnings of parameter names that make no difference.
        baseline: Entry to compare all others with, seed by seed: a run's name, its id (or at least eight letters of
            its beginning), or the parameters that pick it, `key=value,key=value`.

    Raises:
        ConfigError: The baseline fits no entry, or several of one data set.
    """
    rows = contestants(rows, objective)
    up = is_maximised(objective) if maximise is None else maximise
    known = tuple(name for name in extra if name != objective and any(name in row.metrics for row in rows))
    sections = []
    for data, members in (by_data(rows) or {"": []}).items():
        keys = differing(members, ignore)
        ranked = entries(members, objective, maximise=up, keys=keys, extra=known)
        sections.append(Section(data, keys, ranked, remarks=remarks(members)))
    board = Leaderboard(objective, known, tuple(sections), baseline or "")
    return _with_baseline(board, rows) if baseline else board


def _with_baseline(board: Leaderboard, rows: Sequence[RunRow]) -> Leaderboard:
    params = {row.run_id: row.params for row in rows}
    _baseline.check_an_entry_fits(board.baseline, board.entries, params)
    sections = []
    for section in board.sections:
        found, note = _baseline.with_differences(board.baseline, section.entries, params, section.keys, board.objective)
        sections.append(replace(section, entries=found, note=note))
    return replace(board, sections=tuple(sections))
