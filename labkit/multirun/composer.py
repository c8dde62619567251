"""The jobs of a multirun: from override words to the configuration of each, composed once for all that share groups."""

from __future__ import annotations

import itertools
import math
import pickle
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from labkit.compose import explain
from labkit.config import ConfigError, plain
from labkit.multirun.override_grammar import drawn
from labkit.words import Words, hydra_words


class Composer:
    """Composes the job configurations of one multirun, whose own is `master`.

    Hydra takes 70 ms for each; a job that differs from an earlier one only in values is a copy of what Hydra composed
    for its groups, with the values set by Hydra's own rules: 4 ms.
    """

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        assert isinstance(loader, ConfigLoaderImpl)
        self._loader, self.master = loader, master
        self._hydra_words = hydra_words(master.hydra, "hydra")
        name = master.hydra.job.config_name
        _, self._repository = loader._parse_overrides_and_create_caching_repo(name, self._hydra_words)
        self._parser = OverridesParser.create()
        self._templates: dict[Words, bytes] = {}
        self._overrides: dict[str, Override] = {}

    def __call__(self, words: Sequence[str]) -> DictConfig:
        """Return the configuration of the job with these override words, as `load_sweep_config` would compose it."""
        overrides = [self._parsed(word) for word in words]
        values = [override for override in overrides if not self._names_group(override)]
        groups = tuple(str(o.input_line) for o in overrides if self._names_group(o))
        if groups not in self._templates:
            self._templates[groups] = pickle.dumps(self._loader.load_sweep_config(self.master, list(groups)))
        config: DictConfig = pickle.loads(self._templates[groups])
        ConfigLoaderImpl._apply_overrides_to_config(values, config)
        self._remember(config, overrides)
        return config

    def numbered(self, words: Sequence[str], number: int) -> DictConfig:
        """Return the configuration of job `number` of the multirun."""
        config = self(words)
        with open_dict(config):
            config.hydra.job.id = number
            config.hydra.job.num = number
        return config

    def _parsed(self, word: str) -> Override:
        if word not in self._overrides:
            (self._overrides[word],) = self._parser.parse_overrides([word])
        return self._overrides[word]

    def _names_group(self, override: Override) -> bool:
        return not isinstance(override.value(), dict) and self._repository.group_exists(override.key_or_group)

    def _remember(self, config: DictConfig, overrides: Sequence[Override]) -> None:
        """Note in a configuration the words behind it, as Hydra does."""
        own = [override for override in overrides if not override.is_hydra_override()]
        inner = [str(override.input_line) for override in overrides if override.is_hydra_override()]
        separators = config.hydra.job.config.override_dirname
        with open_dict(config.hydra):
            config.hydra.overrides.task = [override.input_line for override in own]
            config.hydra.overrides.hydra = [*self._hydra_words, *inner]
            config.hydra.job.override_dirname = get_overrides_dirname(
                overrides=own,
                kv_sep=separators.kv_sep,
                item_sep=separators.item_sep,
                exclude_keys=separators.exclude_keys,
            )


def values(overrides: Iterable[Override]) -> list[list[str]]:
    """Return the words that each override stands for, one list per key; a later one of a key replaces an earlier."""
    found: dict[str, list[str]] = {}
    for override in overrides:
        key = override.get_key_element()
        if override.is_sweep_override():
            found[key] = [f"{key}={value}" for value in drawn(override)]
        else:
            found[key] = [str(override.input_line)]
    return list(found.values())


def grid(overrides: Sequence[Override], most: int | None = None) -> list[Words]:
    """Return the product of all values, in the order of Hydra's own sweeper.

    Args:
        overrides: Words of a multirun.
        most: Largest number of jobs; None for any.

    Raises:
        ConfigError: A word is an interval, or there are too many jobs.
    """
    for override in overrides:
        if override.is_interval_sweep():
            raise ConfigError(
                f"{override.key_or_group}: an interval has no grid; give hydra.sweeper.samples=20 for as many random "
                "points, or hydra/sweeper=optuna for a search."
            )
    every = values(overrides)
    check_count(math.prod(map(len, every)), most)
    return [tuple(words) for words in itertools.product(*every)]


def check_count(jobs: int, most: int | None) -> None:
    """Raise ConfigError for more jobs than a multirun may have."""
    if most is not None and jobs > most:
        raise ConfigError(f"hydra.sweeper.max_jobs: the multirun has {jobs:,} jobs, at most {most:,} allowed.")


@contextmanager
def name_in_errors(number: int, words: Words) -> Iterator[None]:
    """Raise a ConfigError from inside the `with`, or a complaint of Hydra's, as one that names the job."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(f"job {number} ({' '.join(words)}): {explain(error)}") from None
    except ConfigError as error:
        raise ConfigError(f"job {number} ({' '.join(words)}): {error}") from None


def environment(config: DictConfig) -> dict[str, str]:
    """Return the environment variables that a job's configuration sets while it runs."""
    return {key: str(value) for key, value in plain(config.hydra.job.env_set, resolve=True).items()}


@contextmanager
def speaking_for(config: DictConfig) -> Iterator[None]:
    """Let `${hydra:...}` speak of one job's configuration inside the `with`."""
    singleton: Any = HydraConfig.instance()
    before = singleton.cfg
    singleton.cfg = config  # not set_config, which copies it all: 4 ms
    try:
        yield
    finally:
        singleton.cfg = before
