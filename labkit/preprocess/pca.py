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
        mean: `(d,)` of the training part.
        axes: `(k, d)`, orthonormal, by falling variance.
        explained: `(k,)` share of the training part's variance along each axis.
    """

    mean: Tensor
    axes: Tensor
    explained: Tensor

    def apply(self, features: Tensor) -> Tensor:
        """Coordinates `(n, k)` of features `(n, *shape)`, without a centred copy of them."""
        return features.flatten(1) @ self.axes.T - self.axes @ self.mean


def fit_components(features: Tensor, k: int) -> Components:
    """The `k` leading principal components of `features (n, *shape)`, by scikit-learn's PCA (seeded where it draws).

    Raises:
        ConfigError: more components than samples or features.
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
