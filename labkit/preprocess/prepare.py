"""Preparation of a stored set as tensors that a run can use; everything is fitted on the training part alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from labkit.config import ConfigError, Count, Fraction, Memberwise, Natural, NonNegative
from labkit.data.dataset import Dataset
from labkit.preprocess.normalise import Moments, convert, full_scale, moments
from labkit.preprocess.outliers import without_outliers
from labkit.preprocess.pca import Components, fit_components
from labkit.shipped import IN_FILE, defaults

Kind = Literal["vector", "image", "sound", "text"]


@dataclass(frozen=True)
@defaults("preprocess/normalise")
class Preprocess:
    """Keys of the group `preprocess`.

    The order is outliers, scale, normalise, pca. The last three keys act on training batches, step by step.

    Attributes:
        scale: True to divide uint8 by 255 and int16 by 32768; floats and texts stay as they are.
        normalise: Unit for which mean and standard deviation become 0 and 1 over the training part: each `feature`
            (every pixel and channel has its own, as in the KTH lab) or each `channel`. A constant feature is only
            centred. Texts are never normalised.
        pca: Number of principal components kept of the flattened features; None for no rotation.
        outliers: Share of the training samples left out, those farthest from their class (see `outliers.py`).
        mirror: Probability that an image of a training batch is mirrored left to right.
        shift: Largest shift of an image of a training batch along each axis, in pixels.
        noise: Standard deviation of the Gaussian noise added to a training batch, in units of the prepared features.

    Raises:
        ConfigError: `mirror` or `shift` is used together with `pca`, whose components have no left or right.
    """

    scale: bool = IN_FILE
    normalise: Literal["none", "feature", "channel"] = IN_FILE
    pca: Count | None = None
    outliers: Fraction = IN_FILE
    mirror: Memberwise[Fraction] = IN_FILE
    shift: Memberwise[Natural] = IN_FILE
    noise: Memberwise[NonNegative] = IN_FILE

    def __post_init__(self) -> None:
        for key in ("mirror", "shift"):
            if self.pca is not None and getattr(self, key):
                raise ConfigError(
                    f"preprocess.{key} acts on images, but preprocess.pca={self.pca} makes vectors of them."
                )

    def refuse_impossible(self, name: str, kind: str, shape: Sequence[int]) -> None:
        """Raise ConfigError if a key means nothing for the samples of data set `name`, of this kind and shape."""
        if kind != "image":
            for key in ("mirror", "shift"):
                if getattr(self, key):
                    raise ConfigError(f"preprocess.{key} acts on images, but data={name} holds {kind}s.")
        if kind == "text":
            for key in ("pca", "outliers", "noise"):
                if getattr(self, key):
                    raise ConfigError(f"preprocess.{key} acts on numbers, but data={name} holds texts.")
        if kind == "vector" and self.normalise == "channel":
            raise ConfigError(
                f"preprocess.normalise: found 'channel', but the vectors of data={name} have none; "
                "expected 'feature' or 'none'."
            )
        if kind == "image" and self.shift >= min(shape[-2:]):
            raise ConfigError(
                f"preprocess.shift: found {self.shift}, expected less than the image's {min(shape[-2:])}."
            )


@dataclass(frozen=True)
class Part:
    """The samples of one part.

    Attributes:
        features: Features, floats of shape (n, *shape). Of texts, uint8 token ids of shape (n, length), an eighth of
            the memory of int64; they become int64 batch by batch where they are looked up.
        labels: Labels, shape (n,), int64.
        lengths: True length of each text in tokens, shape (n,), int64; None for other data.
    """

    features: Tensor
    labels: Tensor
    lengths: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def only(self, positions: Tensor) -> Part:
        """Return the samples at these positions, shape (n,), int64, a copy."""
        lengths = None if self.lengths is None else self.lengths.index_select(0, positions)
        return Part(self.features.index_select(0, positions), self.labels.index_select(0, positions), lengths)

    def to(self, device: torch.device) -> Part:
        """Return the same samples on `device`."""
        lengths = None if self.lengths is None else self.lengths.to(device)
        return Part(self.features.to(device), self.labels.to(device), lengths)


@dataclass(frozen=True)
class Parts:
    """All parts of a prepared set, and the numbers that were fitted on the training part.

    Attributes:
        train: Training part, without outliers.
        validation: Validation part, which may be empty.
        test: Test part, which may be empty.
        shape: Shape of one prepared sample.
        kind: Kind of the prepared samples, "vector" after PCA.
        class_names: Name of each class.
        vocabulary: Token of each id of a text; empty for other data.
        moments: Mean and deviation used in normalising, after scaling; None if nothing was normalised.
        components: Principal components; None if there was no rotation.
        kept: Positions in the set of the training samples used, shape (n_train,); fewer than given without outliers.
    """

    train: Part
    validation: Part
    test: Part
    shape: tuple[int, ...]
    kind: Kind
    class_names: tuple[str, ...]
    vocabulary: tuple[str, ...] = ()
    moments: Moments | None = None
    components: Components | None = None
    kept: np.ndarray | None = None

    @property
    def n_classes(self) -> int:
        return len(self.class_names)

    def to(self, device: torch.device) -> Parts:
        """Return the same parts on `device`; those that are there already are not copied."""
        moved = {name: getattr(self, name).to(device) for name in ("train", "validation", "test")}
        return replace(self, **moved)

    def rounded(self, dtype: torch.dtype) -> Parts:
        """Return the same parts with features of another precision."""
        parts = {name: getattr(self, name) for name in ("train", "validation", "test")}
        return replace(self, **{name: replace(part, features=part.features.to(dtype)) for name, part in parts.items()})


def prepare(
    dataset: Dataset, indices: Mapping[str, np.ndarray], preprocess: Preprocess, dtype: torch.dtype = torch.float32
) -> Parts:
    """Turn the parts `train`, `validation` and `test` of a set into tensors.

    Peak memory beyond the stored set is that of the floats plus blocks of some MiB, and with PCA one centred copy of
    the training part.

    Args:
        dataset: Stored set.
        indices: Positions of the samples of each part, shape (n_part,), as `split` returns them.
        preprocess: Keys of the group.
        dtype: Dtype of the features; texts keep their ids.

    Raises:
        ConfigError: A key of `preprocess` means nothing for this set, or asks for more than the training part has.
    """
    preprocess.refuse_impossible(dataset.name, dataset.kind, dataset.features.shape[1:])
    train = indices["train"]
    if preprocess.outliers:
        train = without_outliers(dataset.features, dataset.labels, train, preprocess.outliers)
    used = {"train": train, "validation": indices["validation"], "test": indices["test"]}
    fitted, components = None, None
    if dataset.kind == "text":
        features = {part: torch.from_numpy(dataset.features[rows]) for part, rows in used.items()}
    else:
        fitted = _fit_moments(dataset, train, preprocess)
        divisor = full_scale(dataset.features.dtype) if preprocess.scale else 1.0
        features = {part: convert(dataset.features, rows, dtype, divisor, fitted) for part, rows in used.items()}
    if preprocess.pca is not None:
        components = fit_components(features["train"], preprocess.pca)
        for part in features:
            features[part] = components.apply(features[part])
    parts = {part: _part(dataset, features[part], rows) for part, rows in used.items()}
    return Parts(
        **parts,
        shape=tuple(features["train"].shape[1:]),
        kind="vector" if components is not None else dataset.kind,
        class_names=dataset.class_names,
        vocabulary=dataset.vocabulary,
        moments=fitted,
        components=components,
        kept=train,
    )


def _fit_moments(dataset: Dataset, train: np.ndarray, preprocess: Preprocess) -> Moments | None:
    """Return the moments of the scaled training part, which broadcast to a sample; None if nothing is normalised."""
    if preprocess.normalise == "none":
        return None
    # Scaling is linear, so the moments of the stored values are scaled instead of the values.
    stored = moments(dataset.features, train)
    divisor = full_scale(dataset.features.dtype) if preprocess.scale else 1.0
    scaled = Moments(stored.mean / divisor, stored.std / divisor)
    if preprocess.normalise == "channel":
        scaled = scaled.per_channel()
    return scaled.with_constants_at_one()


def _part(dataset: Dataset, features: Tensor, rows: np.ndarray) -> Part:
    lengths = None if dataset.lengths is None else torch.from_numpy(dataset.lengths[rows])
    return Part(features, torch.from_numpy(dataset.labels[rows]), lengths)
