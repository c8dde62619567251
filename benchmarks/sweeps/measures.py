"""From a mean loss and a confusion matrix to the metrics that every peer logs."""

from __future__ import annotations

import numpy as np

KEYS = ("loss", "cost", "accuracy", "precision", "recall")
LOGGED = frozenset({f"{part}/{key}" for part in ("train", "val") for key in KEYS} | {"lr"})


def row(part: str, loss: float, penalty: float, confusion: np.ndarray) -> dict[str, float]:
    """`part/loss cost accuracy precision recall` of one trial.

    Args:
        loss: mean cross-entropy.
        penalty: lambda times the sum of the squared weights.
        confusion: `(K, K)` counts, rows the true class, columns the predicted one.
    """
    hits = np.diag(confusion)
    values = (
        loss,
        loss + penalty,
        hits.sum() / confusion.sum(),
        (hits / np.maximum(confusion.sum(0), 1)).mean(),
        (hits / np.maximum(confusion.sum(1), 1)).mean(),
    )
    return {f"{part}/{key}": float(value) for key, value in zip(KEYS, values, strict=True)}
