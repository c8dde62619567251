"""hydra/sweeper=optuna: a search on Optuna, coarse to fine (labkit.multirun.optuna_sweep and labkit.search)."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import MISSING, DictConfig, OmegaConf


@dataclass
class OptunaSweeperConf:
    """Keys of `hydra.sweeper`: those of Hydra's own Optuna sweeper, and stages.

    Attributes:
        sampler: grid, random, qmc, tpe, gp, cmaes, nsgaii, or a node with `_target_: optuna.samplers...`; also as an
            option, hydra/sweeper/sampler=random.
        pruner: median, hyperband, ..., or a node with `_target_: optuna.pruners...`; null: trials run to their end.
            Members of a population are judged together at every evaluation, other jobs one by one as they come.
            hyperband draws each trial's bracket from the study's name and the trial's number.
        direction: maximize or minimize, one or one per objective; null: as the metric's name says.
        storage: journal, or a server's URL; null: journal.
        study_name: null: the sweep's name and a hash of what is not searched over, the objective and `seeds` among it.
        n_trials: Number of trials in all, earlier calls included.
        n_jobs: trials proposed at once by samplers that learn; the others propose all.
        max_failure_rate: Share of a batch; if more fail, the search ends with exit code 1.
        params: override path -> range, in Hydra's sweep grammar.
        search_space: the former name of `params`.
        conditions: key -> {other key: values}: searched only where the other keys have these values.
        seed: Seed of the samplers.
        stages: name -> sampler, n_trials, n_jobs, overrides, zoom, seeds, pruner.
        confirm: top, seeds, overrides: the best again on fresh seeds.
        final: seeds, overrides: the winner on the final split; it opens the test set.
        dry_run: list the stages, what is done and the expected time, and train nothing.
    """

    defaults: list[Any] = field(default_factory=lambda: [{"sampler": "tpe"}, "_self_"])
    _target_: str = "hydra_plugins.labkit.optuna_sweeper.OptunaSweeper"
    _recursive_: bool = False
    sampler: Any = MISSING
    pruner: Any = None
    direction: Any = None
    storage: str | None = None
    study_name: str | None = None
    n_trials: int = 20
    n_jobs: int | None = None
    max_failure_rate: float = 0.0
    params: dict[str, Any] | None = field(default_factory=dict)
    search_space: dict[str, Any] | None = None
    conditions: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    stages: Any = None
    confirm: Any = None
    final: Any = None
    dry_run: bool = False


_SAMPLERS = {
    "grid": "GridSampler",
    "random": "RandomSampler",
    "qmc": "QMCSampler",
    "tpe": "TPESampler",
    "gp": "GPSampler",
    "cmaes": "CmaEsSampler",
    "nsgaii": "NSGAIISampler",
}
for _name, _constructor in _SAMPLERS.items():
    # A node on the command line may name another sampler, with keys that this one does not have.
    _node = OmegaConf.create({"_target_": f"optuna.samplers.{_constructor}", "seed": None}, flags={"struct": False})
    ConfigStore.instance().store(_name, _node, "hydra/sweeper/sampler", provider="labkit")
ConfigStore.instance().store("optuna", OptunaSweeperConf, "hydra/sweeper", provider="labkit")


class OptunaSweeper(Sweeper):
    """A search, and the launcher that its trials go through."""

    schema: type = OptunaSweeperConf
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
        """Return the result of the search."""
        from labkit.multirun.optuna_sweep import sweep

        return sweep(self, arguments)
