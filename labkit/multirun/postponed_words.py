"""Words whose key only some options of a group have: Hydra composes a multirun once with the default option of every
group, where it would refuse them; so they are kept from it, and judged against each job."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override
from hydra.errors import HydraException
from omegaconf import DictConfig

from labkit.compose import CONF
from labkit.words import hydra_words, quoted

_TAG = "later"


def postpone(words: Sequence[str], folder: str | None = None, multirun: bool = False) -> list[str] | None:
    """The words with those postponed that only the jobs of their multirun can judge; None where there are none.

    Args:
        words: override words.
        folder: Folder of the user's own configs, `--config-dir`.
        multirun: True where the command line says so, `-m`; else the config files decide.
    """
    found = list(words)
    loader = _loader(folder)
    while True:
        try:
            master = _composed(loader, found)
        except HydraException as error:
            missing = re.search(r"Could not override '([^']+)'", str(error))
            key = missing[1] if missing else ""
            later = [_postpone(word) if word.startswith(f"{key}=") else word for word in found]
            if later == found or key.startswith("hydra."):
                return None
            found = later
        else:
            asked = multirun or str(master.hydra.mode).endswith("MULTIRUN")
            return found if asked and found != list(words) else None


def restore(config: DictConfig) -> None:
    """Write the postponed words of a multirun as they were given, for the sweeper that hands them to its jobs."""
    words = hydra_words(config.hydra)
    if any(f"=tag({_TAG}," in word for word in words):
        config.hydra.overrides.task = [_given(one) for one in OverridesParser.create().parse_overrides(words)]


def _postpone(word: str) -> str:
    """A choice of one, which Hydra takes for the sweeper's business."""
    key, _, value = word.partition("=")
    return word if value.startswith(f"tag({_TAG},") else f"{key}=tag({_TAG},choice({quoted(value)}))"


def _given(override: Override) -> str:
    value = override.value()
    if isinstance(value, ChoiceSweep) and _TAG in value.tags:
        return f"{override.get_key_element()}={getattr(value.list[0], 'text', value.list[0])}"
    return str(override.input_line)


def _loader(folder: str | None) -> ConfigLoader:
    """Hydra's loader of configs, which looks into the user's folder first."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra._internal.utils import create_config_search_path
    from hydra.core.config_search_path import SearchPathQuery

    path = create_config_search_path(str(CONF))
    if folder is not None:
        path.prepend("command-line", f"file://{folder}", SearchPathQuery(provider="schema"))
    return ConfigLoaderImpl(path)


def _composed(loader: ConfigLoader, words: list[str]) -> DictConfig:
    from hydra.types import RunMode

    master: DictConfig = loader.load_configuration("config", words, RunMode.MULTIRUN, validate_sweep_overrides=False)
    return master
