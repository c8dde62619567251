"""Accuracy, macro precision and macro recall from confusion matrices, and the L1 norms of gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def confusion_matrices(predicted: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Return counts of samples, shape (M, K, K), int64: rows the true class, columns the predicted one.

    Args:
        predicted: Predicted classes, shape (M, B), int64.
        labels: True classes, shape (G, B), int64.
        classes: Number of classes, K.
    """
    # Every cell of every member has a number of its own, so that one bincount fills all matrices.
    members = predicted.shape[0]
    first = torch.arange(members, device=predicted.device).unsqueeze(1) * classes**2
    cell = (first + labels * classes + predicted).flatten()
    return torch.bincount(cell, minlength=members * classes**2).view(members, classes, classes)


def classification(confusion: Tensor) -> dict[str, Tensor]:
    """Return `accuracy`, macro `precision` and macro `recall`, each of shape (M,), float64, 0 to 1.

    The macro averages run over the classes that have a sample, as in scikit-learn's
    `precision_recall_fscore_support(y_true, y_pred, average="macro", labels=np.unique(y_true), zero_division=0)`.
    A class that has samples but is never predicted counts 0; a class without a sample does not count, even if it is
    predicted. (Without `labels`, scikit-learn would also count a class without samples as soon as it is predicted, so
    that two models would be averaged over different classes.)

    Args:
        confusion: Counts of samples, shape (M, K, K), rows the true class.
    """
    counts = confusion.double()
    hits = counts.diagonal(dim1=-2, dim2=-1)
    samples, predictions = counts.sum(-1), counts.sum(-2)
    present = (samples > 0).sum(-1).clamp(min=1)
    return {
        "accuracy": hits.sum(-1) / samples.sum(-1),
        "precision": (hits / predictions.clamp(min=1)).sum(-1) / present,
        "recall": (hits / samples.clamp(min=1)).sum(-1) / present,
    }


def never_predicted(confusion: Tensor, class_names: Sequence[str]) -> list[str]:
    """Return the names of the classes whose column of one confusion matrix, shape (K, K), is empty."""
    return [name for name, count in zip(class_names, confusion.sum(-2).tolist(), strict=True) if count == 0]


def gradient_l1(sizes: Sequence[Tensor], layers: Mapping[str, Sequence[int]], updates: int) -> list[dict[str, float]]:
    """Return the L1 norm of each layer's gradient, averaged over updates, of every member (Boulder lab, part 3).

    Args:
        sizes: Sums of `|gradient|` over the updates, one tensor of shape (M, ...) per parameter, whose total counts.
        layers: Positions in `sizes` of each layer's parameters, by the layer's name.
        updates: Number of updates in the sums.

    Returns:
        Norms by layer for each member, with `total`, their sum, and `mean`, their mean over the layers.
    """
    sums = [size.flatten(1).sum(1).double() / max(1, updates) for size in sizes]
    by_layer = torch.stack([torch.stack([sums[i] for i in places]).sum(0) for places in layers.values()], 1)
    return [
        {**dict(zip(layers, row, strict=True)), "total": sum(row), "mean": sum(row) / len(row)}
        for row in by_layer.tolist()
    ]
