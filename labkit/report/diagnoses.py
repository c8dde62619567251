"""Sentences that the runs of a sweep ended with, counted by setting: `3 of 4 settings, first lr 3: not learnt: ...`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from labkit.report import cells

if TYPE_CHECKING:
    from labkit.report.ranked_entries import Entry

_UNLEARNT = ("dead network", "not learnt", "too slow", "diverged")
_NO_FAULT = ("pruned", "stopped early")  # what somebody asked for; the column `status` has them


def kind(sentence: str) -> str:
    """Return the words before the colon: `overfits`."""
    return sentence.partition(":")[0]


def by_setting(entries: Iterable[Entry]) -> list[str]:
    """Return a sentence for each kind of fault: how many settings have it, and what the first of them said.

    Where several settings share a rank because none has learnt anything, the first sentence says so.

    Args:
        entries: Entries of one table; a setting whose seeds ended differently has several.
    """
    settings = _settings(entries)
    found: dict[str, list[tuple[str, str]]] = {}  # kind -> (setting, sentence)
    for params, own in settings.items():
        named = ", ".join(f"{key.rpartition('.')[2]} {cells.parameter(value)}" for key, value in params)
        told = {kind(said): said for entry in reversed(own) for said in entry.diagnoses}
        for name, said in told.items():
            found.setdefault(name, []).append((named, said))
    faults = [own for name, own in found.items() if name not in _NO_FAULT]
    if (n := len(settings)) < 2:
        return [f"{said}." for ((_, said),) in faults]
    counted = [f"{len(own)} of {n} settings, first {own[0][0]}: {own[0][1]}." for own in faults]
    none = none_learnt(entry for own in settings.values() for entry in own)
    return [none, *counted] if none else counted


def none_learnt(entries: Iterable[Entry]) -> str:
    """Return a sentence where several settings were tried and none with a result has learnt anything; else ""."""
    settings = _settings(entries)
    every = [entry for own in settings.values() for entry in own]
    idle = {entry.run_ids: any(kind(said) in _UNLEARNT for said in entry.diagnoses) for entry in every}
    if len(settings) < 2 or not any(idle.values()) or not all(idle[entry.run_ids] for entry in every if entry.rank):
        return ""
    return f"None of the {len(settings)} settings has learnt anything, so their order says nothing."


def _settings(entries: Iterable[Entry]) -> dict[tuple[tuple[str, str], ...], list[Entry]]:
    found: dict[tuple[tuple[str, str], ...], list[Entry]] = {}
    for entry in entries:
        found.setdefault(tuple(entry.params.items()), []).append(entry)
    return found
