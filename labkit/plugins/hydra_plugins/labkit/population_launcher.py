"""hydra/launcher=population: jobs that differ in numbers train as one program (labkit.multirun.population_launch).

Hydra executes this file in every program of its environment: nothing but Hydra is imported, and no postponed
annotations (Hydra runs it before it is a module).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class PopulationLauncherConf:
    """Keys of `hydra.launcher`.

    Attributes:
        most_members: Largest number of members of one program; null: what was measured to pay (docs/decisions.md).
        memory_gib: Memory that one program may take, in GiB; null: a quarter of what is free.
        processes: Number of processes side by side, for groups that do not pay as one program; null: one per core.
    """

    _target_: str = "hydra_plugins.labkit.population_launcher.PopulationLauncher"
    most_members: int | None = None
    memory_gib: float | None = None
    processes: int | None = None


ConfigStore.instance().store("population", PopulationLauncherConf, "hydra/launcher", provider="labkit")


class PopulationLauncher(Launcher):
    """Groups jobs and hands each group to labkit; jobs of any other program run one after another."""

    config: DictConfig
    hydra_context: HydraContext
    task_function: TaskFunction

    def __init__(self, **limits: object) -> None:
        self.limits = limits

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives every launcher."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Return one return per job, in order."""
        from labkit.multirun.population_launch import launch

        return launch(self, job_overrides, initial_job_idx)
