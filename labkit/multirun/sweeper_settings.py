"""The settings of a sweeper: the sweep file's `params`, the command line's words, and the keys of `hydra.sweeper`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from labkit.config import ConfigError, nearest, plain, shown
from labkit.multirun.configured_task import ConfiguredSweeper
from labkit.multirun.override_grammar import parse_words
from labkit.words import quoted


def sweep_params(config: DictConfig) -> dict[str, str]:
    """Return what a sweep file gives the sweeper: override path -> values, as the command line would have them.

    A list is a choice between its elements, a text is what one would type, and anything else is one value.
    """
    sweeper = config.hydra.sweeper
    given = (sweeper.get(key) for key in ("search_space", "params"))
    return {key: _typed(key, value) for node in given if node for key, value in plain(node).items()}


def _typed(key: str, value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    if value == []:
        raise ConfigError(f"hydra.sweeper.params: {key}: an empty list leaves no job.")
    return ",".join(quoted(inner) for inner in value) if isinstance(value, list) else quoted(value)


def sweep_overrides(config: DictConfig, arguments: Sequence[str], loader: ConfigLoader | None) -> list[Override]:
    """Return what a sweep is made of: the file's `params`, then the command's words; raises ConfigError."""
    return parse_words([*(f"{key}={value}" for key, value in sweep_params(config).items()), *arguments], loader)


Settings = Mapping[str, Any]  # keys of `hydra.sweeper`, of whatever type each has


def read_settings(sweeper: ConfiguredSweeper) -> Settings:
    """Return the keys of one of our sweepers as plain values, with the defaults of those that a file leaves out.

    Raises ConfigError for a key that it does not read.
    """
    schema = plain(OmegaConf.structured(sweeper.schema))
    known = {key: value for key, value in schema.items() if not key.startswith("_")}
    for chosen in known.pop("defaults", ()):
        known |= chosen if isinstance(chosen, Mapping) else {}
    given = {k: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for k, v in sweeper.settings.items()}
    for key in given:
        if key not in known:
            raise ConfigError(f"hydra.sweeper.{key}: it does not read this key, {nearest(key, known)}")
    return {**known, **given}


def check_batch(size: object) -> None:
    """Raise ConfigError unless so many jobs can be handed to a launcher at once; null: all."""
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
        raise ConfigError(f"hydra.sweeper.max_batch_size: expected null or at least 1, got {shown(size)}.")


def check_settings(config: DictConfig) -> None:
    """Raise ConfigError for `seeds` or keys of our launcher that are wrong, before anything is written."""
    from labkit.config import checked
    from labkit.multirun.grouping import Limits
    from labkit.multirun.launchers import is_population
    from labkit.multirun.unread_words import check_sweeper
    from labkit.runs.plan import check_seeds

    check_seeds(config.seeds)
    check_sweeper(config)
    if is_population(config):
        limits = plain(config.hydra.launcher, resolve=True)
        checked("hydra.launcher", Limits, {key: value for key, value in limits.items() if key != "_target_"})
