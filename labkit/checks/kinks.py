"""The linear piece of each kinked layer on which the values lie."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from labkit.nn.activation import Activation
from labkit.nn.layer import Layer, Saved
from labkit.nn.pooling import MaxPool

KINKED = ("relu", "leaky_relu")  # activations with a kink at 0


def pieces(passed: Iterable[tuple[Layer, Saved]]) -> list[Tensor]:
    """Return the sign pattern of every kinked activation and the winners of every max pooling.

    Args:
        passed: Layers, each with what its forward pass saved.
    """
    found = []
    for layer, saved in passed:
        if isinstance(layer, Activation) and layer.function in KINKED:
            found.append(saved > 0)
        elif isinstance(layer, MaxPool):
            found += [first for _, first in layer.winners(*saved)]
    return found
