"""The data of a command's runs: which set a configuration names, how it is divided, and its prepared parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from labkit.config import ConfigError, Plain, build, checked
from labkit.data.dataset import Dataset, arrays_sha256
from labkit.engine.trainer import Trainer
from labkit.preprocess.overlap import Overlap, overlaps
from labkit.preprocess.prepare import Parts, Preprocess, prepare
from labkit.preprocess.remarks import remarks
from labkit.preprocess.split import missing_classes, split
from labkit.runs.identity import data_key

SPLIT_KEYS = ("split_seed", "validation", "test", "train_size")


@dataclass(frozen=True)
class DataFacts:
    """The facts of a data set that stay when its prepared parts are gone.

    Attributes:
        missing: Classes without a sample, by part.
        overlaps: Samples of the validation and of the test part that stand in the training part too.
        notes: Sentences for whoever reads the results.
    """

    name: str
    source: str
    sha256: str
    verified: bool
    tokens: int
    kind: str
    shape: tuple[int, ...]
    missing: Mapping[str, Sequence[str]]
    overlaps: tuple[Overlap, ...]
    notes: tuple[str, ...]

    @property
    def content(self) -> str:
        """The data in a run's identity: the hash, and the classes that its metrics are no means over.

        Earlier versions let such a class count 0: their runs must not pass for finished ones of today.
        """
        return f"{self.sha256} without {dict(self.missing)}" if self.missing else self.sha256


class Prepared(NamedTuple):
    """A data set that is ready to be trained on.

    Attributes:
        key: Equal for configurations that name this set, divide it and prepare it alike.
        facts: Facts about it that stay when its parts are gone.
        parts: Training, validation and test part.
    """

    key: str
    facts: DataFacts
    parts: Parts


class PreparedData:
    """The prepared sets of one command, at most one of which is held: runs on the same data prepare it once."""

    def __init__(self) -> None:
        self._held: Prepared | None = None

    def __call__(self, plain: Plain, preprocess: Preprocess, trainer: Trainer) -> Prepared:
        """Return the set that a configuration names, prepared; the last one if it is the same.

        Args:
            plain: Resolved configuration.
            preprocess: Preprocessing; strengths of the augmentation may differ between runs on one set.
            trainer: Trainer, for the precision and the device.

        Raises:
            ConfigError: The data cannot be read, divided or prepared so.
        """
        key = data_key(plain)
        if self._held is None or self._held.key != key:
            self._held = None  # first: two sets may not fit the memory
            self._held = _prepare(key, plain, preprocess, trainer)
        facts = self._held.facts
        preprocess.refuse_impossible(facts.name, facts.kind, facts.shape)
        return self._held


def _prepare(key: str, plain: Plain, preprocess: Preprocess, trainer: Trainer) -> Prepared:
    stored, indices = divide_data(plain)
    parts = prepare(stored, indices, preprocess, trainer.dtype).to(trainer.chosen_device())
    missing, both = missing_classes(stored, indices), overlaps(stored, indices)
    facts = DataFacts(
        name=stored.name,
        source=stored.source,
        sha256=stored.sha256,
        verified=stored.verified,
        tokens=len(stored.vocabulary),
        kind=stored.kind,
        shape=tuple(stored.features.shape[1:]),
        missing=missing,
        overlaps=both,
        notes=remarks(stored, missing, both),
    )
    return Prepared(key, facts, parts)


def dataset(plain: Plain) -> Dataset:
    """Return the data set that a resolved configuration names; raise ConfigError where there is none.

    One of the user's own is hashed here, whatever it says of itself.
    """
    node = {key: value for key, value in plain["data"].items() if key not in SPLIT_KEYS}
    if "root" in node:
        node["root"] = str(Path(node["root"]).expanduser())
    found = build("data", node, plain["targets"])
    if node["_target_"] not in plain["targets"]:
        return found  # type: ignore[no-any-return]
    if not isinstance(found, Dataset):
        raise ConfigError(
            f"data._target_: expected {node['_target_']} to return a labkit.data.Dataset, got {type(found).__name__}."
        )
    parts = [found.splits[name] for name in sorted(found.splits)]
    return replace(found, sha256=arrays_sha256(found.features, found.labels, *parts))


def divide_data(plain: Plain) -> tuple[Dataset, dict[str, np.ndarray]]:
    """Return the data set, and the samples that are trained, validated and tested on; raise ConfigError."""
    stored = dataset(plain)
    keys = {name: value for name, value in plain["data"].items() if name in SPLIT_KEYS}
    return stored, split(**checked("data", split, {"dataset": stored, **keys}))
