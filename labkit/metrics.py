"""Accuracy, macro precision and recall from confusion matrices, and the L1 norms of gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def confusion_matrices(predicted: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Counts `(M, K, K)`, rows the true class, columns the predicted one.

    Args:
        predicted: `(M, B)` int64.
        labels: `(G, B)` int64.
        classes: K.
    """
    members = predicted.shape[0]
    first = torch.arange(members, device=predicted.device).unsqueeze(1) * classes**2
    cell = (first + labels * classes + predicted).flatten()
    return torch.bincount(cell, minlength=members * classes**2).view(members, classes, classes)


def classification(confusion: Tensor) -> dict[str, Tensor]:
    """`accuracy`, macro `precision` and `recall`, each `(M,)`, float64.

    The macro averages run over the classes that have a sample: scikit-learn's `precision_recall_fscore_support(y_true,
    y_pred, average="macro", labels=np.unique(y_true), zero_division=0)`. So a class that is there but never predicted
    counts 0, and one without a sample counts nothing, predicted or not. (Left to choose its labels, scikit-learn takes
    a class without a sample in as soon as it is predicted once, with 0 for both: a mean over other classes for every
    model.)

    Args:
        confusion: `(M, K, K)` counts, rows the true class.
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
    """Names of the classes whose column of one confusion matrix `(K, K)` is empty."""
    return [name for name, count in zip(class_names, confusion.sum(-2).tolist(), strict=True) if count == 0]


def gradient_l1(sizes: Sequence[Tensor], layers: Mapping[str, Sequence[int]], updates: int) -> list[dict[str, float]]:
    """The L1 norm of each layer's gradient, averaged over updates (Boulder lab, part 3), of every member.

    Args:
        sizes: the sum over `updates` of `|gradient|`, one `(M, *shape)` tensor per parameter.
        layers: the positions in `sizes` of each layer's parameters.

    Returns:
        By layer, with `total` and `mean` over the layers.
    """
    sums = [size.flatten(1).sum(1).double() / max(1, updates) for size in sizes]
    by_layer = torch.stack([torch.stack([sums[i] for i in places]).sum(0) for places in layers.values()], 1)
    return [
        {**dict(zip(layers, row, strict=True)), "total": sum(row), "mean": sum(row) / len(row)}
        for row in by_layer.tolist()
    ]
