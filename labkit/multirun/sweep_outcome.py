"""The outcome of a sweep: its runs from the store, the leaderboard, the rows that speak for seeds, a report page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig

from labkit.multirun import seeds
from labkit.report.board_layout import board_csv, board_markdown, show
from labkit.report.leaderboard import Leaderboard, rank
from labkit.runs import commands, provenance
from labkit.runs.plan import Plan, objectives
from labkit.runs.record import parameters
from labkit.runs.standing import standing
from labkit.tracking import tag
from labkit.tracking.rows import SEED, RunRow
from labkit.tracking.tracker import Run, Tracker

_EXTRA = ("test/accuracy",)


def rows_of(tracker: Tracker, study: str, jobs: Sequence[Plan], before: Mapping[str, RunRow]) -> list[RunRow]:
    """Return the store's row of each job: its newest finished run, else its newest; jobs without any are left out.

    Args:
        tracker: Tracker of the store.
        study: Name of the sweep.
        jobs: Jobs of the sweep.
        before: Rows of jobs that were finished before the sweep, by config hash.
    """
    best = standing([*before.values(), *tracker.by_study(study)], jobs, any_end=True)
    return [best[h] for h in dict.fromkeys(job.config_hash for job in jobs) if h in best]


def seed_rows(config: DictConfig, tracker: Tracker, parent: Run, jobs: Sequence[Plan]) -> dict[str, Run]:
    """Start one run per configuration, under the sweep's parent, that will speak for its seeds; by seed group."""
    first = {job.seed_group: job for job in reversed(jobs)}
    if len(first) == 1:
        return {next(iter(first)): parent}
    return {group: _seed_row(config, tracker, parent, job) for group, job in reversed(first.items())}


def _seed_row(config: DictConfig, tracker: Tracker, parent: Run, job: Plan) -> Run:
    """Return the run of an earlier call, else a new one."""
    mark = f"{job.seed_group[:16]}-{parent.id}"
    earlier = tracker.seed_rows(mark)
    if earlier:
        return tracker.resume(earlier[-1].run_id, reopen=True)
    settings = {key: value for key, value in parameters(job.config, job.choices).items() if key != SEED}
    tags = provenance.tags(config, commands.multirun(config))
    return tracker.start_run(
        experiment=config.lab,
        name=f"{config.name or 'seeds'} x {config.seeds}",
        params=settings,
        tags={**tags, tag.SEEDS_OF: mark, tag.SEED_GROUP: job.seed_group, tag.SWEEP: mark},
        parent_run_id=parent.id,
    )


def fill_seed_rows(about: Mapping[str, Run], rows: Sequence[RunRow], parent: Run) -> None:
    """Give every row that speaks for seeds its means, and end it, unless it is the parent, whose end comes later."""
    for group, row in about.items():
        own = [r for r in rows if r.seed_group == group and r.finished]
        if own:
            row.log(0, seeds.means(own))
        if row is not parent:
            row.finish("FINISHED")


def ranking(config: DictConfig, rows: Sequence[RunRow], baseline: str | None) -> Leaderboard:
    """Return the leaderboard of a sweep's runs, by its first objective."""
    return rank(rows, objectives(config.objective)[0], extra=_EXTRA, baseline=baseline)


def check_baseline(config: DictConfig, jobs: Sequence[Plan], baseline: str) -> None:
    """Raise ConfigError where the leaderboard of these jobs, all finished, would have no such baseline."""
    objective = objectives(config.objective)[0]
    rows = [
        RunRow(
            str(i),
            name=job.config["name"] or "",
            params=parameters(job.config, job.choices),
            metrics={objective: 0.0},
        )
        for i, job in enumerate(jobs)
    ]
    rank(rows, objective, baseline=baseline)


def close(parent: Run, board: Leaderboard, page: str, place: Path, failed: bool = False) -> None:
    """Keep the leaderboard and its page with the parent, end it, and print the board."""
    parent.artifact_text("leaderboard.md", board_markdown(board))
    parent.artifact_text("leaderboard.csv", board_csv(board))
    keep_page(parent, page, place)
    parent.finish("FAILED" if failed else "FINISHED", "Too many jobs failed." if failed else "")
    show(board)
    print(f"report     {nearby(place)}")


def page_place(config: DictConfig, study: str) -> Path:
    """Return the path of a page beside the store: `mlruns/reports/<study>.html`."""
    return Path(config.paths.root).absolute() / "mlruns" / "reports" / f"{re.sub(r'[^A-Za-z0-9._-]', '_', study)}.html"


def keep_page(parent: Run, page: str, place: Path) -> None:
    """Write a page beside the store, and keep it with the parent run."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(page, encoding="utf-8")
    parent.artifact_text("report.html", page)


def nearby(place: Path) -> str:
    """Return a path as it is typed in this folder."""
    return str(place.relative_to(Path.cwd())) if place.is_relative_to(Path.cwd()) else str(place)
