"""The jobs of a multirun, all of them composed, checked and planned before the first starts."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from functools import cache

from omegaconf import DictConfig

from labkit.config import ConfigError
from labkit.multirun.composer import Composer, name_in_errors, speaking_for
from labkit.runs.plan import Plan, plan, resolved
from labkit.runs.prepared_data import PreparedData
from labkit.words import Words


def plan_jobs(composer: Composer, rows: Sequence[Words], prepared: PreparedData) -> list[Plan]:
    """Compose and check every job, and plan it.

    Args:
        composer: Composer of the multirun.
        rows: Override words of each job.
        prepared: Prepared data of the command.

    Returns:
        A plan per job, in order.

    Raises:
        ConfigError: A job is wrong; the first such is named.
    """
    from labkit.multirun.unread_words import check_run
    from labkit.runs.identity import data_key

    known = []
    for number, words in enumerate(rows):
        with name_in_errors(number, words):
            config = composer.numbered(words, number)
            _check_lost(composer.master, config)
            with speaking_for(config):
                known.append((config, resolved(config)))
            check_run(words, config)
    planned: dict[int, Plan] = {}
    for number in sorted(range(len(rows)), key=lambda i: data_key(known[i][1])):  # each data set is prepared once
        config, plain = known[number]
        with name_in_errors(number, rows[number]):
            planned[number] = plan(config, rows[number], plain, prepared)
        for note in planned[number].data.notes:
            _warn(note)
    return [planned[number] for number in range(len(rows))]


@cache
def _warn(note: str) -> None:
    """Say a sentence about the data of a multirun, once however many jobs and stages it has."""
    print(f"warning: {note}", file=sys.stderr)


def _check_lost(master: DictConfig, job: DictConfig) -> None:
    """Refuse what a job's files say of the sweep as a whole, which comes too late, unless the sweep goes by it."""
    if job.hydra.sweeper.get("params") != master.hydra.sweeper.get("params"):
        file = job.hydra.runtime.choices.get("sweeps")
        alone = f"labkit sweeps={file}" if file else "without -m"
        raise ConfigError(f"a file with hydra.sweeper.params is a sweep and no job of one; give it alone: {alone}.")
    if job.seeds is not None and job.seeds != master.seeds:
        raise ConfigError(f"seeds: {job.seeds} of this job alone; expected once for all jobs, as seeds={job.seeds}.")


def split_repeats(jobs: Sequence[Plan]) -> tuple[list[Plan], list[Words]]:
    """Return the jobs without those that repeat an earlier one to the letter, and the words of these."""
    found: dict[str, Plan] = {}
    again = [job.words for job in jobs if found.setdefault(json.dumps(job.config, sort_keys=True), job) is not job]
    return list(found.values()), again


def study_name(name: str, jobs: Iterable[Plan]) -> str:
    """Return the name of a set of jobs, the same whenever they are asked for again."""
    text = json.dumps(sorted({job.config_hash for job in jobs}))
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
