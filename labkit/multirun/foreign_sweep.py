"""The parent run and the leaderboard of a multirun whose sweeper is not ours, such as hydra/sweeper=basic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra.core.override_parser.types import Override
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from omegaconf import DictConfig, open_dict

from labkit.config import ConfigError, nearest
from labkit.multirun import parent_run
from labkit.multirun.composer import Composer, grid
from labkit.multirun.configured_task import trains
from labkit.multirun.override_grammar import drawn
from labkit.multirun.sweeper_settings import check_batch, sweep_overrides
from labkit.tracking.tracker import Run
from labkit.words import Words, hydra_words

if TYPE_CHECKING:
    from labkit.runs.plan import Plan

_ELSEWHERE = "hydra_plugins.hydra_optuna_sweeper."


def check_plugins(config: DictConfig) -> None:
    """Raise ConfigError for a sweeper or launcher whose `_target_` Hydra would not find."""
    from hydra.core.plugins import Plugins

    known = Plugins.instance().class_name_to_class
    for kind, base in (("sweeper", Sweeper), ("launcher", Launcher)):
        target = str(config.hydra[kind].get("_target_"))
        if target in known:
            continue
        where = f"hydra.{kind}._target_: {target!r} is not installed"
        if target.startswith(_ELSEWHERE):
            ours = "'override /hydra/sweeper: optuna' in the defaults"
            raise ConfigError(f"{where}; leave _target_ out and write {ours}.")
        valid = [name for name, found in known.items() if issubclass(found, base)]
        raise ConfigError(f"{where}, {nearest(target, valid)}")


def begin(config: DictConfig) -> tuple[Run | None, list[Plan]]:
    """Check the jobs where they are known beforehand, and open the parent run.

    Returns:
        The parent run, None where there is none to open, and the plans of the jobs, as far as they are known.

    Raises:
        ConfigError: A job, or a key of the sweeper, is wrong.
    """
    sweeper = str(config.hydra.sweeper.get("_target_", ""))
    if sweeper.startswith("hydra_plugins.labkit."):
        return None, []
    from hydra.core.global_hydra import GlobalHydra

    loader = GlobalHydra.instance().config_loader()
    words = hydra_words(config.hydra)
    check_batch(config.hydra.sweeper.get("max_batch_size"))
    known = sweep_overrides(config, words, loader) if sweeper.endswith("BasicSweeper") else []
    opened = _open(config, Composer(loader, config), grid(known) if known else [])
    if known:
        spell_out(config, known)
    return opened


def _open(config: DictConfig, composer: Composer, jobs: list[Words]) -> tuple[Run | None, list[Plan]]:
    if not trains(config):
        return None, []
    from labkit.runs import provenance

    if config.seeds is not None:
        raise ConfigError(f"seeds: {config.seeds}: it needs hydra/sweeper=grid or optuna; here, seed=0,1,2.")
    from labkit.multirun.planned_jobs import plan_jobs, split_repeats
    from labkit.runs.prepared_data import PreparedData

    plans = plan_jobs(composer, jobs, PreparedData())
    for words in split_repeats(plans)[1]:
        raise ConfigError(f"{' '.join(words)}: this job is given twice; hydra/sweeper=grid would train it once.")
    tracker = parent_run.multirun_tracker(config)
    if tracker is None:
        return None, plans
    study = f"{config.name or 'multirun'} {provenance.process()}"  # it knows nothing of earlier calls
    parent = parent_run.open_parent(config, tracker, study, len(plans))
    parent_run.tell_jobs(config, **parent_run.sweep_variables(study, parent))
    return parent, plans


def spell_out(config: DictConfig, overrides: Sequence[Override]) -> None:
    """Give Hydra's sweeper the values one by one: it reads lists of `params` and counts ranges in its own way."""
    with open_dict(config):
        config.hydra.sweeper.params = {}
        config.hydra.overrides.task = [
            f"{one.get_key_element()}={','.join(drawn(one))}" if one.is_sweep_override() else one.input_line
            for one in overrides
        ]


def end(config: DictConfig, parent: Run) -> None:
    """Print and keep the leaderboard of the parent's children, and end it."""
    from labkit.multirun import sweep_outcome
    from labkit.multirun.pages import board_page

    tracker = parent_run.multirun_tracker(config)
    assert tracker is not None  # it has a parent run
    rows = tracker.children(parent.id)
    ranked = sweep_outcome.ranking(config, rows, None)
    study = f"multirun-{parent.id[:8]}"
    sweep_outcome.close(
        parent, ranked, board_page(config, study, ranked, rows, tracker), sweep_outcome.page_place(config, study)
    )
