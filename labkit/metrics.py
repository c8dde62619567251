"""Accuracy, macro precision and recall from confusion matrices, and the L1 norms of gradients."""

from __future__ import annotations

from collections.abc import Sequence

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


def gradient_l1(gradients: Sequence[Tensor], layers: Sequence[Sequence[int]]) -> Tensor:
    """The L1 norm of each layer's gradient, `(layers, M)`: Boulder lab, part 3.

    Args:
        gradients: one `(M, *shape)` tensor per parameter.
        layers: the positions in `gradients` of each layer's parameters.
    """
    norms = [gradient.flatten(1).abs().sum(1) for gradient in gradients]
    return torch.stack([sum((norms[i] for i in places[1:]), norms[places[0]]) for places in layers])
