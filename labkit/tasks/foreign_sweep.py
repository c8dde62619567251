"""The parent run and the leaderboard of a multirun whose sweeper is not ours, such as hydra/sweeper=basic."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig

from labkit.compose import explain
from labkit.config import ConfigError
from labkit.tasks import multirun
from labkit.tasks.jobs import Composer, Words
from labkit.tasks.runner import sweep_variables


def begin(config: DictConfig) -> Any:
    """Check the jobs where they are known beforehand, and open the parent run; None where there is none to open."""
    sweeper = str(config.hydra.sweeper.get("_target_", ""))
    if sweeper.startswith("hydra_plugins.labkit.") or multirun.task_name(config) != "train":
        return None
    from hydra.core.global_hydra import GlobalHydra

    from labkit.tasks import provenance, session

    session.start_writer(config)
    jobs = _jobs(config) if sweeper.endswith("BasicSweeper") else []
    checked = multirun.check(Composer(GlobalHydra.instance().config_loader(), config), jobs)
    tracker = multirun.store(config)
    if tracker is None:
        return None
    study = f"{config.name or 'multirun'} {provenance.process()}"  # it knows nothing of earlier calls
    parent = multirun.open_parent(config, tracker, study, len(checked))
    multirun.hand_down(config, **sweep_variables(study, parent))
    return parent


def end(config: DictConfig, parent: Any) -> None:
    """Print and keep the leaderboard of the parent's children, and end it."""
    from labkit.tasks import board
    from labkit.tasks.pages import board_page

    tracker = multirun.store(config)
    rows = tracker.find(f"tags.`mlflow.parentRunId` = '{parent.id}'")
    ranked = board.ranking(config, rows, None)
    study = f"multirun-{parent.id[:8]}"
    board.close(parent, ranked, board_page(config, study, ranked, rows, tracker), board.page_place(config, study))


def _jobs(config: DictConfig) -> list[Words]:
    """The override words of every job, as Hydra's basic sweeper splits them."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    words = [f"{key}={value}" for key, value in multirun.sweep_params(config).items()]
    try:
        overrides = OverridesParser.create().parse_overrides([*words, *config.hydra.overrides.task])
        return [tuple(job) for job in BasicSweeper.split_arguments(overrides, None)[0]]
    except HydraException as error:
        raise ConfigError(explain(error)) from None
