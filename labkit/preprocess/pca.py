"""Principal components of the training part."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.config import ConfigError


@dataclass(frozen=True)
class Components:
    """A rotation to `k` principal components.

    Attributes:
        mean: Mean of the training part, shape (d,).
        axes: Orthonormal axes by falling variance, shape (k, d).
        explained: Share of the training part's variance along each axis, 0 to 1, shape (k,).
    """

    mean: Tensor
    axes: Tensor
    explained: Tensor

    def apply(self, features: Tensor) -> Tensor:
        """Return the coordinates, shape (n, k), of features of shape (n, *shape)."""
        # The mean is taken away after the rotation, which spares a centred copy of the features.
        return features.flatten(1) @ self.axes.T - self.axes @ self.mean


def fit_components(features: Tensor, k: int) -> Components:
    """Return the `k` leading principal components, by scikit-learn's PCA with a fixed seed where it draws.

    Args:
        features: Features of the training part, shape (n, *shape).
        k: Number of components.

    Raises:
        ConfigError: `k` exceeds the number of samples or of features.
    """
    rows = features.flatten(1)
    most = min(rows.shape)
    if k > most:
        samples, width = rows.shape
        raise ConfigError(
            f"preprocess.pca: {k} components asked for, but {samples} training samples of {width} features have {most}."
        )
    from sklearn.decomposition import PCA  # takes a second to import

    fitted = PCA(n_components=k, random_state=0).fit(rows.numpy())
    mean, axes, explained = (
        torch.from_numpy(array).to(features.dtype)
        for array in (fitted.mean_, fitted.components_, fitted.explained_variance_ratio_)
    )
    return Components(mean, axes, explained)
