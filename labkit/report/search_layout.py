"""A search as sheets, Markdown and CSV: its points, its stages with their ranges, and the answer in one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from labkit.report import cells
from labkit.report.board_layout import (
    INTERVAL,
    Columns,
    estimates,
    further_columns,
    marks,
    of_seeds,
    parameter_columns,
    run_columns,
    seed_columns,
)
from labkit.report.diagnoses import by_setting
from labkit.report.ranked_entries import Entry
from labkit.report.search_table import COMPLETE, SearchTable, StagePoints, target_key
from labkit.report.sheet import NOTHING, Column, Sheet, in_files, sheet_of
from labkit.report.sheet_csv import to_csv
from labkit.report.sheet_markdown import to_markdown

Point = tuple[StagePoints, Entry]
StageColumns = list[tuple[Column, Callable[[StagePoints], object]]]


def search_sheet(table: SearchTable, parts: Sequence[StagePoints] | None = None, first: int | None = None) -> Sheet:
    """Return the points of a search, stage after stage.

    Args:
        table: Search; it decides on the columns, so that sheets of some of its stages have the same.
        parts: Stages that are shown; None: all.
        first: Rows of each stage; None: all.
    """
    items = [(part, entry) for part in (table.parts if parts is None else parts) for entry in part.entries[:first]]
    return sheet_of(items, _columns(table), marks=marks(entry for _, entry in items))


def _columns(table: SearchTable) -> list[tuple[Column, Callable[[Point], object]]]:
    every = [entry for part in table.parts for entry in part.entries]
    told, troubled = any(entry.interval for entry in every), any(entry.rank is None for entry in every)
    staged = any(part.stage.name for part in table.parts)
    settings = dict.fromkeys(key for part in table.parts for key in part.settings)
    measured: Columns = [
        *estimates(table.objective, INTERVAL if told else None),
        *seed_columns("n", "seeds"),
        *parameter_columns(table.keys, table.keys),
        *further_columns(table.extra),
        (Column("status" if troubled else None, fields=()), lambda entry: entry.status),
    ]
    return [
        (Column("rank", right=True, whole=True), lambda item: item[1].rank),
        (Column("stage" if staged else None, fields=("stage",)), lambda item: item[0].stage.name or None),
        (in_files("status"), lambda item: item[1].status),
        *(_of_entry(*one) for one in measured),
        *(_of_stage(*_setting(key)) for key in settings),
        *(_of_stage(*_range(in_files(f"range of {key}"), key)) for key in table.keys),
        (in_files("sampler"), lambda item: item[0].stage.sampler),
        *(_of_entry(*one) for one in run_columns()),
    ]


def _of_stage(column: Column, value: Callable[[StagePoints], object]) -> tuple[Column, Callable[[Point], object]]:
    return column, lambda point: value(point[0])


def _of_entry(column: Column, value: Callable[[Entry], object]) -> tuple[Column, Callable[[Point], object]]:
    return column, lambda point: value(point[1])


def _setting(key: str) -> tuple[Column, Callable[[StagePoints], object]]:
    return in_files(key), lambda part: part.settings.get(key)


def _range(column: Column, key: str) -> tuple[Column, Callable[[StagePoints], object]]:
    return column, lambda part: range_text(part, key)


def stage_sheet(table: SearchTable) -> Sheet:
    """Return the stages in the order in which they ran: what each searched, and its best."""
    unseen = [key for part in table.parts for key in part.stage.ranges if not {key, target_key(key)} & {*table.keys}]
    columns: StageColumns = [
        (Column("stage"), lambda part: part.stage.name or None),
        (Column("sampler"), lambda part: part.stage.sampler or None),
        (Column("trials"), lambda part: part.trials),
        (Column("runs"), lambda part: len(part.run_ids)),
        *(_range(Column(key), key) for key in dict.fromkeys([*table.keys, *unseen])),
        (Column("settings"), settings_text),
        (Column("best " + cells.unit(table.objective)), lambda part: _best(table, part)),
    ]
    sheet = sheet_of(reversed(table.parts), columns, notes=_stage_notes(table))
    return sheet.without(lambda column, texts: column.head != "stage" and all(text == NOTHING for text in texts))


def _best(table: SearchTable, part: StagePoints) -> str:
    return cells.spread(table.objective, part.entries[0].mean, part.entries[0].deviation)


def _stage_notes(table: SearchTable) -> list[str]:
    return [f"{part.stage.name}: {part.stage.note}" for part in reversed(table.parts) if part.stage.note]


def settings_text(part: StagePoints) -> str:
    """Return the settings of a stage that others have otherwise: `schedule.cycles=3 data.validation=1000`."""
    return " ".join(f"{key}={cells.parameter(value)}" for key, value in part.settings.items()) or NOTHING


def range_text(part: StagePoints, key: str) -> str:
    """Return the range that a stage searched, else the values that its trials have."""
    searched = part.stage.ranges.get(key) or part.stage.ranges.get(key.removesuffix("._target_"))
    if searched:
        return searched
    values = dict.fromkeys(cells.parameter(entry.params.get(key)) for entry in part.entries)
    return ", ".join(values) if len(values) <= 4 else f"{len(values)} values"


def headline(table: SearchTable) -> str:
    """Return the answer in one sentence; "" where there are no trials."""
    part = next((part for part in table.parts if part.entries and part.entries[0].rank), None)
    if part is None:
        return "No trial came to a value." if table.parts else ""
    best = part.entries[0]
    setting = ", ".join(f"{key} = {cells.parameter(best.params.get(key))}" for key in table.keys) or best.name
    metrics = [(table.objective, best.mean, best.deviation)]
    metrics += [(name, best.extra[name].mean, best.extra[name].deviation) for name in table.extra]
    told = [
        f"{name} {cells.spread(name, mean, deviation)}{' %' * cells.is_percent(name)}"
        for name, mean, deviation in metrics
        if cells.number(name, mean) != NOTHING
    ]
    n = len(best.seeds)
    seeds = f" (mean ± standard deviation of {n} seeds)" if n > 1 else " (one seed)"
    stage = f" in stage {part.stage.name}" if part.stage.name else ""
    stage += f" by {table.objective}" if table.several else ""
    ties = sum(entry.rank == 1 for entry in part.entries) - 1
    tied = f"; {ties} more {'setting ties' if ties == 1 else 'settings tie'} with it" if ties else ""
    return f"Best{stage}: {setting}, with {' and '.join(told)}{seeds}{tied}."


def accounting(table: SearchTable) -> str:
    """Return the whole budget in one line: the fate of every trial, and the number of runs behind them."""
    states = sum((Counter(part.states) for part in table.parts), Counter[str]())
    rows, complete = sum(part.rows for part in table.parts), states.pop(COMPLETE, 0)
    shared = f"{complete} in {rows} rows" if complete != rows else _count(rows, "row")
    fates = [f"{states.pop(state, 0)} {state}" for state in ("failed", "diverged", "pruned")]
    fates += [f"{count} {state}" for state, count in states.items()]
    runs = len(set().union(*(part.run_ids for part in table.parts)))
    trials = _count(sum(part.trials for part in table.parts), "trial")
    return f"{trials} = {' + '.join([shared, *fates])}; {_count(runs, 'run')}."


def _count(count: int, name: str) -> str:
    return f"{count} {name}{'s' * (count != 1)}"


def search_markdown(table: SearchTable, first: int | None = None) -> str:
    """Return the table, the stages with their ranges, and how to read them, as Markdown.

    Args:
        table: Search.
        first: Rows of each stage, for a screen; None: all.
    """
    sheet = search_sheet(table, first=first)
    text = f"{headline(table)}\n\n" if headline(table) else ""
    text += to_markdown(sheet) + f"\n{accounting(table)}\n"
    if any(part.stage.name for part in table.parts):
        text += "\nStages, in the order in which they ran:\n\n" + to_markdown(replace(stage_sheet(table), notes=()))
    text += "".join(f"\n{note}\n" for note in [*reading(table), *_stage_notes(table)])
    more = sum(len(part.entries) for part in table.parts) - len(sheet.rows)
    return text + (f"\n{more} more rows: search.md and search.csv of the parent run." if more else "")


def reading(table: SearchTable) -> list[str]:
    """Return sentences that say how to read the numbers."""
    notes = ["Ranks count within a stage; stages differ in budget and seeds, so their values do not compare."]
    notes = notes if len(table.parts) > 1 else []
    if table.several:
        notes.append(f"Ranks are by {table.objective} alone; a search with several objectives has no single winner.")
    every = [entry for part in table.parts for entry in part.entries]
    return [*by_setting(every), *notes, *of_seeds(table.objective, every)]


def search_csv(table: SearchTable) -> str:
    """Return every point with full precision, whole run ids, and its stage's ranges; spaces separate lists."""
    return to_csv(search_sheet(table))
