"""The plane of samples with two features: from what the network gets to the units of the stored set, and back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.preprocess.normalise import Moments
from labkit.preprocess.pca import Components
from labkit.preprocess.prepare import Parts

_MARGIN = 0.06  # of the range of the points, free on every side of them


@dataclass(frozen=True)
class Plane:
    """How prepared features `(n, 2)` and points `(n, 2)` in the units of a figure's axes belong together.

    Attributes:
        names: of the two axes.
        moments: what normalising subtracted and divided by; None without.
        components: of a set whose own two features were rotated; None without.
    """

    names: tuple[str, str]
    moments: Moments | None = None
    components: Components | None = None

    def points(self, features: Tensor) -> Tensor:
        """Prepared features in the units of the axes, float64: the inverse of scaling by the training part."""
        x = features.double().cpu()
        if self.components is not None:
            x = x @ self.components.axes.double().cpu() + self.components.mean.double().cpu()
        return x if self.moments is None else x * self.moments.std + self.moments.mean

    def features(self, points: Tensor) -> Tensor:
        """The inverse of `points`: what the network gets for places of the plane."""
        x = points if self.moments is None else (points - self.moments.mean) / self.moments.std
        if self.components is not None:
            axes = self.components.axes.double().cpu()
            x = (x - self.components.mean.double().cpu()) @ axes.T
        return x

    def extent(self, points: Tensor) -> tuple[float, float, float, float]:
        """Left, right, bottom and top of a rectangle with a margin around `points`; never empty."""
        low, high = points.amin(0), points.amax(0)
        room = _MARGIN * torch.where(high > low, high - low, torch.full_like(low, 1 / _MARGIN))
        (left, bottom), (right, top) = (low - room).tolist(), (high + room).tolist()
        return left, right, bottom, top


def plane(parts: Parts, stored: tuple[int, ...]) -> Plane | None:
    """The plane of a prepared set, None where its samples are anything but two numbers.

    Args:
        stored: shape of one sample as stored. Two features of its own are shown in their own units, two principal
            components of more as such.
    """
    if parts.kind != "vector" or parts.shape != (2,):
        return None
    if stored == (2,):
        return Plane(("feature 0", "feature 1"), parts.moments, parts.components)
    return Plane(("principal component 1", "principal component 2"))


def grid(extent: tuple[float, float, float, float], side: int) -> Tensor:
    """The centres of `side` x `side` cells of a rectangle, `(side * side, 2)` float64, row by row from its bottom."""
    left, right, bottom, top = extent
    steps = (torch.arange(side, dtype=torch.float64) + 0.5) / side
    x, y = left + (right - left) * steps, bottom + (top - bottom) * steps
    return torch.stack([x.expand(side, -1).flatten(), y.unsqueeze(1).expand(-1, side).flatten()], 1)
