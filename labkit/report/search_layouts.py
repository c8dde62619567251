"""A search as Markdown and CSV: the table, its stages with their ranges, and the answer in one sentence."""

from __future__ import annotations

import csv
import io
from collections import Counter

from labkit.report import cells as write
from labkit.report.board_cells import INTERVAL, count, of_seeds
from labkit.report.diagnoses import by_setting
from labkit.report.layouts import extra_values, known, spread_values
from labkit.report.search_table import COMPLETE, Part, SearchTable, recorded


def cells(table: SearchTable, part: Part) -> tuple[list[str], list[list[str]]]:
    """Heads and cells of one stage as people read them; every stage of a table has the same heads."""
    every = [entry for other in table.parts for entry in other.entries]
    told, troubled = any(entry.interval is not None for entry in every), any(entry.rank is None for entry in every)
    staged = any(other.stage.name for other in table.parts)
    heads = ["rank", *["stage"] * staged, write.unit(table.objective), *[INTERVAL] * told, "n", "seeds"]
    heads += [*table.keys, *map(write.unit, table.extra), *["status"] * troubled, "runs"]
    lines = []
    for entry in part.entries:
        line = [str(entry.rank or write.NOTHING), *[part.stage.name or write.NOTHING] * staged]
        line.append(write.spread(table.objective, entry.mean, entry.deviation))
        line += [write.interval(table.objective, entry.interval)] * told
        line += [count(entry), write.seeds(entry.seeds)]
        line += [write.parameter(entry.params.get(key)) for key in table.keys]
        line += [write.summary(name, entry.extra[name]) for name in table.extra]
        line += [entry.status] * troubled + [" ".join(run_id[:8] for run_id in entry.run_ids)]
        lines.append(line)
    return heads, lines


def stage_cells(table: SearchTable) -> tuple[list[str], list[list[str]]]:
    """Heads and cells of the table of stages, in the order in which they ran: what each searched, and its best."""
    unseen = [key for part in table.parts for key in part.stage.ranges if not {key, recorded(key)} & {*table.keys}]
    keys = list(dict.fromkeys([*table.keys, *unseen]))
    heads = ["stage", "sampler", "trials", "runs", *keys, "settings", "best " + write.unit(table.objective)]
    lines = []
    for part in reversed(table.parts):
        best = part.entries[0]
        line = [part.stage.name or write.NOTHING, part.stage.sampler or write.NOTHING]
        line += [str(part.trials), str(len(part.run_ids)), *(range_text(part, key) for key in keys)]
        lines.append([*line, settings_text(part), write.spread(table.objective, best.mean, best.deviation)])
    kept = [i for i, head in enumerate(heads) if head == "stage" or any(line[i] != write.NOTHING for line in lines)]
    return [heads[i] for i in kept], [[line[i] for i in kept] for line in lines]


def settings_text(part: Part) -> str:
    """What a stage sets otherwise than the others: `schedule.cycles=3 data.validation=1000`."""
    return " ".join(f"{key}={write.parameter(value)}" for key, value in part.settings.items()) or write.NOTHING


def range_text(part: Part, key: str) -> str:
    """The range that a stage searched, else the values that its trials have."""
    searched = part.stage.ranges.get(key) or part.stage.ranges.get(key.removesuffix("._target_"))
    if searched:
        return searched
    values = dict.fromkeys(write.parameter(entry.params.get(key)) for entry in part.entries)
    return ", ".join(values) if len(values) <= 4 else f"{len(values)} values"


def headline(table: SearchTable) -> str:
    """The answer in one sentence; "" where there are no trials."""
    part = next((part for part in table.parts if part.entries and part.entries[0].rank), None)
    if part is None:
        return "No trial came to a value." if table.parts else ""
    best = part.entries[0]
    setting = ", ".join(f"{key} = {write.parameter(best.params.get(key))}" for key in table.keys) or best.name
    metrics = [(table.objective, best.mean, best.deviation)]
    metrics += [(name, best.extra[name].mean, best.extra[name].deviation) for name in table.extra]
    told = [
        f"{name} {write.spread(name, mean, deviation)}{' %' * write.is_percent(name)}"
        for name, mean, deviation in metrics
        if write.number(name, mean) != write.NOTHING
    ]
    n = len(best.seeds)
    seeds = f" (mean ± standard deviation of {n} seeds)" if n > 1 else " (one seed)"
    stage = f" in stage {part.stage.name}" if part.stage.name else ""
    stage += f" by {table.objective}" if table.several else ""
    ties = sum(entry.rank == 1 for entry in part.entries) - 1
    tied = f"; {ties} more {'setting ties' if ties == 1 else 'settings tie'} with it" if ties else ""
    return f"Best{stage}: {setting}, with {' and '.join(told)}{seeds}{tied}."


def accounting(table: SearchTable) -> str:
    """The whole budget in one line: what became of every trial, and how many runs are behind them."""
    states = sum((Counter(part.states) for part in table.parts), Counter[str]())
    rows, complete = sum(part.rows for part in table.parts), states.pop(COMPLETE, 0)
    shared = f"{complete} in {rows} rows" if complete != rows else _counted(rows, "row")
    fates = [f"{states.pop(state, 0)} {state}" for state in ("failed", "diverged", "pruned")]
    fates += [f"{count} {state}" for state, count in states.items()]
    runs = len(set().union(*(part.run_ids for part in table.parts)))
    trials = _counted(sum(part.trials for part in table.parts), "trial")
    return f"{trials} = {' + '.join([shared, *fates])}; {_counted(runs, 'run')}."


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'s' * (count != 1)}"


def search_markdown(table: SearchTable) -> str:
    """The table, the stages with their ranges, and how to read them, as Markdown."""
    lines, heads = [], ["rank", write.unit(table.objective), "runs"]
    for part in table.parts:
        heads, own = cells(table, part)
        lines += own
    text = f"{headline(table)}\n\n" if headline(table) else ""
    text += write.markdown_table(heads, lines, right=["rank", write.unit(table.objective)])
    text += f"\n{accounting(table)}\n"
    if any(part.stage.name for part in table.parts):
        text += "\nStages, in the order in which they ran:\n\n" + write.markdown_table(*stage_cells(table))
    notes = [f"{part.stage.name}: {part.stage.note}" for part in reversed(table.parts) if part.stage.note]
    return text + "".join(f"\n{note}\n" for note in [*reading(table), *notes])


def reading(table: SearchTable) -> list[str]:
    """How the numbers are to be read, a sentence each."""
    notes = ["Ranks count within a stage; stages differ in budget and seeds, so their values do not compare."]
    notes = notes if len(table.parts) > 1 else []
    if table.several:
        notes.append(f"Ranks are by {table.objective} alone; a search with several objectives has no single winner.")
    every = [entry for part in table.parts for entry in part.entries]
    return [*by_setting(every), *notes, *of_seeds(table.objective, every)]


def search_csv(table: SearchTable) -> str:
    """Every trial with full precision, whole run ids, and its stage's ranges; lists are separated by spaces."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    settings = list(dict.fromkeys(key for part in table.parts for key in part.settings))
    spread = ["standard_deviation", "interval_low", "interval_high", "n_seeds", "seeds_tried", "seeds"]
    extra = [head for name in table.extra for head in (name, f"{name} standard_deviation")]
    ranges = [f"range of {key}" for key in table.keys]
    heads = ["rank", "stage", "status", table.objective, *spread, *table.keys, *extra, *settings, *ranges]
    writer.writerow([*heads, "sampler", "name", "run_ids"])
    for part in table.parts:
        common = [*(part.settings.get(key) for key in settings), *(range_text(part, key) for key in table.keys)]
        for entry in part.entries:
            line = [entry.rank, part.stage.name, entry.status, known(entry.mean), *spread_values(entry)]
            line += [entry.params.get(key) for key in table.keys]
            line += extra_values(entry, table.extra)
            writer.writerow([*line, *common, part.stage.sampler, entry.name, " ".join(entry.run_ids)])
    return buffer.getvalue()
