"""A layer that lays out samples of any shape as vectors."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from torch import Tensor

from labkit.nn.layer import Context, Layer, Saved, Shape, Tensors


@dataclass(frozen=True)
class Flatten(Layer):
    """The change from (channels, *sides) to (channels * sides,), last axis fastest."""

    def output_shape(self, shape: Shape) -> Shape:
        return (prod(shape),)

    def forward(self, x: Tensor, parameters: Tensors, buffers: Tensors, context: Context) -> tuple[Tensor, Saved]:
        """Return the batch (G, B, *shape) as (G, B, features), and its former shape."""
        return x.flatten(2), x.shape

    def backward(
        self, dy: Tensor, saved: Saved, parameters: Tensors, gradients: Tensors, need_dx: bool
    ) -> Tensor | None:
        """Return `dy`, shape (M, B, features), in the shape of the input."""
        return dy.reshape(dy.shape[0], *saved[1:]) if need_dx else None
