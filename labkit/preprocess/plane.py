"""The plane of samples with two features: conversion from the network's inputs to the stored units, and back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.preprocess.normalise import Moments
from labkit.preprocess.pca import Components
from labkit.preprocess.prepare import Parts

_MARGIN = 0.06  # free space on every side of the points, as a share of their range


@dataclass(frozen=True)
class Plane:
    """The map between prepared features, shape (n, 2), and points in the units of a figure's axes, shape (n, 2).

    Attributes:
        names: Names of the two axes.
        moments: Mean and deviation used in normalising; None if the set was not normalised.
        components: Rotation of the set's own two features; None if they were not rotated.
    """

    names: tuple[str, str]
    moments: Moments | None = None
    components: Components | None = None

    def points(self, features: Tensor) -> Tensor:
        """Return prepared features, shape (n, 2), as points in the units of the axes, shape (n, 2), float64."""
        x = features.double().cpu()
        if self.components is not None:
            x = x @ self.components.axes.double().cpu() + self.components.mean.double().cpu()
        return x if self.moments is None else x * self.moments.std + self.moments.mean

    def features(self, points: Tensor) -> Tensor:
        """Return points, shape (n, 2), as the features that the network gets, shape (n, 2): the inverse of `points`."""
        x = points if self.moments is None else (points - self.moments.mean) / self.moments.std
        if self.components is not None:
            axes = self.components.axes.double().cpu()
            x = (x - self.components.mean.double().cpu()) @ axes.T
        return x

    def extent(self, points: Tensor) -> tuple[float, float, float, float]:
        """Return left, right, bottom and top of a rectangle with a margin around points, shape (n, 2); never empty."""
        low, high = points.amin(0), points.amax(0)
        room = _MARGIN * torch.where(high > low, high - low, torch.full_like(low, 1 / _MARGIN))
        (left, bottom), (right, top) = (low - room).tolist(), (high + room).tolist()
        return left, right, bottom, top


def plane(parts: Parts, stored: tuple[int, ...]) -> Plane | None:
    """Return the plane of a prepared set; None where a sample is not two numbers.

    Args:
        parts: Parts of the prepared set.
        stored: Shape of one sample as stored. A set of two features is shown in their own units; two principal
            components of more features are shown as such.
    """
    if parts.kind != "vector" or parts.shape != (2,):
        return None
    if stored == (2,):
        return Plane(("feature 0", "feature 1"), parts.moments, parts.components)
    return Plane(("principal component 1", "principal component 2"))


def grid(extent: tuple[float, float, float, float], side: int) -> Tensor:
    """Return the centres of `side` x `side` cells of a rectangle, shape (side * side, 2), float64, lowest row first."""
    left, right, bottom, top = extent
    steps = (torch.arange(side, dtype=torch.float64) + 0.5) / side
    x, y = left + (right - left) * steps, bottom + (top - bottom) * steps
    return torch.stack([x.expand(side, -1).flatten(), y.unsqueeze(1).expand(-1, side).flatten()], 1)
