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

    The macro averages run over all K classes; a class never predicted has precision 0, one without samples recall 0
    (scikit-learn's `average="macro", labels=range(K), zero_division=0`).
    """
    counts = confusion.double()
    hits = counts.diagonal(dim1=-2, dim2=-1)
    return {
        "accuracy": hits.sum(-1) / counts.sum((-2, -1)),
        "precision": (hits / counts.sum(-2).clamp(min=1)).mean(-1),
        "recall": (hits / counts.sum(-1).clamp(min=1)).mean(-1),
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
