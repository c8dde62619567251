"""The commands that labkit prints: what repeats a run or a multirun, and what opens the store.

Each runs as it stands in a POSIX shell, in the folder that it was printed in. A password is never printed.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig

from labkit.config import Plain
from labkit.tracking import session
from labkit.tracking.store import is_http, shown
from labkit.words import hydra_words, word

# The environment variables that decide where runs go, and which files are read.
VARIABLES = STORE, DATA = "MLFLOW_TRACKING_URI", "LABKIT_DATA"
_HANDED_DOWN = tuple(f"+hydra.job.env_set.{name}=" for name in (session.PARENT_RUN, session.STUDY))


def written(words: Sequence[str], variables: Iterable[str] = ()) -> str:
    """Return `labkit WORDS` as a shell takes it, behind those of the environment variables that are set."""
    told = {name: os.environ[name] for name in variables if os.environ.get(name)}
    assigned = [f"{name}={shlex.quote(value)}" for name, value in told.items() if value == shown(value)]
    return " ".join([*assigned, shlex.join(["labkit", *map(shown, words)])])


def single(overrides: Sequence[str], config: DictConfig | Plain) -> str:
    """Return the command that repeats one run, or one task; a job of a multirun becomes a run of its own.

    Args:
        overrides: Words that the run was composed from; those of Hydra's own are left to the configuration.
        config: Configuration of the run; where it lacks Hydra's node, Hydra's memory of the running job counts.
    """
    words = [one for one in overrides if not one.lstrip("+~").startswith(("hydra.", "hydra/"))]
    if (hydra := _hydra(config)) is not None:
        given = hydra_words(hydra, "hydra")
        words = [*_places(hydra), *(one for one in given if one.startswith("hydra.searchpath=")), *words]
        words += ["hydra.mode=RUN"] if _would_sweep(hydra, given, words) else []
    reads_files = "data" not in config or "root" in config["data"]
    return written(words, VARIABLES if reads_files else (STORE,))


def multirun(config: DictConfig) -> str:
    """Return the command that repeats a multirun, with its sweeper and launcher, without what labkit told its jobs.

    Args:
        config: Configuration of the multirun, with Hydra's node.
    """
    hydra = config.hydra
    # `labkit.multirun.launchers.prepare` tells all jobs the sweep's folder, behind what the user said of it.
    folder = word("hydra.sweep.dir", str(Path(str(hydra.sweep.dir)).absolute()))
    inner = ("hydra.mode=", *_HANDED_DOWN)
    own = [one for one in hydra_words(hydra, "hydra") if not one.startswith(inner) and one != folder]
    return written(["-m", *_places(hydra), *own, *hydra.overrides.task], VARIABLES)


def resume(run_id: str) -> str:
    """Return the command that goes on with a run that broke off."""
    return written([f"resume={run_id}"])


def pages(uri: str, root: Path) -> str:
    """Return what opens the store's pages: `labkit ui`, or the address of a server that has pages of its own."""
    if is_http(uri):
        return shown(uri)
    elsewhere = Path(root).absolute() != Path.cwd()
    return written(["ui", *([word("paths.root", str(Path(root).absolute()))] if elsewhere else [])], (STORE,))


def _hydra(config: DictConfig | Plain) -> DictConfig | None:
    from hydra.core.hydra_config import HydraConfig

    known = config if "hydra" in config else HydraConfig.instance().cfg
    found = known["hydra"] if isinstance(known, Mapping | DictConfig) else None
    return found if isinstance(found, DictConfig) else None


def _places(hydra: DictConfig) -> list[str]:
    """`-cd` with the user's folder of configs and `-cn`, where the command line named them."""
    folders = [source.path for source in hydra.runtime.config_sources if source.provider == "command-line"]
    name = str(hydra.job.config_name)
    return [*(one for folder in folders for one in ("-cd", folder)), *(["-cn", name] if name != "config" else [])]


def _would_sweep(hydra: DictConfig, given: Sequence[str], words: Sequence[str]) -> bool:
    """Return whether the words alone start a multirun: Hydra adds `hydra.mode` only where the files do not say it."""
    if not str(hydra.mode).endswith("MULTIRUN"):
        return "hydra.mode=RUN" in given and "hydra.mode=RUN" in sys.argv
    return "hydra.mode=MULTIRUN" not in given or any(one.startswith("sweeps=") for one in words)
