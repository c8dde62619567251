"""The entry that others are compared with, and how they differ from it, seed by seed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from labkit.config import ConfigError, nearest
from labkit.report.ranked_entries import Entry
from labkit.report.statistics import Paired, paired_difference
from labkit.tracking.quantities import scale

_ID = 8  # letters of a run id that tables show

Params = Mapping[str, Mapping[str, str]]  # run id -> every parameter of the run


def check_an_entry_fits(baseline: str, entries: Sequence[Entry], params: Params) -> None:
    """Check that the baseline names something.

    Args:
        baseline: Run's name, its id or at least eight letters of the id's beginning, or `key=value,key=value`.
        entries: Entries of all data sets, with and without a result.
        params: Every parameter of each run, by run id.

    Raises:
        ConfigError: No entry fits; the sentence says which part of `baseline` is unknown, and the nearest that exists.
    """
    if any(_fits(baseline, entry, params) for entry in entries):
        return
    rows = [params[entry.run_ids[0]] for entry in entries]
    for key, value in _settings(baseline).items():
        have = [row[key] for row in rows if key in row]
        if not have:
            raise ConfigError(f"baseline: unknown parameter {key!r}, {nearest(key, {k for row in rows for k in row})}")
        if not any(_same(value, other) for other in have):
            raise ConfigError(f"baseline: no run has {key}={value}, {nearest(value, set(have))}")
    if _settings(baseline):
        raise ConfigError(f"baseline: every part of {baseline!r} fits some run, but no run has all of them.")
    names = nearest(baseline, {entry.name for entry in entries})
    raise ConfigError(
        f"baseline: expected the name or id of a run, or key=value, got {baseline!r} which no run has, {names}"
    )


def with_differences(
    baseline: str, entries: Sequence[Entry], params: Params, keys: Iterable[str], objective: str
) -> tuple[tuple[Entry, ...], str]:
    """Return the entries of one data set with their difference to the baseline, and a note where there is none.

    Args:
        baseline: Run's name, its id or at least eight letters of the id's beginning, or `key=value,key=value`.
        entries: Entries of the data set, with and without a result.
        params: Every parameter of each run, by run id.
        keys: Parameters that differ between the entries; the message proposes a baseline made of them.
        objective: Metric that is compared.

    Raises:
        ConfigError: Several entries with a result fit.
    """
    fitting = [entry for entry in entries if _fits(baseline, entry, params)]
    ranked = [entry for entry in fitting if entry.rank is not None]
    if len(ranked) > 1:
        example = ",".join(f"{key}={ranked[0].params.get(key)}" for key in keys if _tells_apart(key, ranked))
        raise ConfigError(
            f"baseline: expected one setting, got {baseline!r} which fits {len(ranked)}; "
            f"a name that fits only one is {example or ranked[0].run_ids[0][:_ID]!r}."
        )
    if not ranked:
        state = f"the baseline {baseline} has no result ({fitting[0].status})" if fitting else f"no baseline {baseline}"
        return tuple(entries), state
    base = ranked[0]
    return tuple(
        entry
        if entry.rank is None
        else replace(entry, is_baseline=True)
        if entry is base
        else replace(entry, difference=difference(entry, base, objective))
        for entry in entries
    ), ""


def difference(entry: Entry, base: Entry, objective: str) -> Paired:
    """Return an entry less another, paired by seed, at the coarser resolution of the two."""
    return paired_difference(entry.values, base.values, scale(objective), max(entry.resolution, base.resolution))


def _fits(baseline: str, entry: Entry, params: Params) -> bool:
    wanted = _settings(baseline)
    if wanted:
        own = params[entry.run_ids[0]]
        return all(key in own and _same(value, own[key]) for key, value in wanted.items())
    by_id = len(baseline) >= _ID and any(run_id.startswith(baseline) for run_id in entry.run_ids)
    return by_id or entry.name == baseline


def _settings(baseline: str) -> dict[str, str]:
    """Return the parts of `key=value,key=value`; a comma inside a list is no separator. Empty for a name."""
    parts = [part.partition("=") for part in re.split(r",(?=[\w./]+=)", baseline)]
    return {key.strip(): value.strip() for key, sign, value in parts if sign}


def _same(one: str, other: str) -> bool:
    """Return whether two texts are one value.

    Numbers are compared to a billionth, since 0.0010000000000000002 was computed as 0.001.
    """
    try:
        return math.isclose(float(one), float(other), rel_tol=1e-9)
    except ValueError:
        return _plain(one) == _plain(other)


def _plain(value: str) -> str:
    """Return one spelling: [50,10] and [50, 10], true and True, null and None become the same."""
    text = "".join(value.lower().split())
    return "null" if text == "none" else text


def _tells_apart(key: str, entries: Sequence[Entry]) -> bool:
    return len({entry.params.get(key) for entry in entries}) > 1
