"""A composed configuration, checked and built: everything a run needs, before anything is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from labkit.preprocess.prepare import Parts, Preprocess, prepare
from labkit.preprocess.split import split
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from labkit.compose import explain
from labkit.config import CONSTRUCTORS, NUMERICS_VERSION, ConfigError, build, checked, nearest
from labkit.data.dataset import Dataset
from labkit.engine.recipe import Augmentation, Recipe, l2_per_weight
from labkit.engine.trainer import Trainer
from labkit.models.entries import Sizing
from labkit.tracking.settings import Paths, Tracking

SPLIT_KEYS = ("split_seed", "validation", "test", "train_size")
_GROUPS = tuple(CONSTRUCTORS)
_SCALARS = ("name", "lab", "part", "seed", "purpose", "targets", "experiment", "sweeps")
_LEFT_OUT_OF_HASH = ("paths", "tracker", "task", "targets", "experiment", "sweeps")


@dataclass(frozen=True)
class DataFacts:
    """What is remembered of a data set once its parts are prepared."""

    name: str
    source: str
    sha256: str
    verified: bool
    kind: str
    tokens: int


@dataclass(frozen=True)
class Plan:
    """One run, ready to start.

    Attributes:
        config: the resolved configuration, plain.
        overrides: the words that made it, for the command that reproduces the run.
        recipe: what the engine trains.
        parts: the data, prepared.
        data: facts about it.
        config_hash: equal for runs that must give equal results.
    """

    config: dict[str, Any]
    overrides: tuple[str, ...]
    recipe: Recipe
    parts: Parts
    data: DataFacts
    tracking: Tracking
    paths: Paths
    config_hash: str

    @property
    def name(self) -> str:
        return self.config["name"] or f"{self.data.name}-{_model_name(self.config, self.overrides)}"


def resolved(config: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with every interpolation resolved, as plain values; raises ConfigError."""
    try:
        node = config if isinstance(config, DictConfig) else OmegaConf.create(dict(config))
        own = OmegaConf.masked_copy(node, [key for key in node if key != "hydra"])
        plain: Any = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(explain(error)) from None
    _check_scalars(plain)
    return dict(plain)


def plan(config: DictConfig | Mapping[str, Any], overrides: Sequence[str] = ()) -> Plan:
    """Check and build everything a run needs; raises ConfigError, writes nothing."""
    plain = resolved(config)
    targets = plain["targets"]
    parts_of = {group: build(group, plain[group], targets) for group in _GROUPS if group not in ("data", "task")}
    trainer: Trainer = parts_of["trainer"]
    facts, parts = _data(plain, parts_of["preprocess"], trainer)
    network = parts_of["model"].build(parts.shape, Sizing(parts.n_classes, facts.tokens))
    _check_numbers(plain, trainer)
    strengths: Preprocess = parts_of["preprocess"]
    recipe = Recipe(
        network=network,
        initialiser=parts_of["init"],
        rule=parts_of["optimizer"],
        schedule=parts_of["schedule"],
        trainer=trainer,
        seed=plain["seed"],
        l2=l2_per_weight(parts_of["loss"].l2, network),
        augmentation=Augmentation(strengths.mirror, strengths.shift, strengths.noise),
        open_test=plain["purpose"] == "comparison" and parts_of["schedule"].kind != "range_test",
    )
    length = trainer.length(len(parts.train.features), recipe.schedule)
    trainer.evaluations(length, recipe.schedule)
    digest = config_hash(plain, facts.sha256)
    paths = Paths(Path(parts_of["paths"].root).absolute(), parts_of["paths"].data)
    return Plan(plain, tuple(overrides), recipe, parts, facts, parts_of["tracker"], paths, digest)


def dataset(plain: Mapping[str, Any]) -> Dataset:
    """The data set a resolved configuration names."""
    node = {key: value for key, value in plain["data"].items() if key not in SPLIT_KEYS}
    if "root" in node:
        node["root"] = str(Path(node["root"]).expanduser())
    return build("data", node, plain["targets"])  # type: ignore[no-any-return]


def config_hash(plain: Mapping[str, Any], data_sha256: str) -> str:
    """SHA-256 of the configuration without paths, tracking and device, the data's hash and the numerics version."""
    kept = {key: value for key, value in plain.items() if key not in _LEFT_OUT_OF_HASH}
    kept["trainer"] = {key: value for key, value in kept["trainer"].items() if key != "device"}
    kept["data"] = {key: value for key, value in kept["data"].items() if key != "root"}
    text = json.dumps([kept, data_sha256, NUMERICS_VERSION], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _data(plain: Mapping[str, Any], preprocess: Preprocess, trainer: Trainer) -> tuple[DataFacts, Parts]:
    keys = json.dumps([plain["data"], plain["preprocess"], trainer.precision, str(trainer.chosen_device())])
    return _prepared(keys, _Box(plain, preprocess, trainer))


@dataclass(frozen=True)
class _Box:
    """Arguments that the cache below does not compare: its first key says it all."""

    plain: Mapping[str, Any]
    preprocess: Preprocess
    trainer: Trainer

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return True


@lru_cache(maxsize=1)  # the jobs of a multirun read and prepare one data set once
def _prepared(keys: str, box: _Box) -> tuple[DataFacts, Parts]:
    stored = dataset(box.plain)
    node = box.plain["data"]
    keys_of_split = {key: node[key] for key in SPLIT_KEYS if key in node}
    indices = split(**checked("data", split, {"dataset": stored, **keys_of_split}))
    parts = prepare(stored, indices, box.preprocess, box.trainer.dtype)
    facts = DataFacts(stored.name, stored.source, stored.sha256, stored.verified, stored.kind, len(stored.vocabulary))
    device = box.trainer.chosen_device()
    return facts, parts if device == torch.device("cpu") else parts.to(device)


def _check_scalars(plain: Mapping[str, Any]) -> None:
    for key in plain:
        if key not in (*_GROUPS, *_SCALARS):
            raise ConfigError(f"unknown key {key!r}, {nearest(key, (*_GROUPS, *_SCALARS))}")
    for group in _GROUPS:
        if not isinstance(plain.get(group), Mapping):
            raise ConfigError(f"{group}: expected a group of keys with a _target_, got {plain.get(group)!r}.")
    seed, purpose = plain["seed"], plain["purpose"]
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ConfigError(f"seed: expected an integer of at least 0, got {seed!r}.")
    if purpose not in ("comparison", "search"):
        raise ConfigError(f"purpose: expected 'comparison' or 'search', got {purpose!r}.")
    for key in ("name", "lab", "part"):
        if plain[key] is not None and not isinstance(plain[key], str):
            raise ConfigError(f"{key}: expected a text, got {plain[key]!r}.")


def _check_numbers(plain: Mapping[str, Any], trainer: Trainer) -> None:
    """Combinations that cannot mean anything."""
    if trainer.patience is not None and plain["data"].get("validation") in (0, 0.0):
        raise ConfigError("trainer.patience: it watches val/loss, and data.validation leaves no validation part.")


def _model_name(config: Mapping[str, Any], overrides: Sequence[str]) -> str:
    chosen = [word.removeprefix("model=") for word in overrides if word.startswith("model=")]
    return chosen[-1] if chosen else "mlp"
