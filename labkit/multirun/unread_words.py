"""Words that nobody would read: each ends the command with the nearest that would change something."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from inspect import signature

from omegaconf import DictConfig

from labkit.config import ConfigError, nearest, plain
from labkit.multirun.configured_task import task_name
from labkit.words import hydra_words

# Roots of the keys that a task without training reads; task=lab checks its words itself, and task=info plans a run.
_READ = {
    "compare": ("task", "paths"),
    "check": ("task", "paths", "tracker", "targets"),
    "principles": ("task", "paths", "tracker", "targets"),
    "report": ("task", "paths", "lab", "part"),
    "sync": ("task", "paths"),
    "ui": ("task", "paths"),
}
_OF_MULTIRUNS = re.compile(r"hydra[./](launcher|sweeper|sweep)\b")
_OF_A_STAGE = ("sampler", "n_trials", "n_jobs", "pruner")  # keys of the sweeper that a stage may have for itself


def check_task(config: DictConfig) -> None:
    """Raise ConfigError for a word of the command line that a task does not read."""
    task = task_name(config)
    for word in hydra_words(config.hydra) if task in _READ else ():
        if _root(word) not in _READ[task]:
            valid = [key for root in _READ[task] for key in _keys(config, root)]
            raise ConfigError(f"{word}: task={task} does not read it, {nearest(_key(word), valid)}")


def check_single(config: DictConfig) -> None:
    """Raise ConfigError for a word about multiruns where there is a single run."""
    for word in hydra_words(config.hydra, "hydra"):
        if _OF_MULTIRUNS.match(word.lstrip("+~")):
            raise ConfigError(f"{word}: a single run does not read it; a multirun does, add -m.")


def check_run(words: Iterable[str], config: DictConfig) -> None:
    """Raise ConfigError for one of the words of a run that changes nothing in its configuration."""
    schedule = str(config.schedule.get("_target_")).rpartition(".")[2] if config.schedule else ""
    for word in words:
        group, _, name = _key(word).partition(".")
        if group == "profile":
            raise ConfigError(f"{word}: a run does not read it; task=lab does, for a part of a lab.")
        if (group, name) == ("optimizer", "lr") and schedule in ("cyclic", "range_test"):
            raise ConfigError(
                f"{word}: schedule={schedule} does not read it, its rates go from schedule.lr_min to schedule.lr_max; "
                "did you mean 'schedule.lr_max'?"
            )
        if group == "model" and name:
            _check_model(word, name.partition(".")[0], config)


def _check_model(word: str, name: str, config: DictConfig) -> None:
    """A key of a model is read by `layers` itself, or by an interpolation in the list of layers."""
    from labkit.models.network import Model

    model = plain(config.model) if isinstance(config.model, DictConfig) else {}
    if model.get("_target_") != "labkit.models.network.layers":
        return
    read = [key for key in model if key in signature(Model).parameters or f"${{model.{key}" in str(model)]
    if name not in read:
        raise ConfigError(
            f"{word}: this model does not read it, {nearest(f'model.{name}', [f'model.{k}' for k in read])}"
        )


def check_sweeper(config: DictConfig) -> None:
    """Raise ConfigError for a key of our sweepers that does nothing beside the others."""
    sweeper = plain(config.hydra.sweeper)
    stages = sweeper.get("stages") or {}
    rows = list(stages.values()) if isinstance(stages, Mapping) else list(stages)
    for word in hydra_words(config.hydra, "hydra"):
        key = _key(word).removeprefix("hydra.sweeper.").removeprefix("hydra/sweeper/")
        if key == "sample_seed" and sweeper.get("samples") is None:
            raise ConfigError(f"{word}: it is read with hydra.sweeper.samples only, which is null.")
        if key in _OF_A_STAGE and rows and all(isinstance(row, Mapping) and key in row for row in rows):
            name = next(iter(stages)) if isinstance(stages, Mapping) else "0"
            raise ConfigError(
                f"{word}: every stage has its own {key}; did you mean 'hydra.sweeper.stages.{name}.{key}'?"
            )


def _key(word: str) -> str:
    return word.lstrip("+~").partition("=")[0].partition("@")[0]


def _root(word: str) -> str:
    return re.split(r"[./]", _key(word))[0]


def _keys(config: DictConfig, root: str) -> Sequence[str]:
    """The keys of a group, or the root itself where it is one value."""
    node = config.get(root)
    if not isinstance(node, DictConfig):
        return [root]
    return [f"{root}.{key}" for key in map(str, node) if key != "_target_"]
