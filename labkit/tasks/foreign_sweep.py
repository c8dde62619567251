"""The parent run and the leaderboard of a multirun whose sweeper is not ours, such as hydra/sweeper=basic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict

from labkit.config import ConfigError
from labkit.tasks import multirun
from labkit.tasks.grammar import drawn
from labkit.tasks.jobs import Composer, Words, grid
from labkit.tasks.runner import sweep_variables


def begin(config: DictConfig) -> Any:
    """Check the jobs where they are known beforehand, and open the parent run; None where there is none to open."""
    sweeper = str(config.hydra.sweeper.get("_target_", ""))
    if sweeper.startswith("hydra_plugins.labkit."):
        return None
    from hydra.core.global_hydra import GlobalHydra

    loader = GlobalHydra.instance().config_loader()
    words: Any = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    known = multirun.overrides(config, words, loader) if sweeper.endswith("BasicSweeper") else []
    parent = _open(config, Composer(loader, config), grid(known) if known else [])
    if known:
        spell_out(config, known)
    return parent


def _open(config: DictConfig, composer: Composer, jobs: list[Words]) -> Any:
    if multirun.task_name(config) != "train":
        return None
    from labkit.tasks import provenance, session

    session.start_writer(config)
    if config.seeds is not None:
        raise ConfigError(f"seeds: {config.seeds}: it needs hydra/sweeper=grid or optuna; here, seed=0,1,2.")
    checked = multirun.check(composer, jobs)
    for words in multirun.distinct(checked)[1]:
        raise ConfigError(f"{' '.join(words)}: this job is given twice; hydra/sweeper=grid would train it once.")
    tracker = multirun.store(config)
    if tracker is None:
        return None
    study = f"{config.name or 'multirun'} {provenance.process()}"  # it knows nothing of earlier calls
    parent = multirun.open_parent(config, tracker, study, len(checked))
    multirun.hand_down(config, **sweep_variables(study, parent))
    return parent


def spell_out(config: DictConfig, overrides: Sequence[Override]) -> None:
    """Give Hydra's sweeper the values one by one: it reads lists of `params` and counts ranges in its own way."""
    with open_dict(config):
        config.hydra.sweeper.params = {}
        config.hydra.overrides.task = [
            f"{one.get_key_element()}={','.join(drawn(one))}" if one.is_sweep_override() else one.input_line
            for one in overrides
        ]


def end(config: DictConfig, parent: Any) -> None:
    """Print and keep the leaderboard of the parent's children, and end it."""
    from labkit.tasks import board
    from labkit.tasks.pages import board_page

    tracker = multirun.store(config)
    rows = tracker.find(f"tags.`mlflow.parentRunId` = '{parent.id}'")
    ranked = board.ranking(config, rows, None)
    study = f"multirun-{parent.id[:8]}"
    board.close(parent, ranked, board_page(config, study, ranked, rows, tracker), board.page_place(config, study))
