"""The input of a network as a parameter, so that its own backward pass also yields the gradient with respect to x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from labkit.nn.layer import Context, Layer, Parameter, Shape, Tensors


@dataclass(frozen=True)
class Input(Layer):
    """`y = x + p` with a p for every sample of the batch.

    A network stops its backward pass at the first layer with parameters; behind this one it goes through to the input.

    Attributes:
        batch: samples of the batch.
    """

    batch: int

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def parameters(self, shape: Shape) -> dict[str, Parameter]:
        return {"x": Parameter((self.batch, *shape), "bias")}

    def forward(self, x: Tensor, parameters: Tensors, buffers: Tensors, context: Context) -> tuple[Tensor, Any]:
        return x + parameters[0], None

    def backward(self, dy: Tensor, saved: Any, parameters: Tensors, gradients: Tensors, need_dx: bool) -> Tensor | None:
        gradients[0].copy_(dy)
        return dy if need_dx else None
