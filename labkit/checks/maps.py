"""A function with its transposed Jacobian by hand: the object of the gradient, Jacobian and transpose tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

Tensors = dict[str, Tensor]
GROUPS = {"weight": "W", "bias": "b", "scale": "scale"}  # role of a parameter -> the group of variables it belongs to
ALL = "all"


@dataclass(frozen=True)
class Map:
    """A function `f` at one point, float64.

    Attributes:
        point: Variables by name; everything else (ids, labels, masks) is fixed.
        groups: Variable -> its group: `W`, `b`, `scale` or `x`.
        value: Function that gives `f` at other values of the variables, any shape; always with the same draws and
            starting statistics.
        pullback: Function that gives `J'u` at `point`, for a `u` of the output's shape, by hand-written code.
        pieces: Function that gives the linear piece of each kinked layer on which the values lie; two points with equal
            pieces are joined by one smooth formula. Empty where nothing has a kink.
    """

    point: Tensors
    groups: Mapping[str, str]
    value: Callable[[Mapping[str, Tensor]], Tensor]
    pullback: Callable[[Tensor], Tensors]
    pieces: Callable[[Mapping[str, Tensor]], Sequence[Tensor]]

    def selections(self) -> dict[str, tuple[str, ...]]:
        """Return the variables of each group, and of all groups jointly where there are several."""
        names = {group: tuple(n for n in self.point if self.groups[n] == group) for group in self.groups.values()}
        return {**names, ALL: tuple(self.point)} if len(names) > 1 else names


def inner(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    """Return the inner product, a scalar, over the variables of `one`; those of `other` have the same shapes."""
    return float(sum((one[name] * other[name]).sum() for name in one))


def length(tensors: Mapping[str, Tensor]) -> float:
    """Return the Euclidean length, a scalar, of all variables together."""
    return sqrt(inner(tensors, tensors))


def unit_direction(point: Mapping[str, Tensor], names: Sequence[str], seed: int) -> Tensors:
    """Return a random direction of length 1 in some variables.

    Args:
        point: Variables of any shape; the direction has their shapes.
        names: Names of the variables that move.
        seed: Seed of the direction.
    """
    draw = torch.Generator().manual_seed(seed)
    drawn = {name: torch.randn(point[name].shape, generator=draw, dtype=point[name].dtype) for name in names}
    size = length(drawn)
    return {name: value / size for name, value in drawn.items()}


def moved(point: Mapping[str, Tensor], direction: Mapping[str, Tensor], step: float) -> Tensors:
    """Return `point + step * direction`, each variable in its own shape; one without a direction stays as it is."""
    return {name: value + step * direction[name] if name in direction else value for name, value in point.items()}
