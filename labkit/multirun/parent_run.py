"""What every multirun of labkit shares: jobs checked before the first starts, what is finished, one parent run."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from labkit.compose import explain
from labkit.config import ConfigError, nearest, shown
from labkit.multirun.composer import Composer, speaking_for, uncollected
from labkit.multirun.override_grammar import parsed
from labkit.tracking import tags as tag
from labkit.tracking.client import Tracker
from labkit.tracking.run import Run
from labkit.words import Words, quoted


@dataclass(frozen=True)
class Checked:
    """A job that can run.

    Attributes:
        words: its override words.
        config_hash, seed_group, shape: as in `labkit.runs.plan.Plan`.
        seed: of its random streams.
        config: resolved.
        choices: the option chosen in each config group.
        code, settings_hash, curves: as in `labkit.runs.plan.Plan`.
    """

    words: Words
    config_hash: str
    seed_group: str
    shape: str
    seed: int
    config: Mapping[str, Any]
    choices: Mapping[str, str]
    code: Mapping[str, str] = field(default_factory=dict)
    settings_hash: str = ""
    curves: str = ""


def task_name(config: DictConfig) -> str:
    """The last part of the task's constructor: `train`."""
    return str(OmegaConf.select(config, "task._target_")).rpartition(".")[2]


def sweep_params(config: DictConfig) -> dict[str, str]:
    """What a sweep file gives the sweeper: override path -> values, as the command line would have them.

    A list is a choice between its elements, a text is what one would type, and anything else is one value.
    """
    sweeper = config.hydra.sweeper
    given = (sweeper.get(key) for key in ("search_space", "params"))
    plain: Any = [OmegaConf.to_container(node, resolve=False) for node in given if node]
    return {str(key): _typed(str(key), value) for params in plain for key, value in params.items()}


def _typed(key: str, value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if value == []:
        raise ConfigError(f"hydra.sweeper.params: {key}: an empty list leaves no job.")
    return ",".join(quoted(inner) for inner in value) if isinstance(value, list) else quoted(value)


def overrides(config: DictConfig, arguments: Sequence[str], loader: Any) -> list[Override]:
    """What a sweep is made of: the sweep file's `params`, then the command line's words; raises ConfigError."""
    return parsed([*(f"{key}={value}" for key, value in sweep_params(config).items()), *arguments], loader)


def composer(sweeper: Any) -> Composer:
    """The one that composes a sweeper's jobs, for the checks before the first starts and for our launcher."""
    made = Composer(sweeper.hydra_context.config_loader, sweeper.config)
    if hasattr(sweeper.launcher, "composer"):
        sweeper.launcher.composer = made
    return made


@contextmanager
def named(number: int, words: Words) -> Iterator[None]:
    """Say which job a ConfigError, or a complaint of Hydra's, speaks of."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(f"job {number} ({' '.join(words)}): {explain(error)}") from None
    except ConfigError as error:
        raise ConfigError(f"job {number} ({' '.join(words)}): {error}") from None


def check(composer: Composer, rows: Sequence[Words]) -> list[Checked]:
    """Compose, check and build every job; raises ConfigError naming the first that is wrong."""
    from labkit.multirun.unread_words import check_run
    from labkit.runs.identity import data_key
    from labkit.runs.plan import plan, resolved

    checked: dict[int, Checked] = {}
    known = []
    with uncollected():
        for number, words in enumerate(rows):
            with named(number, words):
                config = composer.numbered(words, number)
                _check_lost(composer.master, config)
                with speaking_for(config):
                    known.append((config, resolved(config)))
                check_run(words, config)
    for number in sorted(range(len(rows)), key=lambda i: data_key(known[i][1])):  # each data set is prepared once
        config, plain = known[number]
        with named(number, rows[number]):
            ready = plan(config, rows[number], plain)
            for note in ready.data.notes:
                _warn(note)
            facts = (ready.config_hash, ready.seed_group, ready.shape, ready.recipe.seed, ready.config, ready.choices)
            checked[number] = Checked(rows[number], *facts, ready.code, ready.settings_hash, ready.curves)
    return [checked[number] for number in range(len(rows))]


@cache
def _warn(note: str) -> None:
    """Say a sentence about the data of a multirun, once however many jobs and stages it has."""
    print(f"warning: {note}", file=sys.stderr)


def _check_lost(master: DictConfig, job: DictConfig) -> None:
    """What a job's files say of the sweep as a whole comes too late, unless it is what the sweep goes by."""
    if job.hydra.sweeper.get("params") != master.hydra.sweeper.get("params"):
        file = job.hydra.runtime.choices.get("sweeps")
        alone = f"labkit sweeps={file}" if file else "without -m"
        raise ConfigError(f"a file with hydra.sweeper.params is a sweep and no job of one; give it alone: {alone}.")
    if job.seeds is not None and job.seeds != master.seeds:
        raise ConfigError(f"seeds: {job.seeds} of this job alone; expected once for all jobs, as seeds={job.seeds}.")


def distinct(jobs: Sequence[Checked]) -> tuple[list[Checked], list[Words]]:
    """The jobs without those that repeat an earlier one to the letter, and the words of these."""
    found: dict[str, Checked] = {}
    again = [job.words for job in jobs if found.setdefault(json.dumps(job.config, sort_keys=True), job) is not job]
    return list(found.values()), again


def settings(sweeper: Any) -> dict[str, Any]:
    """The keys of one of our sweepers as plain values, with the defaults of those that a config file leaves out.

    Raises ConfigError for a key that it does not read.
    """
    schema: Any = OmegaConf.to_container(OmegaConf.structured(sweeper.schema))
    known = {key: value for key, value in schema.items() if not key.startswith("_")}
    for chosen in known.pop("defaults", ()):
        known |= chosen if isinstance(chosen, Mapping) else {}
    given = {k: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for k, v in sweeper.settings.items()}
    for key in given:
        if key not in known:
            raise ConfigError(f"hydra.sweeper.{key}: it does not read this key, {nearest(key, known)}")
    return {**known, **given}


def check_batch(size: Any) -> None:
    """Raise ConfigError unless so many jobs can be handed to a launcher at once; null: all."""
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
        raise ConfigError(f"hydra.sweeper.max_batch_size: expected null or at least 1, got {shown(size)}.")


def check_settings(config: DictConfig, launcher: Any) -> None:
    """Raise ConfigError for `seeds` or keys of our launcher that are wrong, before anything is written."""
    from labkit.config import checked
    from labkit.multirun.grouping import Limits
    from labkit.multirun.unread_words import check_sweeper
    from labkit.runs.plan import check_seeds

    check_seeds(config.seeds)
    check_sweeper(config)
    if hasattr(launcher, "limits"):
        checked("hydra.launcher", Limits, launcher.limits)


def identity(name: str, jobs: Iterable[Checked]) -> str:
    """The name of a set of jobs, the same whenever they are asked for again."""
    text = json.dumps(sorted({job.config_hash for job in jobs}))
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def adopt(tracker: Tracker) -> int:
    """End the runs that a dead process left RUNNING: KILLED. Returns how many there were."""
    from labkit.runs.provenance import dead

    left = [row for row in tracker.running() if dead(row.process) and not row.is_sweep]
    for row in left:
        tracker.resume(row.run_id).finish("KILLED", "The process that trained it ended without a word.")
    return len(left)


def open_parent(config: DictConfig, tracker: Tracker, sweep: str, jobs: int) -> Run:
    """The parent run of a sweep: the one of an earlier call of the same sweep, else a new one."""
    from labkit.runs import commands, provenance

    earlier = tracker.sweeps(sweep)
    if earlier:
        parent = tracker.resume(earlier[-1].run_id, reopen=True)
        parent.set_tag(tag.PROCESS, provenance.process())
        return parent
    tags = provenance.tags(config, commands.multirun(config))
    return tracker.start_run(
        experiment=config.lab,
        name=config.name or "multirun",
        params=sweep_params(config),
        tags={**tags, tag.SWEEP: sweep, tag.JOBS: str(jobs), tag.PROCESS: provenance.process()},
    )


@contextmanager
def held(config: DictConfig, sweep: str) -> Iterator[None]:
    """Hold a sweep while it runs; raises ConfigError saying who holds it where somebody else does."""
    from labkit.search.storage import hold

    with hold(None, sweep, Path(config.paths.root) / "mlruns" / "studies"):
        yield


def write_down(config: DictConfig) -> None:
    """The multirun's configuration as `multirun.yaml` in its folder, as Hydra's own sweeper leaves it."""
    folder = Path(str(config.hydra.sweep.dir))
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / "multirun.yaml")


def told(**variables: str) -> list[str]:
    """Hydra's override words that set environment variables for a job, under any launcher."""
    from labkit.words import word

    return [word(f"+hydra.job.env_set.{name}", value) for name, value in variables.items()]


def hand_down(config: DictConfig, **variables: str) -> None:
    """The same for all jobs of a multirun."""
    from omegaconf import open_dict

    with open_dict(config):
        words: Any = OmegaConf.to_container(config.hydra.overrides.hydra, resolve=False)
        config.hydra.overrides.hydra = [*words, *told(**variables)]


def store(config: DictConfig) -> Tracker | None:
    """The tracker of a multirun's own process; None where nothing is recorded."""
    from labkit.tracking import session

    return session.tracker(Path(config.paths.root)) if config.tracker.enabled is True else None
