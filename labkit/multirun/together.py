"""From job configurations to trained groups: planned, grouped, and trained as one program or side by side."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir

from omegaconf import DictConfig, open_dict

from labkit.config import ConfigError, checked
from labkit.multirun.composer import environment, speaking_for
from labkit.multirun.grouping import Group, Limits, groups
from labkit.runs.plan import Plan, plan
from labkit.runs.prepared_data import PreparedData
from labkit.runs.record import Job
from labkit.runs.result import Result
from labkit.runs.training_run import Begun, begin, execute_all, objective
from labkit.tracking.store import TrackingError

Training = Callable[[list[DictConfig]], list[object]]


def programs(
    configs: Sequence[DictConfig], limits: Mapping[str, object], plans: Sequence[Plan | None] | None = None
) -> Iterator[tuple[tuple[int, ...], Training]]:
    """Yield the groups of a batch of jobs, each with the function that trains it; say in one line what was chosen.

    Jobs on the same data come one after another, so that each set is prepared once and let go of before the next.

    Args:
        configs: Configuration of each job, with Hydra's node.
        limits: Keys of the launcher.
        plans: Plan of each job, None for a job that nobody has planned; None: nobody has planned any.

    Raises:
        ConfigError: A limit, or a job that was not planned, is wrong.
    """
    bounds = Limits(**checked("hydra.launcher", Limits, limits))
    prepared, plans = PreparedData(), plans or [None] * len(configs)
    ready = [_planned(one, prepared) if own is None else own for one, own in zip(configs, plans, strict=True)]
    for key in dict.fromkeys(own.data_key for own in ready):
        positions = [i for i, own in enumerate(ready) if own.data_key == key]
        jobs = [Job(ready[i], {**os.environ, **environment(configs[i])}) for i in positions]
        found = groups([job.plan for job in jobs], bounds)
        for line in explanation(found):
            print(f"population: {line}", file=sys.stderr)
        for group in found:
            yield tuple(positions[i] for i in group.members), _training(group, jobs, bounds)


def explanation(found: Sequence[Group]) -> list[str]:
    """Return the lines that say what was chosen; equal groups are counted."""
    alone = sum(len(group.members) == 1 for group in found)
    lines = list(dict.fromkeys(f"{len(group.members)} jobs, {group.why}" for group in found if len(group.members) > 1))
    return [*lines, f"{alone} jobs that share no program with another, one after the other"] if alone > 1 else lines


def _planned(config: DictConfig, prepared: PreparedData) -> Plan:
    """Plan a job of a sweeper that checks nothing; it may speak of its own folder."""
    with open_dict(config):
        config.hydra.runtime.output_dir = os.path.join(str(config.hydra.sweep.dir), str(config.hydra.sweep.subdir))
    with speaking_for(config):
        return plan(config, list(config.hydra.overrides.task), prepared=prepared)


def _training(group: Group, jobs: Sequence[Job], limits: Limits) -> Training:
    members = [jobs[i] for i in group.members]
    home = os.getcwd()  # not that of the last job, in which Hydra stands when all of them are trained
    # The store begins with the runs while Hydra still makes their folders.
    begun = begin(members) if group.together else None

    def train(_: list[DictConfig]) -> list[object]:
        with chdir(home):
            if begun is not None:
                results = execute_apart(members, begun)
            else:
                from labkit.multirun.processes import execute_side_by_side

                results = execute_side_by_side(members, limits.processes)
        return [_answer(job, result) for job, result in zip(members, results, strict=True)]

    return train


def execute_apart(jobs: Sequence[Job], begun: Begun) -> list[Result | Exception]:
    """Train jobs as one program; where one of them breaks it, train both halves apart, so that the others go on.

    The runs stay the same; those that broke off with the program are taken up again.

    Args:
        jobs: The members.
        begun: Their runs and checkpoints.
    """
    results = execute_all(jobs, begun=begun)
    error = results[0]
    joint = isinstance(error, Exception) and all(result is error for result in results)
    if len(jobs) == 1 or not joint or isinstance(error, TrackingError | ConfigError):
        return results
    begun.checkpoints.done()
    print(f"population: {type(error).__name__}: {error}; its {len(jobs)} jobs train in two halves", file=sys.stderr)
    middle, found = len(jobs) // 2, []
    for part in (slice(None, middle), slice(middle, None)):
        ids = [run.id if run is not None else None for run in begun.runs[part]]
        found += execute_apart(jobs[part], begin(jobs[part], ids))
    return found


def _answer(job: Job, result: Result | Exception) -> object:
    return result if isinstance(result, Exception) else objective(job.plan.objectives, result)
