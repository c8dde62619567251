"""Rows grouped by the data that they saw: results on different data are no contest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from labkit.report.ranked_entries import differing
from labkit.tracking.rows import RunRow

_TARGET = "data._target_"


def by_data(rows: Iterable[RunRow]) -> dict[str, list[RunRow]]:
    """Return rows by data set, in order of first appearance; the name says what tells one data set from another.

    Equal data have equal content (the tag `labkit.data_sha256`). A row without the tag, of a run that broke off early,
    goes with the other rows of its constructor where those agree.
    """
    rows = list(rows)
    known: dict[str, set[str]] = {}
    for row in rows:
        known.setdefault(_target(row), set()).update({row.data_sha256} - {""})
    groups: dict[tuple[str, str], list[RunRow]] = {}
    for row in rows:
        candidates = known[_target(row)]
        sha = row.data_sha256 or (next(iter(candidates)) if len(candidates) == 1 else "")
        groups.setdefault((_target(row), sha), []).append(row)
    return dict(zip(_names(groups), groups.values(), strict=True))


def remarks(rows: Iterable[RunRow]) -> tuple[str, ...]:
    """Return what runs were told of their data: classes without a sample, samples on both sides of a split."""
    return tuple(dict.fromkeys(note for row in rows for note in row.data_notes))


def _target(row: RunRow) -> str:
    return row.params.get(_TARGET, "")


def _names(groups: Mapping[tuple[str, str], list[RunRow]]) -> list[str]:
    """Return `cifar10`; where a constructor stands for several data sets, with the keys or the hash that differ."""
    names = []
    for (target, _), rows in groups.items():
        name = target.rpartition(".")[2] or "data not recorded"
        rivals = [row for (other, _), members in groups.items() if other == target for row in members]
        names.append(", ".join([name, *_facts(rows, rivals)]) if len(rivals) > len(rows) else name)
    repeated = {name for name in names if names.count(name) > 1}
    return [
        f"{name} ({f'sha256 {sha[:8]}' if sha else 'no hash'})" if name in repeated else name
        for name, (_, sha) in zip(names, groups, strict=True)
    ]


def _facts(rows: list[RunRow], rivals: list[RunRow]) -> list[str]:
    keys = [key for key in differing(rivals) if key.startswith("data.")]
    own = set(differing(rows))
    return [f"{key}={rows[0].params.get(key, '-')}" for key in keys if key not in own]
