"""`hydra/sweeper=grid`: Hydra's grids and random samples, with a memory of what is finished."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from labkit.multirun import parent_run, seeds
from labkit.multirun.callback import hooks
from labkit.multirun.composer import Composer, check_count, grid
from labkit.multirun.configured_task import ConfiguredSweeper, ConfiguredTask, trains
from labkit.multirun.runner import Answer, Runner
from labkit.multirun.sweeper_settings import Settings, check_batch, check_settings, read_settings, sweep_overrides
from labkit.report.board_layout import board_markdown
from labkit.report.durations import duration
from labkit.runs.result import Returns, Table
from labkit.runs.standing import standing
from labkit.tracking import session
from labkit.tracking.tracker import Tracker
from labkit.words import Words

if TYPE_CHECKING:
    from labkit.runs.plan import Plan


def sweep(sweeper: ConfiguredSweeper, arguments: Sequence[str]) -> Returns:
    """Run the jobs that are not finished; the leaderboard has all. Returns the returns of this call's jobs."""
    config, settings = sweeper.config, read_settings(sweeper)
    check_batch(settings["max_batch_size"])
    rows = _rows(sweep_overrides(config, arguments, sweeper.hydra_context.config_loader), settings)
    if not (isinstance(sweeper.task_function, ConfiguredTask) and trains(config)):
        return _plain(sweeper, settings, rows)
    check_settings(config)
    return _remembering(sweeper, settings, rows)


def _rows(overrides: Sequence[Override], settings: Settings) -> list[Words]:
    if settings["samples"] is not None:
        from labkit.multirun.space_grammar import sample

        check_count(settings["samples"], settings["max_jobs"])
        return sample(overrides, settings["samples"], settings["sample_seed"])
    return grid(overrides, settings["max_jobs"])


def _plain(sweeper: ConfiguredSweeper, settings: Settings, rows: list[Words]) -> Returns:
    """Run jobs as Hydra's basic sweeper does: those of tasks that train nothing, and of other programs."""
    size = settings["max_batch_size"] or len(rows)
    loader = sweeper.hydra_context.config_loader
    for words in rows:  # a wrong job is found before the first starts
        loader.load_sweep_config(sweeper.config, list(words))
    parent_run.save_config(sweeper.config)
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    return Returns(
        list(sweeper.launcher.launch([list(words) for words in batch], initial_job_idx=size * i))
        for i, batch in enumerate(batches)
    )


def _remembering(sweeper: ConfiguredSweeper, settings: Settings, rows: list[Words]) -> Returns:
    config = sweeper.config
    composer = job_composer(sweeper)
    if config.seeds is not None:
        check_count(len(rows) * int(config.seeds), settings["max_jobs"])
        rows = seeds.spread_over_seeds(rows, composer, config.seeds)
    from labkit.multirun.planned_jobs import plan_jobs, split_repeats
    from labkit.runs.prepared_data import PreparedData

    jobs, again = split_repeats(plan_jobs(composer, rows, PreparedData()))
    for words in again:
        print(f"given twice, trained once: {' '.join(words)}", file=sys.stderr)
    from labkit.multirun import sweep_outcome
    from labkit.runs.plan import objectives

    if "=" in (settings["baseline"] or ""):
        sweep_outcome.check_baseline(config, jobs, settings["baseline"])
    tracker = parent_run.multirun_tracker(config)
    runner = Runner(sweeper, tracker, objectives(config.objective), settings["max_batch_size"])
    if settings["dry_run"]:
        dry_run(tracker, jobs)
        return Returns()
    parent_run.save_config(config)
    table = None
    if tracker is None:
        answers = runner(jobs, [{}] * len(jobs), rerun=True)
    else:
        answers, table = _train_and_rank(config, settings, tracker, runner, jobs)
    complain(jobs, answers, settings["max_failure_rate"])
    returns = Returns(runner.returns)
    returns.table = table
    return returns


def job_composer(sweeper: ConfiguredSweeper) -> Composer:
    """Return the composer of a sweeper's jobs, for the checks before the first starts and for our launcher."""
    made = Composer(sweeper.hydra_context.config_loader, sweeper.config)
    if (own := hooks(sweeper.hydra_context)) is not None:
        own.composer = made
    return made


def _train_and_rank(
    config: DictConfig, settings: Settings, tracker: Tracker, runner: Runner, jobs: Sequence[Plan]
) -> tuple[list[Answer], Table]:
    """Run the jobs under one parent run, and make the leaderboard of all."""
    from labkit.multirun import sweep_outcome
    from labkit.multirun.planned_jobs import study_name

    study = study_name(config.name or "multirun", jobs)
    with parent_run.hold_sweep(config, study):
        parent = parent_run.open_parent(config, tracker, study, len(jobs))
        about = sweep_outcome.seed_rows(config, tracker, parent, jobs) if config.seeds is not None else {}
        common = parent_run.sweep_variables(study, parent)
        told = [{**common, **({session.PARENT_RUN: about[j.seed_group].id} if about else {})} for j in jobs]
        answers = runner(jobs, told, settings["rerun"])
        # Half a second of imports, while the writer records how the jobs ended; rows_of waits for that.
        import scipy.special  # noqa: F401

        from labkit.multirun.pages import board_page

        before = sum(answer.before for answer in answers)
        if before:
            print(f"{before} of {len(jobs)} jobs were finished before; hydra.sweeper.rerun=true trains them again.")
        found = sweep_outcome.rows_of(tracker, study, jobs, runner.before)
        sweep_outcome.fill_seed_rows(about, found, parent)
        ranked = sweep_outcome.ranking(config, found, settings["baseline"])
        page = board_page(config, study, ranked, found, tracker)
        failed = too_many_failed(answers, settings["max_failure_rate"])
        sweep_outcome.close(parent, ranked, page, sweep_outcome.page_place(config, study), failed)
    return answers, Table(study, found, board_markdown(ranked))


def dry_run(tracker: Tracker | None, jobs: Sequence[Plan]) -> None:
    """List the jobs, what is done, and the time that the others should take."""
    past = {shape: tracker.finished(shape) for shape in {job.shape for job in jobs}} if tracker is not None else {}
    times = {shape: [row.seconds for row in rows] for shape, rows in past.items()}
    known = standing((row for rows in past.values() for row in rows), jobs)
    total, unknown = 0.0, 0
    for number, job in enumerate(jobs):
        if job.config_hash in known:
            state = "finished"
        elif times.get(job.shape):
            total += (expected := statistics.median(times[job.shape]))
            state = f"about {duration(expected)}"
        else:
            unknown += 1
            state = "no run of this shape to tell the time from"
        print(f"{number:4d}  {state:<12}  {' '.join(job.words)}")
    done = sum(job.config_hash in known for job in jobs)
    rest = f", {unknown} of unknown time" if unknown else ""
    print(f"{len(jobs)} jobs, {done} finished, the others about {duration(total)}{rest}; nothing was trained.")


class JobsFailed(RuntimeError):  # noqa: N818  (what happened to the multirun, not an error in it)
    """More jobs of a multirun failed than may; its cause is what the first of them raised."""


def complain(jobs: Sequence[Plan], answers: Sequence[Answer], most: float) -> None:
    """Name the jobs that failed; raise JobsFailed where they are more than `most` of all."""
    name_failed(jobs, answers)
    errors = [answer.error for answer in answers if answer.status == "FAILED"]
    if too_many_failed(answers, most):
        trace = "HYDRA_FULL_ERROR=1 shows where the first did"
        raise JobsFailed(f"{len(errors)} of {len(jobs)} jobs failed; {trace}.") from errors[0]


def name_failed(jobs: Sequence[Plan], answers: Sequence[Answer]) -> None:
    """Say of every job that failed what it raised."""
    for job, answer in zip(jobs, answers, strict=True):
        if answer.status == "FAILED":
            print(f"failed: {' '.join(job.words)}: {type(answer.error).__name__}: {answer.error}", file=sys.stderr)


def too_many_failed(answers: Sequence[Answer], most: float) -> bool:
    """Return whether more than the share `most` of the jobs failed."""
    failed = sum(answer.status == "FAILED" for answer in answers)
    return failed > most * len(answers)
