"""Trials that ended, but whose results exist no longer: named in one sentence, and run again at the same points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from labkit.search.trials import StoredTrial

# lost(stage, overrides, trials, purpose): why trials that ended do not count any more, by key; arguments as in
# `labkit.search.search.Evaluate`.
Lost = Callable[[str, tuple[str, ...], Sequence[StoredTrial], str], Mapping[str, str]]
_NAMED = 10  # trials of one reason that a sentence lists


def nothing_lost(
    stage: str, overrides: tuple[str, ...], trials: Sequence[StoredTrial], purpose: str
) -> Mapping[str, str]:
    """Return nothing, for a search whose results nobody else keeps."""
    return {}


def sentence(stage: str, ended: Sequence[StoredTrial], why: Mapping[str, str]) -> str:
    """Say which trials count no longer, how many they are, and why; "" where all do.

    Args:
        stage: Name of the stage.
        ended: Trials of the stage that came to a result.
        why: Reasons by key of a trial.
    """
    if not why:
        return ""
    places: dict[str, list[str]] = {}
    for trial in ended:
        if trial.key in why:
            places.setdefault(why[trial.key], []).append(_name(trial))
    reasons = "; ".join(f"{_list(names)} ({reason})" for reason, names in places.items())
    count = "no longer counts and is" if len(why) == 1 else "no longer count and are"
    return f"{stage}: {len(why)} of {len(ended)} finished trials {count} run again: trial {reasons}"


def _name(trial: StoredTrial) -> str:
    """Return the trial's place; in a confirmation, where a place has a trial for each seed, with the seed."""
    return f"{trial.index} on seed {trial.seeds[0]}" if ":" in trial.key else str(trial.index)


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
