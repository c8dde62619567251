"""Rows of a leaderboard picked by their parameters: for claims, and for the winners that later steps take over."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from labkit.config import ConfigError
from labkit.labs.schema import Reference
from labkit.report.leaderboard import rank
from labkit.tracking.rows import RunRow

Rows = Sequence[RunRow]


def matching(rows: Rows, where: Mapping[str, object], stage: str | None = None) -> Rows:
    """The rows with these parameters, a list of values meaning one of them, and of one stage where that is given."""
    kept = [row for row in rows if stage is None or row.stage == stage]
    return [row for row in kept if all(_has(row.params.get(key), value) for key, value in where.items())]


def best(rows: Rows, metric: str, maximise: bool | None = None, place: int = 1) -> Rows:
    """All runs of the best setting by the mean of `metric` over seeds, those without a result included.

    With `place` 2 of the second best, and so on.

    A setting that lost seeds (a run diverged or failed) comes behind all that lost none. The rows themselves where
    there is one setting only; none where no run has a result to choose by, or they are of different data sets.
    """
    board = rank(rows, metric, maximise=maximise)
    if len(board.sections) != 1 or not board.entries:
        return ()
    ranked = [entry for entry in board.entries if entry.rank is not None]
    if not ranked and len({tuple(row.params.get(key) for key in board.keys) for row in rows}) == 1:
        return rows
    for entry in sorted(ranked, key=lambda entry: len(entry.seeds) < entry.tried)[place - 1 : place]:
        chosen = next(row.params for row in rows if row.run_id == entry.run_ids[0])
        return [row for row in rows if all(row.params.get(key) == chosen.get(key) for key in board.keys)]
    return ()


def winner(reference: Reference, rows: Rows) -> dict[str, object]:
    """The parameters that a step takes over from the winner among `rows`.

    Raises:
        ConfigError: no run has a result, the winner has lost seeds, or it lacks a parameter.
    """
    named = " and ".join(reference.steps)
    kept = matching(rows, reference.where, reference.stage)
    found = best(kept, reference.metric, reference.rule == "highest", reference.place)
    entry = rank(found, reference.metric).entries[0] if found else None
    if entry is None or entry.rank is None:
        few = (
            f"fewer than {reference.place} settings of step {named} have"
            if reference.place > 1
            else f"no run of step {named} has"
        )
        raise ConfigError(f"takes: {few} a {reference.metric} to choose by.")
    if len(entry.seeds) < entry.tried:
        few = f"fewer than {reference.place} settings have" if reference.place > 1 else "no setting has"
        raise ConfigError(f"takes: in step {named} {few} kept all seeds; there is no winner to take over.")
    missing = [key for key in reference.keys if key not in found[0].params]
    if missing:
        raise ConfigError(f"takes: the winner of step {named} has no parameter {missing[0]!r}.")
    return {key: _value(found[0].params[key]) for key in reference.keys}


def at_the_edge(reference: Reference, rows: Rows, chosen: Mapping[str, object]) -> list[str]:
    """Which numbers of a winner are the smallest or largest of three or more that were tried; farther ones may win.

    Args:
        reference: what was asked for.
        rows: among which it was looked for.
        chosen: the winner's parameters.
    """
    found, tried_rows = [], matching(rows, reference.where)  # of all stages: the last ones try few
    for key, value in chosen.items():
        tried = [_value(row.params[key]) for row in tried_rows if key in row.params]
        numbers = {one for one in tried if isinstance(one, int | float) and not isinstance(one, bool)}
        if len(numbers) >= 3 and value in (min(numbers), max(numbers)):
            end = "smallest" if value == min(numbers) else "largest"
            found.append(f"{key}={value} is the {end} of {len(numbers)} tried in {' and '.join(reference.steps)}")
    return found


def _value(text: str) -> object:
    """What the store keeps as text: a number, a list, true, null, or the text itself."""
    words = {"null": None, "true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _has(have: str | None, want: object) -> bool:
    """Whether a parameter has a value, or one of several; 0.1 and 1e-1 are one value."""
    if have is None:
        return False
    known = _value(have)
    return known == want or (isinstance(want, list) and not isinstance(known, list) and known in want)
