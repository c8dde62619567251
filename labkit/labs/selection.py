"""Selection of runs by their parameters and results: for claims, and for the winners that later steps take over."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from labkit.config import ConfigError
from labkit.labs.schema import Reference
from labkit.report.leaderboard import rank
from labkit.tracking.rows import RunRow

Rows = Sequence[RunRow]


def matching(rows: Rows, where: Mapping[str, object], stage: str | None = None) -> Rows:
    """Return the rows that have some parameters.

    Args:
        rows: Rows to pick from.
        where: Parameter -> its value; a list of values means one of them.
        stage: Stage of a search; None for all.
    """
    kept = [row for row in rows if stage is None or row.stage == stage]
    return [row for row in kept if all(_has(row.params.get(key), value) for key, value in where.items())]


def best(rows: Rows, metric: str, maximise: bool | None = None, place: int = 1) -> Rows:
    """Return all runs of the best setting by the mean over seeds, those without a result included.

    A setting that lost seeds (a run diverged or failed) comes behind all that lost none. A single setting is the best
    whether it has a result or not.

    Args:
        rows: Rows to choose from.
        metric: Name of the metric that ranks the settings.
        maximise: True where more is better; None: what is usual for the metric.
        place: Place of the setting; 2 for the second best, and so on.

    Returns:
        Rows of the setting; none where no run has a result to choose by, or they are of different data sets.
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
    """Return the parameters that a step takes over from the winner.

    Args:
        reference: Description of the winner.
        rows: Rows among which it is looked for.

    Raises:
        ConfigError: No run has a result, the winner has lost seeds, or it lacks a parameter.
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
    """Return a sentence for each number of a winner that lies at the edge of those tried: one beyond might win.

    Of two values each lies at an edge, so nothing is said of fewer than three.

    Args:
        reference: Description of the winner.
        rows: Rows among which it was looked for.
        chosen: Parameters of the winner.
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
    """Return the value that the store keeps as text: a number, a list, true, null, or the text itself."""
    words = {"null": None, "true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _has(have: str | None, want: object) -> bool:
    """Return True where a parameter has a value, or one of several; 0.1 and 1e-1 are one value."""
    if have is None:
        return False
    known = _value(have)
    return known == want or (isinstance(want, list) and not isinstance(known, list) and known in want)
