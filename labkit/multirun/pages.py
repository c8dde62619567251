"""The report page of a multirun or a search, put together from the store's rows."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure  # half a second, at best while the store is still being written
from omegaconf import DictConfig

from labkit import report
from labkit.config import ConfigError
from labkit.report import Entry, Leaderboard, Member, PageFigure, SearchTable, Sheet, StudyPage, seed_bands
from labkit.report.cells import brief
from labkit.report.diagnoses import none_learnt
from labkit.report.published import PublishedCurves, published_curves
from labkit.report.search_layout import reading
from labkit.report.study_page import page
from labkit.runs import commands, provenance
from labkit.tracking import session
from labkit.tracking.rows import RunRow
from labkit.tracking.tracker import Curves, Tracker

_CURVES = 12  # members in the figure of learning curves; more cannot be told apart
_OF_ONE = ["lr", *(f"{part}/{metric}" for part in ("train", "val") for metric in ("cost", "loss", "accuracy"))]


def search_page(config: DictConfig, study: str, table: SearchTable, rows: Sequence[RunRow], tracker: Tracker) -> str:
    """Return the page of a search, as HTML."""
    figures = [("The objective against every searched key, stage by stage.", report.objective_by_parameter(table))]
    for caption, figure in (
        ("The searched plane.", report.parameter_map(table)),
        ("The seeds of every candidate.", report.seed_spread(table)),
    ):
        if figure is not None:
            figures.append((caption, figure))
    named = [(part.stage.name, entry) for part in table.parts for entry in part.entries if entry.rank]
    members = [(entry.run_ids, f"{stage} {entry.rank}: {_label(entry)}") for stage, entry in named]
    figures += _curves(config, members, tracker)
    answer = [none_learnt(entry for _, entry in named), report.headline(table), report.accounting(table)]
    facts = {"answer": " ".join(filter(None, answer)), "stages": report.search_page_stages(table)}
    facts["reading"] = reading(table)
    return _page(config, study, report.search_page_results(table), rows, figures, facts)


def board_page(config: DictConfig, study: str, board: Leaderboard, rows: Sequence[RunRow], tracker: Tracker) -> str:
    """Return the page of a grid, as HTML."""
    members = [(entry.run_ids, _label(entry)) for entry in board.entries if entry.run_ids and entry.rank]
    curves = _curves(config, members, tracker)
    facts = {"answer": none_learnt(board.entries), "reading": report.board_page_reading(board)}
    return _page(config, study, report.board_sheets(board), rows, curves, facts)


def question(config: DictConfig) -> str:
    """Return what a sweep's file asks: the first paragraph of its comment, without the command.

    A bare `#` ends it: what follows it, of seeds, epochs, data or results, need not be so in the sweep that ran.
    """
    name = config.hydra.runtime.choices.get("sweeps")
    if not name:
        return ""
    folders = [Path(source.path) for source in config.hydra.runtime.config_sources if source.schema == "file"]
    file = next((f for folder in folders if (f := folder / "sweeps" / f"{name}.yaml").exists()), None)
    if file is None:
        return ""
    comments = []
    for line in file.read_text().splitlines():
        if not line.startswith("#") or line.strip() == "#":
            break
        comments.append(line.lstrip("# "))
    return " ".join(c for c in comments if not c.startswith(("@package", "labkit ")))


def _label(entry: Entry) -> str:
    return " ".join(f"{key.rpartition('.')[2]} {brief(value)}" for key, value in entry.params.items()) or entry.name


def _curves(
    config: DictConfig, members: Sequence[tuple[Sequence[str], str]], tracker: Tracker
) -> list[tuple[str, Figure]]:
    """Draw all curves of the one setting there is, else those of several over one another; means over seeds.

    Args:
        config: Configuration of the multirun.
        members: Ids of the runs and label of each setting, best first.
        tracker: Tracker of the store.
    """
    if len(members) == 1:
        ((run_ids, label),) = members
        found_one = tracker.histories(run_ids, _OF_ONE)
        caption, figure = _of_one(run_ids, label, found_one, _beside(config.tracker.published))
        return [(caption + _subset(config), figure)]
    shown = members[:_CURVES]
    if not shown:
        return []
    ids = [run_id for run_ids, _ in shown for run_id in run_ids]
    found = dict(zip(ids, tracker.histories(ids, ["val/accuracy", "train/loss", "val/loss"]), strict=True))
    loss = "train/loss" if any(history.get("train/loss") for history in found.values()) else "val/loss"
    drawn = [Member(label, [found[run_id] for run_id in run_ids]) for run_ids, label in shown]
    told = seed_bands.caption([member.seeds for member in drawn]) or "one seed each"
    figure = report.member_curves(drawn, metrics=("val/accuracy", loss))
    return [(f"Learning curves of the best {len(drawn)}: {told}.{_subset(config)}", figure)]


def _subset(config: DictConfig) -> str:
    """A sentence on the samples behind the training curves, where those are not all."""
    count = config.trainer.eval_train
    return "" if isinstance(count, bool) else f" Training curves: up to {count:,} samples, the same in every run."


def _of_one(
    run_ids: Sequence[str], label: str, seeds: Sequence[Curves], beside: PublishedCurves | None
) -> tuple[str, Figure]:
    if len(run_ids) == 1:
        return f"Learning curves of run {run_ids[0][:8]}.", report.learning_curves(_by_step(seeds[0]), label, beside)
    bands = {metric: seed_bands.band(seeds, metric) for metric in _OF_ONE}
    figure = report.learning_curves(seed_bands.mean_history(bands), label, beside, bands)
    return f"Learning curves: {seed_bands.caption([seeds])}.", figure


def _beside(name: str | None) -> PublishedCurves | None:
    """Read published curves; say it where their file has gone or changed meanwhile, and leave them out."""
    try:
        return published_curves(name)
    except ConfigError as error:
        print(f"labkit: {error}", file=sys.stderr)
        return None


def _by_step(curves: Mapping[str, Sequence[tuple[int, float]]]) -> list[tuple[int, dict[str, float]]]:
    rows: dict[int, dict[str, float]] = {}
    for key, curve in curves.items():
        for step, value in curve:
            rows.setdefault(step, {})[key] = value
    return sorted(rows.items())


def _page(
    config: DictConfig,
    study: str,
    results: Sequence[Sheet],
    rows: Sequence[RunRow],
    figures: Sequence[tuple[str, Figure]],
    facts: Mapping[str, str | Sequence[Sheet]],
) -> str:
    root, tracking = Path(config.paths.root), session.settings(config)
    return page(
        StudyPage(
            title=study,
            question=question(config),
            command=commands.multirun(config),
            date=datetime.datetime.now().strftime("%Y-%m-%d %H:%M"),
            versions=provenance.versions(),
            results=results,
            figures=[PageFigure(caption, report.render(figure)) for caption, figure in figures],
            opened_test=report.opened_test(rows),
            store_hint=commands.pages(tracking.store(root), root) if tracking.has_pages else "",
            **facts,
        )
    )
