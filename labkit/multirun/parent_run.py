"""The one run of the store that a multirun's own runs are children of, and what they are told of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omegaconf import DictConfig, OmegaConf, open_dict

from labkit.config import ConfigError
from labkit.multirun.sweeper_settings import sweep_params
from labkit.tracking import session, tag
from labkit.tracking.tracker import Run, Tracker
from labkit.words import hydra_words, word


def open_parent(config: DictConfig, tracker: Tracker, sweep: str, jobs: int) -> Run:
    """Return the parent run of a sweep: the one of an earlier call of the same sweep, else a new one."""
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
def hold_sweep(config: DictConfig, sweep: str) -> Iterator[None]:
    """Hold a sweep while it runs; raises ConfigError saying who holds it where somebody else does."""
    from labkit.search.storage import hold

    with hold(None, sweep, Path(config.paths.root) / "mlruns" / "studies"):
        yield


def save_config(config: DictConfig) -> None:
    """Write the multirun's configuration as `multirun.yaml` in its folder, as Hydra's own sweeper leaves it."""
    folder = Path(str(config.hydra.sweep.dir))
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / "multirun.yaml")


def environment_words(**variables: str) -> list[str]:
    """Return Hydra's override words that set environment variables for a job, under any launcher."""
    return [word(f"+hydra.job.env_set.{name}", value) for name, value in variables.items()]


def tell_jobs(config: DictConfig, **variables: str) -> None:
    """Set environment variables for all jobs of a multirun."""
    with open_dict(config):
        config.hydra.overrides.hydra = [*hydra_words(config.hydra, "hydra"), *environment_words(**variables)]


def multirun_tracker(config: DictConfig) -> Tracker | None:
    """Return the tracker of a multirun's own process; None where nothing is recorded.

    Raises:
        ConfigError: The backend cannot read runs back, so a multirun would not know its own jobs.
    """
    found = session.open_tracker(config)
    if found is not None and not found.reads:
        target = config.tracker.get("_target_")
        raise ConfigError(f"tracker._target_: {target} cannot read runs back, as a multirun needs; try tracker=mlflow.")
    return found


def sweep_variables(study: str, parent: Run | None) -> dict[str, str]:
    """Return the environment variables that every job of a multirun is told."""
    return {} if parent is None else {session.PARENT_RUN: parent.id, session.STUDY: study}
