"""hydra/sweeper=grid: all combinations or a random sample; finished jobs are skipped (labkit.multirun.grid_sweep)."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class GridSweeperConf:
    """Keys of `hydra.sweeper`.

    Attributes:
        params: Override path -> values, in Hydra's sweep grammar.
        samples: Number of random points instead of the whole grid; intervals are allowed then.
        sample_seed: Seed of those points.
        max_jobs: Largest number of jobs.
        max_batch_size: Number of jobs handed to the launcher at once; null: all.
        rerun: True to train finished jobs again.
        dry_run: True to list the jobs, what is done and the expected time, and train nothing.
        baseline: `key=value` words that pick the row the others are compared with.
        max_failure_rate: Share of the jobs; if more fail, the command ends with exit code 1.
    """

    _target_: str = "hydra_plugins.labkit.grid_sweeper.GridSweeper"
    params: dict[str, Any] | None = field(default_factory=dict)
    samples: int | None = None
    sample_seed: int = 0
    max_jobs: int = 10_000
    max_batch_size: int | None = None
    rerun: bool = False
    dry_run: bool = False
    baseline: str | None = None
    max_failure_rate: float = 0.0


ConfigStore.instance().store("grid", GridSweeperConf, "hydra/sweeper", provider="labkit")


class GridSweeper(Sweeper):
    """Hydra's grids with a memory."""

    schema: type = GridSweeperConf
    config: DictConfig
    hydra_context: HydraContext
    launcher: Launcher
    task_function: TaskFunction

    def __init__(self, **settings: object) -> None:
        self.settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra gives every sweeper, and the launcher."""
        from hydra.core.plugins import Plugins

        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> object:
        """Return the returns of the jobs, one list per batch."""
        from labkit.multirun.grid_sweep import sweep

        return sweep(self, arguments)
