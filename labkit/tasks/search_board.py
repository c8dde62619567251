"""What a search leaves: one sorted table as CSV and Markdown, and a page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig

from labkit.report.search_layouts import search_csv, search_markdown
from labkit.report.search_table import StageFacts, search_table
from labkit.search.search import Definition, SearchResult
from labkit.tasks.board import keep_page, nearby, page_place
from labkit.tasks.pages import search_page
from labkit.tasks.plan import objectives
from labkit.tasks.result import Table

_SHOWN = 3  # rows of a stage on a screen; the files have all


def close(
    config: DictConfig,
    definition: Definition,
    tracker: Any,
    parent: Any,
    result: SearchResult | None,
) -> Table:
    """Keep table and page with the parent run, end it, and print the table; a search that failed has no page.

    Args:
        config: of the multirun.
        definition: of the search.
        tracker: of the store.
        parent: the parent run; None where this call ran nothing, and so changes nothing.
        result: None of a search that failed.
    """
    rows = newest(tracker.find(f"tags.`labkit.study` = '{definition.study}'"))
    first = objectives(config.objective)[0]
    table = search_table(rows, facts(definition, result), first, maximise=definition.directions[0] == "maximize")
    text = search_markdown(table) if table.parts else ""
    print(_beginning(text) if text else "no run has a result.")
    found = Table(definition.study, rows, text)
    if parent is None:
        return found
    parent.artifact_text("search.csv", search_csv(table))
    parent.artifact_text("search.md", text)
    if result is None:
        parent.finish("FAILED", "The search could not be finished.")
        return found
    place = page_place(config, definition.study)
    keep_page(parent, search_page(config, definition.study, table, rows, tracker), place)
    parent.finish("FINISHED")
    print(f"report     {nearby(place)}")
    return found


def _beginning(text: str) -> str:
    """A table in Markdown with the first rows of every stage only: what fits a screen."""
    seen: Counter[str] = Counter()
    kept = []
    for line in text.splitlines():
        row = re.match(r"\| (?:\d+|-) \| (\S+) \|", line)
        seen.update([row[1]] if row else [])
        if row is None or seen[row[1]] <= _SHOWN:
            kept.append(line)
    more = sum(seen.values()) - sum(min(count, _SHOWN) for count in seen.values())
    return "\n".join([*kept, *([f"\n{more} more rows: search.md and search.csv of the parent run."] if more else [])])


def facts(definition: Definition, result: SearchResult | None) -> list[StageFacts]:
    """The stages as the table wants to know them."""
    if result is None:
        return [
            StageFacts(stage.name, _named(stage.sampler), tuple(stage.overrides), definition.space.range_text())
            for stage in definition.stages
        ]
    own = {stage.name: stage for stage in definition.stages}
    found = [
        StageFacts(
            one.name,
            _named(own[one.name].sampler),
            one.overrides,
            one.space.range_text(),
            one.space.plain(),
            one.note,
        )
        for one in result.stages
        if one.space is not None
    ]
    return [*found, *(StageFacts(name) for name in ("confirm", "final"))]


def _named(sampler: Any) -> str:
    """A sampler's name, or its constructor's."""
    return sampler if isinstance(sampler, str) else str(sampler.get("_target_")).rpartition(".")[2]


def newest(rows: Sequence[Any]) -> list[Any]:
    """Of the runs of one job in one stage only the newest, or the newest that finished: a killed one was run again."""
    found: dict[tuple[str, str], Any] = {}
    for row in sorted(rows, key=lambda row: row["status"] == "FINISHED"):
        found[row["tags"].get("labkit.stage", ""), row["tags"].get("labkit.config_hash", row["run_id"])] = row
    return sorted(found.values(), key=lambda row: row["start_time"])
