"""The outcome of a search: one sorted table as CSV and Markdown, and a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from omegaconf import DictConfig

from labkit.multirun import search_runs
from labkit.multirun.pages import search_page
from labkit.multirun.sweep_outcome import keep_page, nearby, page_place
from labkit.report.search_layout import search_csv, search_markdown
from labkit.report.search_table import StageFacts, Tried, search_table
from labkit.runs.record import flattened
from labkit.runs.result import Table
from labkit.search.results import StageResult
from labkit.search.stages import Definition
from labkit.tracking import tag
from labkit.tracking.rows import RunRow
from labkit.tracking.tracker import Run, Tracker

_SHOWN = 3  # rows of a stage on a screen; the files have all


def close(
    config: DictConfig,
    definition: Definition,
    tracker: Tracker,
    parent: Run | None,
    known: Sequence[StageResult],
    failed: bool = False,
) -> Table:
    """Print the table; keep it and its page with the parent run, and end that. A search that failed has no page.

    The trials are those that the study remembers, whoever made their runs.

    Args:
        config: Configuration of the multirun.
        definition: Definition of the search.
        tracker: Tracker of the store.
        parent: Parent run; None where this call ran nothing, and so changes nothing.
        known: Stages as far as they came.
        failed: True where the search could not be finished.
    """
    runs = search_runs.of_stages(tracker, definition.study, known)
    up = definition.directions[0] == "maximize"
    table = search_table(tried(known, runs), facts(definition, known), definition.objectives, maximise=up)
    text = search_markdown(table)
    print(search_markdown(table, _SHOWN))
    own = rows(definition.study, known, runs)
    found = Table(definition.study, own, text)
    if parent is None:
        return found
    parent.artifact_text("search.csv", search_csv(table))
    parent.artifact_text("search.md", text)
    if failed:
        parent.finish("FAILED", "The search could not be finished.")
        return found
    place = page_place(config, definition.study)
    own = list({row.run_id: row for row in own}.values())
    keep_page(parent, search_page(config, definition.study, table, own, tracker), place)
    parent.finish("FINISHED")
    print(f"report     {nearby(place)}")
    return found


def tried(known: Sequence[StageResult], runs: search_runs.Runs) -> list[Tried]:
    """Every trial that counts, with its runs."""
    return [
        Tried(stage.name, trial.state, search_runs.behind(stage.name, trial, runs), flattened(trial.params))
        for stage in known
        for trial in stage.trials
    ]


def rows(study: str, known: Sequence[StageResult], runs: search_runs.Runs) -> list[RunRow]:
    """The runs stage by stage, each once in a stage, with the tags of this search, not those of its first user."""
    found: dict[tuple[str, str], RunRow] = {}
    for stage in known:
        for trial in stage.trials:
            own = {tag.STUDY: study, tag.STAGE: stage.name, tag.TRIAL: str(trial.number)}
            for row in search_runs.behind(stage.name, trial, runs):
                found.setdefault((stage.name, row.run_id), row.with_tags(own))
    return list(found.values())


def facts(definition: Definition, known: Sequence[StageResult]) -> list[StageFacts]:
    """The stages that there are as the table wants to know them."""
    samplers = {stage.name: _sampler_name(stage.sampler) for stage in definition.stages}
    return [
        StageFacts(one.name, samplers[one.name], one.overrides, one.space.range_text(), one.space.plain(), one.note)
        if one.space is not None
        else StageFacts(one.name, note=_former(one.former))
        for one in known
    ]


def _former(count: int) -> str:
    trials = "one trial of a candidate that is" if count == 1 else f"{count} trials of candidates that are"
    return f"{trials} no longer among the best left out." if count else ""


def _sampler_name(sampler: str | Mapping[str, object]) -> str:
    """A sampler's name, or its constructor's."""
    return sampler if isinstance(sampler, str) else str(sampler.get("_target_")).rpartition(".")[2]
