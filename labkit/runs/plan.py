"""A composed configuration, checked and built: everything a run needs, before anything is written."""

from __future__ import annotations

import copy
import inspect
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from labkit.compose import explain, keys_of
from labkit.config import ConfigError, Plain, build, nearest, shown
from labkit.engine.recipe import Augmentation, Recipe, l2_per_weight, layers_moved
from labkit.engine.trainer import Trainer
from labkit.limits import MOST_SEEDS
from labkit.models.entries import Sizing
from labkit.models.network import Model
from labkit.own_code import Versions
from labkit.preprocess.plane import plane
from labkit.preprocess.prepare import Parts, Preprocess
from labkit.report.published import PublishedCurves, published_curves
from labkit.runs.commands import single
from labkit.runs.executions import decided
from labkit.runs.identity import code_versions, config_hash, settings_hash, shape
from labkit.runs.prepared_data import DataFacts, Prepared, PreparedData
from labkit.shipped import groups
from labkit.tracking.settings import Paths, Tracking
from labkit.words import Words

_GROUPS = groups()
METRICS = (
    *(f"{part}/{kind}" for part in ("val", "train") for kind in ("accuracy", "loss", "cost", "precision", "recall")),
    "time/seconds",
)  # what a search may look at; the test set is not among them
_SCALARS = ("name", "lab", "part", "profile", "seed", "seeds", "purpose", "objective", "targets")


@dataclass(frozen=True)
class Plan:
    """One run, ready to start.

    Attributes:
        config: Resolved configuration, plain.
        words: Override words that made it.
        command: Command line that repeats the run, with what `fast` came to.
        recipe: Recipe that the engine trains.
        prepared: Source of the prepared data, which may have to read it again.
        data: Facts about the data.
        data_key: Key of the prepared data, equal for runs that train on the same.
        tracking: Settings of what is recorded.
        paths: Folders of results and of data.
        config_hash: Hash, equal for runs that must give equal results.
        seed_group: Hash, equal for runs that differ in their seed at most.
        shape: Hash, equal for runs that cost the same: they differ in member-wise numbers at most.
        objectives: Names of the metrics that a search is told.
        choices: Option chosen in each config group.
        published: Curves drawn beside the run's own.
        code: Versions of the user's own code behind `targets`, by file; empty where labkit's parts alone are used.
        settings_hash: Hash, equal for runs that differ in that code at most; empty without such code.
        curves: File and version of the curves that are drawn even in one of many runs; empty where none are.
    """

    config: Plain
    words: Words
    command: str
    recipe: Recipe
    prepared: Callable[[], Prepared]
    data: DataFacts
    data_key: str
    tracking: Tracking
    paths: Paths
    config_hash: str
    seed_group: str
    shape: str
    objectives: tuple[str, ...]
    choices: Mapping[str, str]
    published: PublishedCurves | None
    code: Versions
    settings_hash: str
    curves: str

    @property
    def name(self) -> str:
        """The run's name: the key `name`, else data and model."""
        return self.config["name"] or f"{self.data.name}-{self.choices.get('model', 'model')}"

    @property
    def measured(self) -> str:
        """The samples that `train/*` is measured on, where they are not the whole training part; empty otherwise."""
        count = self.recipe.trainer.eval_train
        if isinstance(count, bool) or count >= (available := len(self.parts.train)):
            return ""
        return f"{count:,} of {available:,} training samples, the same in every run"

    @property
    def parts(self) -> Parts:
        """The data, prepared; read again where a run on other data was prepared meanwhile.

        Raises:
            ConfigError: Its files changed since the run was planned.
        """
        found = self.prepared()
        if found.facts != self.data:
            raise ConfigError(f"data: {self.data.name} changed while the command was running; run it again.")
        return found.parts


def resolved(config: DictConfig | Plain) -> Plain:
    """Return the configuration with every interpolation resolved, as plain values; raise ConfigError."""
    try:
        node = config if isinstance(config, DictConfig) else OmegaConf.create(dict(config))
        plain = {str(key): _plain(node, str(key)) for key in node if key != "hydra"}
    except OmegaConfBaseException as error:
        raise ConfigError(explain(error)) from None
    _check_scalars(plain)
    model: Any = OmegaConf.to_container(node.model, resolve=False)
    _check_names(model)
    return plain


def _plain(node: DictConfig, key: str) -> object:
    value = node[key]
    if not OmegaConf.is_config(value):
        return value
    return OmegaConf.to_container(value, resolve=True, throw_on_missing=True)


def plan(
    config: DictConfig | Plain,
    words: Sequence[str] = (),
    plain: Plain | None = None,
    prepared: PreparedData | None = None,
) -> Plan:
    """Check and build everything a run needs; raises ConfigError, writes nothing but what `fast` was measured to be.

    Args:
        config: Composed configuration.
        words: Override words that made it.
        plain: The same configuration resolved, where that is known.
        prepared: Prepared data of the command, where it plans several runs.
    """
    plain = resolved(config) if plain is None else plain
    targets = plain["targets"]
    parts_of = {group: build(group, plain[group], targets) for group in _GROUPS if group != "data"}
    trainer: Trainer = parts_of["trainer"]
    prepare = partial(PreparedData() if prepared is None else prepared, plain, parts_of["preprocess"], trainer)
    key, facts, parts = prepare()
    network = parts_of["model"].build(parts.shape, Sizing(parts.n_classes, facts.tokens))
    _check_validation(plain, trainer, parts)
    _check_animation(parts_of["tracker"], parts, facts)
    strengths: Preprocess = parts_of["preprocess"]
    recipe = Recipe(
        network=network,
        initialiser=parts_of["init"],
        rule=parts_of["optimizer"],
        schedule=parts_of["schedule"],
        strategy=parts_of["strategy"],
        trainer=trainer,
        seed=plain["seed"],
        l2=l2_per_weight(parts_of["loss"].l2, network),
        augmentation=Augmentation(strengths.mirror, strengths.shift, strengths.noise),
        open_test=plain["purpose"] == "comparison" and parts_of["schedule"].kind != "range_test",
        loss_clip=parts_of["loss"].clip,
    )
    length = trainer.length(len(parts.train.features), recipe.schedule)
    trainer.evaluations(length, recipe.schedule)
    trainer.snapshots(length, recipe.schedule)
    layers_moved(recipe, length)
    paths = Paths(writable(Path(parts_of["paths"].root).absolute()), parts_of["paths"].data)
    recipe = decided(recipe, parts, parts_of["tracker"], paths.root)
    exact, precision = words, recipe.trainer.precision
    if precision != trainer.precision:  # `fast` came to one of the others
        exact = [*(w for w in words if not w.startswith("trainer.precision=")), f"trainer.precision={precision}"]
    plain = _as_decided(config, plain, trainer, recipe.trainer)
    return Plan(
        config=plain,
        words=tuple(words),
        command=single(exact, config),
        recipe=recipe,
        prepared=prepare,
        data=facts,
        data_key=key,
        tracking=parts_of["tracker"],
        paths=paths,
        config_hash=config_hash(plain, facts.content),
        seed_group=config_hash({**plain, "seed": None}, facts.content),
        shape=shape(plain, facts.content),
        objectives=objectives(plain["objective"]),
        choices=choices(config),
        published=published_curves(parts_of["tracker"].published),
        code=code_versions(plain),
        settings_hash=settings_hash(plain, facts.sha256),
        curves=_curves(parts_of["tracker"]),
    )


def _as_decided(config: DictConfig | Plain, plain: Plain, asked: Trainer, trainer: Trainer) -> Plain:
    """Return the resolved configuration with what came of `fast` and of a run's id, also where it is interpolated."""
    came = {key: getattr(trainer, key) for key in ("precision", "execution")}
    came = {key: value for key, value in came.items() if value != getattr(asked, key)}
    if not came:
        return plain
    if isinstance(config, DictConfig):
        config = copy.deepcopy(config)
        with open_dict(config):
            config.trainer.update(came)
        return resolved(config)
    return {**plain, "trainer": {**plain["trainer"], **came}}


def _curves(tracking: Tracking) -> str:
    curves = published_curves(tracking.published)
    if curves is None or tracking.figures is not True or not tracking.enabled:
        return ""
    return f"{tracking.published}={curves.version}"


def choices(config: DictConfig | Plain) -> dict[str, str]:
    """Return the option chosen in each config group, from the composed configuration or from Hydra's memory of it."""
    from hydra.core.hydra_config import HydraConfig

    if "hydra" in config:
        made = config["hydra"].runtime.choices
    elif HydraConfig.initialized():
        made = HydraConfig.get().runtime.choices
    else:
        return {}
    return {str(group): str(option) for group, option in made.items() if option is not None}


def objectives(value: str | Sequence[str]) -> tuple[str, ...]:
    """Return the key `objective`, one metric or several, as several."""
    return (value,) if isinstance(value, str) else tuple(value)


def writable(root: Path) -> Path:
    """Return `root`, where a folder is or can be made; raise ConfigError."""
    inside = root / "mlruns" / "hydra"
    there = next(folder for folder in (inside, *inside.parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        found = "no permission to write" if there.is_dir() else "a file"
        raise ConfigError(f"paths.root: expected a folder one can write to, found {found} at {there}.")
    return root


def _check_scalars(plain: Plain) -> None:
    valid = (*_GROUPS, *_SCALARS, "experiment", "sweeps")
    for key in plain:
        if key not in valid:
            raise ConfigError(f"unknown key {key!r}, {nearest(key, valid)}")
    for key in ("experiment", "sweeps"):
        if key in plain:
            raise ConfigError(f"{key}: the file's keys do nothing here, its first line must be '# @package _global_'.")
    for group in _GROUPS:
        if not isinstance(plain.get(group), Mapping):
            raise ConfigError(f"{group}: expected a group of keys with a _target_, got {shown(plain.get(group))}.")
    for key in _SCALARS:
        if key not in plain:
            raise ConfigError(f"{key}: a value is needed and none was given.")
    seed, purpose = plain["seed"], plain["purpose"]
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ConfigError(f"seed: expected an integer of at least 0, got {shown(seed)}.")
    if purpose not in ("comparison", "search"):
        raise ConfigError(f"purpose: expected 'comparison' or 'search', got {shown(purpose)}.")
    for key in ("name", "lab", "part"):
        if (not isinstance(plain[key], str) and (plain[key] is not None or key == "lab")) or plain[key] == "":
            raise ConfigError(f"{key}: expected a text, got {shown(plain[key])}.")
    _check_objective(plain["objective"])
    check_seeds(plain["seeds"])
    targets = plain["targets"]
    if not isinstance(targets, list) or not all(isinstance(target, str) for target in targets):
        raise ConfigError(f"targets: expected a list such as '[my_module.my_network]', got {shown(targets)}.")
    for target in targets:
        if "." not in target or not all(map(str.isidentifier, target.split("."))):
            raise ConfigError(f"targets: expected names such as my_module.my_network, got {shown(target)}.")


def check_seeds(seeds: object) -> None:
    """Raise ConfigError unless `seeds` is null or says how many."""
    if seeds is not None and (isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1):
        raise ConfigError(f"seeds: expected how many seeds, a whole number of at least 1, got {shown(seeds)}.")
    if seeds is not None and seeds > MOST_SEEDS:
        raise ConfigError(f"seeds: expected at most {MOST_SEEDS:,}, got {seeds:,}.")


def _check_objective(value: object) -> None:
    names = value if isinstance(value, list) else [value]
    for name in names or [None]:
        if name not in METRICS:
            raise ConfigError(f"objective: {shown(name)} is no metric, {nearest(str(name), METRICS)}")


def _check_names(model: Plain) -> None:
    """A layer list may interpolate keys of any name; one that nothing interpolates and no option has is a mistake."""
    own = {"_target_", *inspect.signature(Model).parameters}
    unread = [key for key in model if key not in own and not re.search(rf"\$\{{model\.{key}\b", str(model))]
    if model.get("_target_") != "labkit.models.network.layers" or not unread:
        return
    known = keys_of("model")
    for key in unread:
        if key not in known:
            raise ConfigError(f"model: unknown key {key!r}, {nearest(key, known)}")


def _check_validation(plain: Plain, trainer: Trainer, parts: Parts) -> None:
    """Raise ConfigError where something watches a validation part that has no samples."""
    if len(parts.validation):
        return
    for key, wanted in (("trainer.patience", trainer.patience), ("purpose=search", plain["purpose"] == "search")):
        if wanted:
            raise ConfigError(f"{key}: it watches the validation part, and data.validation leaves none.")


def _check_animation(tracking: Tracking, parts: Parts, facts: DataFacts) -> None:
    """Raise ConfigError where an animation is asked for, and the samples have not two features to draw."""
    if tracking.animation and plane(parts, facts.shape) is None:
        sizes = " x ".join(map(str, parts.shape))
        raise ConfigError(
            f"tracker.animation: it shows samples with two features, and those of data={facts.name} have {sizes}."
        )
