"""Fully connected layer."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from labkit.nn.layer import Context, Parameter, Shape, Tensors, WeightLayer


@dataclass(frozen=True)
class Linear(WeightLayer):
    """`y = W x + b`.

    Attributes:
        units: number of outputs.
        bias: whether there is a b.
    """

    units: int
    bias: bool = True

    def output_shape(self, shape: Shape) -> Shape:
        return (self.units,)

    def parameters(self, shape: Shape) -> dict[str, Parameter]:
        inputs = prod(shape)
        weight = Parameter((self.units, inputs), "weight", fan_in=inputs, fan_out=self.units)
        return {"weight": weight, "bias": Parameter((self.units,), "bias")} if self.bias else {"weight": weight}

    def forward(self, x: Tensor, parameters: Tensors, buffers: Tensors, context: Context) -> tuple[Tensor, Any]:
        weight = parameters[0]  # (M, units, inputs)
        bias = parameters[1] if self.bias else None
        if context.product is None:
            return _affine(x, weight, bias), x
        x = x.to(context.product)
        y = _affine(x, weight.to(context.product), None).to(weight.dtype)
        return y if bias is None else y + bias.unsqueeze(1), x

    def backward(self, dy: Tensor, saved: Any, parameters: Tensors, gradients: Tensors, need_dx: bool) -> Tensor | None:
        """`dW = dy x'`, `db = sum dy`, `dx = W' dy`; the first two summed over the batch."""
        x: Tensor = saved
        weight = parameters[0]
        if self.bias:
            torch.sum(dy, 1, out=gradients[1])
        if x.dtype == dy.dtype:
            _outer(dy, x, gradients[0])
            return torch.bmm(dy, weight) if need_dx else None
        low = dy.to(x.dtype)
        if x.shape[0] == 1 and len(weight) > 1:
            gradients[0].flatten(0, 1).copy_(torch.mm(low.transpose(1, 2).flatten(0, 1), x[0]))
        else:
            gradients[0].copy_(torch.bmm(low.transpose(1, 2), x))
        return torch.bmm(low, weight.to(x.dtype)).to(dy.dtype) if need_dx else None


def _affine(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`(M, B, units)` from `(G, B, inputs)`, `(M, units, inputs)` and `(M, units)`.

    A batch that several members share is one product against the stacked weights.
    """
    members = weight.shape[0]
    if members > 1 and x.shape[0] == 1:
        flat: Tensor = functional.linear(x[0], weight.flatten(0, 1), None if bias is None else bias.flatten())
        y: Tensor = flat.unflatten(1, (members, -1)).transpose(0, 1)
        return y
    if bias is None:
        return torch.bmm(x, weight.transpose(1, 2))
    return torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))


def _outer(dy: Tensor, x: Tensor, gradient: Tensor) -> None:
    """Write the sum over the batch of `dy x'` into `gradient` `(M, units, inputs)`."""
    if x.shape[0] == 1 and dy.shape[0] > 1:
        stacked = dy.transpose(1, 2).flatten(0, 1)  # (M * units, B)
        torch.mm(stacked, x[0], out=gradient.flatten(0, 1))
    else:
        torch.bmm(dy.transpose(1, 2), x, out=gradient)
