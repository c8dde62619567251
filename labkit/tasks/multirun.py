"""A multirun: every job checked first, one parent run, a leaderboard at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from labkit.compose import explain
from labkit.config import ConfigError


def task_name(config: DictConfig) -> str:
    """The last part of the task's constructor: `train`."""
    return str(OmegaConf.select(config, "task._target_")).rpartition(".")[2]


def sweep_params(config: DictConfig) -> dict[str, str]:
    """What a sweep file gives the sweeper: override path -> values."""
    params = config.hydra.sweeper.get("params")
    plain: Any = OmegaConf.to_container(params, resolve=False) if params else {}
    return {str(key): str(value) for key, value in plain.items()}


def jobs(config: DictConfig) -> list[list[str]]:
    """The override words of every job of a grid, in the order Hydra runs them."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    params = sweep_params(config)
    words = [f"{key}={value}" for key, value in params.items()] + list(config.hydra.overrides.task)
    overrides = OverridesParser.create().parse_overrides(words)
    return [list(job) for job in BasicSweeper.split_arguments(overrides, None)[0]]


def check(config: DictConfig) -> list[list[str]]:
    """Compose, check and build every job; returns their override words. Raises ConfigError naming the job."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from labkit.tasks import session

    if task_name(config) != "train":
        return []
    session.start_writer(config)
    from labkit.tasks.plan import plan

    loader = GlobalHydra.instance().config_loader()
    try:
        all_words = jobs(config)
    except HydraException as error:
        raise ConfigError(explain(error)) from None
    for number, words in enumerate(all_words):
        try:
            plan(loader.load_sweep_config(config, words), words)
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(f"job {number} ({' '.join(words)}): {explain(error)}") from None
        except ConfigError as error:
            raise ConfigError(f"job {number} ({' '.join(words)}): {error}") from None
    return all_words


def open_parent(config: DictConfig, all_words: list[list[str]]) -> Any:
    """The parent run of a multirun's children; None where nothing is recorded."""
    from labkit.tasks import provenance, session

    if task_name(config) != "train" or config.tracker.enabled is not True:
        return None
    words = list(config.hydra.overrides.task)
    tags = provenance.tags(config, words, parent=config)
    return session.tracker(Path(config.paths.root)).start_run(
        experiment=config.lab,
        name=config.name or "multirun",
        params=sweep_params(config),
        tags={**tags, "labkit.jobs": str(len(all_words))},
    )


def parent_override(parent: Any) -> str:
    """The Hydra override that tells every job, under any launcher, its parent's id."""
    from labkit.tasks import session

    return f"+hydra.job.env_set.{session.PARENT_RUN}={parent.id}"


def close_parent(config: DictConfig, parent: Any) -> None:
    """End the parent and print the leaderboard of its children, which is also kept as its artifact."""
    from labkit.tasks import session
    from labkit.tasks.compare import children_board, files, show

    root, parent_id = Path(config.paths.root), parent.id
    session.close()  # the children's last values are in the store now
    writer = session.tracker(root)  # imports MLflow at the same time as this process, which reads the board
    board = children_board(root, parent_id)
    again = writer.resume(parent_id)
    for name, text in files(board).items():
        again.artifact_text(name, text)
    again.finish("FINISHED")
    show(board)
