"""What every data set must satisfy, whoever made it; the last call of every loader."""

from __future__ import annotations

import numpy as np

from labkit.data.dataset import DataError, Dataset

ROWS = 4096  # samples looked at together: the finite test needs one byte per value


def check(dataset: Dataset) -> Dataset:
    """Return `dataset` unchanged, or say in one sentence what is wrong with it.

    Raises:
        DataError: features and labels of different length, a label out of range, a class without a sample, fewer than
            two classes, NaN or infinite features, lengths that do not fit, parts that overlap or leave the set.
    """
    name, labels, classes = dataset.name, dataset.labels, dataset.class_names
    if len(dataset.features) == 0:
        raise DataError(f"{name}: found no sample, expected at least one per class.")
    if labels.shape != (len(dataset.features),) or labels.dtype != np.int64:
        raise DataError(
            f"{name}: found labels of shape {labels.shape} and type {labels.dtype}, "
            f"expected ({len(dataset.features)},) and int64, one per sample."
        )
    if len(classes) < 2:
        raise DataError(f"{name}: found only one class ({', '.join(classes) or 'none'}), expected at least two.")
    check_labels(labels, len(classes), name)
    counts = np.bincount(labels, minlength=len(classes))
    if not counts.all():
        empty = int(np.argmin(counts))
        raise DataError(f"{name}: found no sample of class {classes[empty]!r}, expected at least one of every class.")
    _check_finite(dataset)
    _check_lengths(dataset)
    _check_splits(dataset)
    return dataset


def check_labels(labels: np.ndarray, n_classes: int, place: str, first: int = 0, step: int = 0) -> None:
    """Refuse a label outside `0 .. n_classes - 1`.

    Args:
        labels: `(n,)` integers.
        n_classes: how many classes there are.
        place: the file or set, for the error.
        first: byte of the first label in its file.
        step: bytes from one label to the next; 0 where the labels are no bytes of a file.

    Raises:
        DataError: names the first such label.
    """
    if len(labels) and (labels.min() < 0 or labels.max() >= n_classes):
        row = int(np.argmax((labels < 0) | (labels >= n_classes)))
        where = f"byte {first + step * row}" if step else f"sample {row}"
        raise DataError(f"{place}: {where}: found label {labels[row]}, expected 0 to {n_classes - 1}.")


def _check_finite(dataset: Dataset) -> None:
    if not np.issubdtype(dataset.features.dtype, np.floating):
        return
    for start in range(0, len(dataset.features), ROWS):
        finite = np.isfinite(dataset.features[start : start + ROWS])
        if not finite.all():
            row, *place = (int(i) for i in np.argwhere(~finite)[0])
            value = dataset.features[(start + row, *place)]
            where = f"sample {start + row}, feature {', '.join(map(str, place)) or 0}"
            raise DataError(f"{dataset.name}: {where}: found {value}, expected a finite number.")


def _check_lengths(dataset: Dataset) -> None:
    lengths = dataset.lengths
    if lengths is None:
        return
    longest = dataset.features.shape[-1]
    if lengths.shape != dataset.labels.shape or lengths.min() < 1 or lengths.max() > longest:
        raise DataError(f"{dataset.name}: found lengths that are not one number from 1 to {longest} per sample.")


def _check_splits(dataset: Dataset) -> None:
    uses = np.zeros(len(dataset.labels), dtype=np.int64)
    for part, indices in dataset.splits.items():
        if len(indices) == 0:
            raise DataError(f"{dataset.name}: found no sample in the part {part!r}, expected at least one.")
        if indices.min() < 0 or indices.max() >= len(uses):
            raise DataError(f"{dataset.name}: the part {part!r} points outside the {len(uses)} samples of the set.")
        np.add.at(uses, indices, 1)
    if uses.max() > 1:
        row = int(uses.argmax())
        raise DataError(f"{dataset.name}: sample {row}: found in {uses[row]} parts, expected in one at most.")
