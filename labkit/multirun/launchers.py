"""Launchers from elsewhere: their settings, how many jobs they start at once, and their worker processes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf, open_dict

from labkit.config import plain
from labkit.words import hydra_words, word

if TYPE_CHECKING:
    from labkit.runs.prepared_data import PreparedData

_JOBLIB, _RAY = "hydra_plugins.hydra_joblib_launcher.", "hydra_plugins.hydra_ray_launcher.ray_launcher."
_POPULATION = "hydra_plugins.labkit.population_launcher."
_SUBMITIT_LOCAL = "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher"
_TOLD = ("MLFLOW_", "LABKIT_", "PG", "HYDRA_FULL_ERROR")  # how the names of variables begin that jobs elsewhere need
_KEEPS_CHILDREN = {"RAY_kill_child_processes_on_worker_exit": "false"}  # else Ray kills the writer with its trainer


def prepare(config: DictConfig) -> None:
    """Give a multirun's launcher the settings that labkit's jobs need; what the user set stays.

    All jobs are told the sweep's folder: its name has the time and the process, which a worker would fill in anew.
    """
    with open_dict(config):
        folder = Path(str(config.hydra.sweep.dir)).absolute()
        config.hydra.overrides.hydra = [*hydra_words(config.hydra, "hydra"), word("hydra.sweep.dir", str(folder))]
        if _is(config.hydra.launcher, _RAY):
            _prepare_ray(config.hydra.launcher.ray)


def _prepare_ray(settings: DictConfig) -> None:
    """No web page (it starts seconds sooner), no repetition of a job that crashed, quiet, our environment for workers.

    A cluster that runs already refuses the size of an object store, which the plugin would give.
    """
    joins = settings.init.get("address") is not None
    here = {"object_store_memory": None} if joins else {"include_dashboard": False}
    told = {name: f"${{oc.env:{name}}}" for name in sorted(os.environ) if name.startswith(_TOLD)}
    init: dict[str, object] = {"log_to_driver": False, "logging_level": "warning", **here}
    init["runtime_env"] = {"env_vars": {**told, **_KEEPS_CHILDREN}}
    for key, wished in {"init": init, "remote": {"num_cpus": 1, "max_retries": 0}}.items():
        settings[key] = OmegaConf.merge(wished, plain(settings[key]))


def is_population(config: DictConfig) -> bool:
    """Return whether a multirun's launcher is our own."""
    return _is(config.hydra.launcher, _POPULATION)


def at_once(config: DictConfig) -> int | None:
    """Return how many jobs may be handed to the launcher at once; None: all, it has a limit of its own.

    Submitit's local executor starts a process for every job of a batch.
    """
    if not _is(config.hydra.launcher, _SUBMITIT_LOCAL):
        return None
    from labkit.engine.trainer import cores  # brings torch

    return cores()


def variables(config: DictConfig) -> dict[str, str]:
    """Return the environment variables of every job: the cores it has to itself, where its launcher does not say."""
    return {"LABKIT_CORES": "1"} if _is(config.hydra.launcher, _SUBMITIT_LOCAL) else {}


def begin_worker() -> None:
    """In a process of a launcher's, before its job: joblib's workers end with the command that started them.

    Ray ends its own; what submitit started is meant to outlive the command.
    """
    from hydra.core.hydra_config import HydraConfig

    if _is(HydraConfig.get().launcher, _JOBLIB):
        end_with_parent()


def worker_data() -> PreparedData:
    """Return the prepared data of a launcher's worker, which may serve several jobs of one multirun, and several."""
    from hydra.core.hydra_config import HydraConfig

    return _data_of(str(HydraConfig.get().sweep.dir))


@lru_cache(maxsize=1)
def _data_of(folder: str) -> PreparedData:
    """A sweep's folder is its own: the next multirun reads the files again."""
    from labkit.runs.prepared_data import PreparedData

    return PreparedData()


@cache
def end_with_parent() -> None:
    """Start, once per process, a thread that ends it within a second of its parent's end."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _is(launcher: Mapping[str, object], target: str) -> bool:
    return str(launcher.get("_target_", "")).startswith(target)
