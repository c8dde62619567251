"""What Hydra calls for every job of the command `labkit`, and what the key `task` says that it does.

Light: Hydra's plugins ask here in every program of the environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from labkit.runs.plan import Plan

_TRAINS = "labkit.tasks.train.train"


class ConfiguredTask:
    """A task function that does what `task` says. By this type Hydra's plugins know it from those of other programs.

    Attributes:
        plan: Plan of the job that is about to start, where a check has built it.
    """

    plan: Plan | None = None

    def __reduce__(self) -> tuple[type[ConfiguredTask], tuple[()]]:
        """Launchers send the task function to their workers; the plan stays here."""
        return type(self), ()

    def __call__(self, config: DictConfig) -> Any:
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
