"""From command-line words to a composed configuration, and Hydra's complaints as one sentence."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

_PACKAGE = Path(__file__).resolve().parent
# In a checkout conf/ stands beside the package, in a wheel inside it.
CONF = next(folder for folder in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if folder.is_dir())


def register_resolvers() -> None:
    """The three facts of a process that conf/ interpolates."""
    OmegaConf.register_new_resolver("process", lambda: str(os.getpid()), replace=True)
    OmegaConf.register_new_resolver("folder", lambda: os.getcwd(), replace=True)
    OmegaConf.register_new_resolver("cache", lambda: str(_cache()), replace=True)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "labkit"


def compose(overrides: Sequence[str]) -> DictConfig:
    """The configuration of one run from override words; raises ConfigError."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    register_resolvers()
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(CONF), version_base="1.3", job_name="labkit"):
            return hydra_compose("config", overrides=list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        from labkit.config import ConfigError

        raise ConfigError(explain(error)) from None


def explain(error: Exception) -> str:
    """One sentence for what Hydra or OmegaConf found wrong, with the nearest valid name."""
    from labkit.config import nearest

    text = str(error)
    cause = str(error.__cause__ or "")
    if found := re.search(r"Could not find '([^']+)/([^'/]+)'\n\nAvailable options in '([^']+)':\n(.*)", text, re.S):
        group, option, _, options = found.groups()
        return f"{group}: there is no option {option!r}, {nearest(option, options.split())}"
    if found := re.search(r"In '[^']*': Could not find '([^']+)'", text):
        wanted = found.group(1)
        files = _options(wanted.split("/")[0])
        return f"there is no config {wanted!r}, {nearest(wanted, files)}"
    if found := re.search(r"Could not override '([^']+)'", text):
        key = found.group(1).lstrip("+~")
        return f"unknown key {key!r}, {nearest(key, _keys())}"
    if found := re.search(r"Multiple values for ([^.]+)\.", text):
        return f"{found.group(1)}: given more than once, expected one value (a multirun needs -m)."
    if found := re.search(r"Ambiguous value for argument '([^']+)'", text):
        return f"{found.group(1)}: several values need a multirun: add -m, or quote a list as 'key=[1,2]'."
    first = " ".join((text + " " + cause).split())
    return f"the command line or a config file cannot be read: {first}."


def _options(group: str) -> list[str]:
    """Every option of a group, with its folders: `kth/ex3`."""
    folder = CONF / group
    return [f"{group}/{path.relative_to(folder).with_suffix('')}" for path in folder.rglob("*.yaml")]


def _keys() -> list[str]:
    """Every key path of the default configuration, and of every option of every group."""
    keys: set[str] = {"experiment", "sweeps"}
    for path in [CONF / "config.yaml", *CONF.glob("*/*.yaml")]:
        group = "" if path.parent == CONF else path.parent.name
        if group in ("experiment", "sweeps", "hydra"):
            continue
        content: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
        if group:
            keys.add(group)
        keys |= {f"{group}.{key}" if group else str(key) for key in content if key not in ("defaults", "hydra")}
    return sorted(keys)
