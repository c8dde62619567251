"""Conditions that every data set must satisfy; every loader ends with `check`."""

from __future__ import annotations

import numpy as np

from labkit.data.dataset import DataError, Dataset
from labkit.limits import MOST_CLASSES

ROWS = 4096  # samples tested together: the test for finite numbers needs one byte per value


def check(dataset: Dataset) -> Dataset:
    """Return `dataset` unchanged if nothing is wrong with it.

    Raises:
        DataError: Features and labels differ in length, a label is out of range, a class has no sample, there are
            fewer than two classes, a feature is NaN or infinite, lengths do not fit, or parts overlap or leave the set.
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
    if len(classes) > MOST_CLASSES:
        raise DataError(
            f"{name}: found {len(classes):,} classes in {len(labels):,} samples, expected at most {MOST_CLASSES:,}; "
            "is the target a number to predict, or an id?"
        )
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
    """Raise DataError for the first label outside `0 .. n_classes - 1`.

    Args:
        labels: Labels, integers of shape (n,).
        n_classes: Number of classes.
        place: Name of the file or set, for the error.
        first: Position of the first label in its file, in bytes.
        step: Distance from one label to the next, in bytes; 0 where the labels do not come from a file of bytes.

    Raises:
        DataError: A label is out of range.
    """
    if len(labels) and (labels.min() < 0 or labels.max() >= n_classes):
        row = int(np.argmax((labels < 0) | (labels >= n_classes)))
        where = f"byte {first + step * row}" if step else f"sample {row}"
        raise DataError(f"{place}: {where}: found label {labels[row]}, expected 0 to {n_classes - 1}.")


def _check_finite(dataset: Dataset) -> None:
    """Raise DataError for the first feature that is NaN or infinite."""
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
    """Raise DataError unless every text has one length, from 1 to the longest."""
    lengths = dataset.lengths
    if lengths is None:
        return
    longest = dataset.features.shape[-1]
    if lengths.shape != dataset.labels.shape or lengths.min() < 1 or lengths.max() > longest:
        raise DataError(f"{dataset.name}: found lengths that are not one number from 1 to {longest} per sample.")


def _check_splits(dataset: Dataset) -> None:
    """Raise DataError if a part is empty, points outside the set, or shares a sample with another."""
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
