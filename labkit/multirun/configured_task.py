"""What Hydra is given by the command `labkit`: the task function that it calls for every job, and our sweepers.

Light: Hydra's plugins ask here in every program of the environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from labkit.runs.plan import Plan

_TRAINS = "labkit.tasks.train.train"


class ConfiguredSweeper(Protocol):
    """A sweeper of ours as Hydra has set it up.

    Attributes:
        schema: Dataclass with the keys of `hydra.sweeper` and their defaults.
        settings: Keys of `hydra.sweeper` as they were given.
        config: Configuration of the multirun, with Hydra's node.
        hydra_context: Hydra's loader of configurations, and its callbacks.
        task_function: Function that does a job.
        launcher: Launcher of the jobs.
    """

    schema: type
    settings: dict[str, object]
    config: DictConfig
    hydra_context: HydraContext
    task_function: TaskFunction
    launcher: Launcher


class ConfiguredLauncher(Protocol):
    """Our launcher as Hydra has set it up.

    Attributes:
        limits: Keys of `hydra.launcher` as they were given.
        config: Configuration of the multirun, with Hydra's node.
        hydra_context: Hydra's loader of configurations, and its callbacks.
        task_function: Function that does a job.
    """

    limits: dict[str, object]
    config: DictConfig
    hydra_context: HydraContext
    task_function: TaskFunction


class ConfiguredTask:
    """A task function that does what `task` says. By this type Hydra's plugins know it from those of other programs.

    Attributes:
        plan: Plan of the job that is about to start, where a check has built it.
    """

    plan: Plan | None = None

    def __reduce__(self) -> tuple[type[ConfiguredTask], tuple[()]]:
        """Launchers send the task function to their workers; the plan stays here."""
        return type(self), ()

    def __call__(self, config: DictConfig) -> object:
        """Do the job of a configuration without Hydra's node."""
        raise NotImplementedError


def task_name(config: DictConfig) -> str:
    """Return the last part of the task's constructor: `train`."""
    return _target(config).rpartition(".")[2]


def trains(config: DictConfig) -> bool:
    """Return True where `task=train`: the command, or each of its jobs, trains one configuration."""
    return _target(config) == _TRAINS


def _target(config: DictConfig) -> str:
    return str(OmegaConf.select(config, "task._target_"))
