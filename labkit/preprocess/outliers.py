"""Training samples that lie far from their class."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from labkit.config import ConfigError
from labkit.preprocess.normalise import blocks


def without_outliers(features: np.ndarray, labels: np.ndarray, train: np.ndarray, share: float) -> np.ndarray:
    """Return the training samples without the `floor(share * n)` farthest from their class.

    Args:
        features: Stored features of the set, shape (N, *shape).
        labels: Labels of the set, shape (N,), int64.
        train: Positions of the training samples, shape (n,), int64.
        share: Share of the training samples to leave out, 0 to 1.

    Returns:
        Positions of the kept samples, in their order.

    Raises:
        ConfigError: A class would lose all its samples.
    """
    removed = int(share * len(train))
    if removed == 0:
        return train
    order = torch.argsort(class_distances(features, labels, train), stable=True).numpy()
    kept: np.ndarray = train[np.sort(order[: len(train) - removed])]
    lost = np.setdiff1d(labels[train], labels[kept])
    if len(lost):
        raise ConfigError(
            f"preprocess.outliers: leaving out {share:g} of {len(train)} training samples removes class {lost[0]} "
            f"altogether, expected a smaller share."
        )
    return kept


def class_distances(features: np.ndarray, labels: np.ndarray, train: np.ndarray) -> Tensor:
    """Return the squared distance of each training sample to the mean of its class, shape (n,), float64, no unit.

    It is `sum over features j of (x_j - mean_cj)^2 / s_j^2`, where `s_j^2` is the variance of feature j within classes
    (pooled over them): Mahalanobis's distance with a diagonal covariance, which needs neither more samples than
    features nor any scaling before. Features that do not vary within classes are left out.

    Args:
        features: Stored features of the set, shape (N, *shape).
        labels: Labels of the set, shape (N,), int64.
        train: Positions of the training samples, shape (n,), int64.
    """
    classes = torch.from_numpy(np.ascontiguousarray(labels[train]))
    count = torch.bincount(classes).double()
    width = int(np.prod(features.shape[1:]))
    means = torch.zeros((len(count), width), dtype=torch.float64)
    for at, stored in blocks(features, train):
        means.index_add_(0, classes[at : at + len(stored)], stored.flatten(1).double())
    means /= torch.where(count > 0, count, torch.ones_like(count))[:, None]
    within = torch.zeros(width, dtype=torch.float64)
    for at, stored in blocks(features, train):
        within += (stored.flatten(1).double() - means[classes[at : at + len(stored)]]).square_().sum(0)
    weight = torch.where(within > 0, len(train) / within, torch.zeros_like(within))
    distances = torch.empty(len(train), dtype=torch.float64)
    for at, stored in blocks(features, train):
        deviation = stored.flatten(1).double() - means[classes[at : at + len(stored)]]
        distances[at : at + len(stored)] = deviation.square_() @ weight
    return distances
