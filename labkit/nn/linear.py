"""The fully connected layer."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor
from torch.nn import functional

from labkit.nn.layer import Context, Factors, Gradients, Parameter, Saved, Shape, Tensors, WeightLayer

# From this many inputs on, a batch that several members share is multiplied once with their stacked weights. With fewer
# inputs the transposed copies around that product cost more than it saves (docs/decisions.md).
_SHARED_PAYS = 100


@dataclass(frozen=True)
class Linear(WeightLayer):
    """The affine map `y = W x + b`.

    Attributes:
        units: Number of outputs.
        bias: True for a bias b per output.
    """

    units: int
    bias: bool = True

    def output_shape(self, shape: Shape) -> Shape:
        return (self.units,)

    def parameters(self, shape: Shape) -> dict[str, Parameter]:
        """Return a weight (units, inputs) and a bias (units,)."""
        inputs = prod(shape)
        weight = Parameter((self.units, inputs), "weight", fan_in=inputs, fan_out=self.units)
        return {"weight": weight, "bias": Parameter((self.units,), "bias")} if self.bias else {"weight": weight}

    def forward(self, x: Tensor, parameters: Tensors, buffers: Tensors, context: Context) -> tuple[Tensor, Saved]:
        """Return `W x + b`, shape (M, B, units), for inputs of shape (G, B, inputs)."""
        weight = parameters[0]  # (M, units, inputs)
        bias = parameters[1] if self.bias else None
        if context.product is None:
            return affine(x, weight, bias), x
        x = x.to(context.product)
        # The bias is added in the parameters' own precision, after the low-precision product.
        y = affine(x, weight.to(context.product), None).to(weight.dtype)
        return y if bias is None else y + bias.unsqueeze(1), x

    def backward(
        self, dy: Tensor, saved: Saved, parameters: Tensors, gradients: Gradients, need_dx: bool
    ) -> Tensor | None:
        """Return `dx = W' dy`, shape (M, B, inputs); write `dW = dy x'` and `db = dy`, both summed over the batch.

        Where `gradients` holds `Factors` for the weight, `dy` and `x` are put there and not multiplied.
        """
        x: Tensor = saved
        weight = parameters[0]
        if self.bias:
            torch.sum(dy, 1, dtype=weight.dtype, out=gradients[1])
        low = dy if dy.dtype == x.dtype else dy.to(x.dtype)  # x was kept in the dtype of the product
        target = gradients[0]
        if isinstance(target, Factors):
            target.left, target.right = low.transpose(1, 2), x
        elif x.dtype == target.dtype:
            outer(low, x, target)
        else:  # a product writes only into its own dtype
            target.copy_(outer(low, x))
        if not need_dx:
            return None
        # Asked first: `to` takes its time even where there is nothing to do.
        return torch.bmm(low, weight) if low is dy else torch.bmm(low, weight.to(x.dtype)).to(dy.dtype)


def affine(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the outputs, shape (M, B, units).

    Args:
        x: Inputs, shape (G, B, inputs).
        weight: Weights, shape (M, units, inputs).
        bias: Biases, shape (M, units), or None.
    """
    members = weight.shape[0]
    if _one_product(x, members):
        flat: Tensor = functional.linear(x[0], weight.flatten(0, 1), None if bias is None else bias.flatten())
        y: Tensor = flat.unflatten(1, (members, -1)).transpose(0, 1)
        return y
    x = _expanded(x, members)
    if bias is None:
        return torch.bmm(x, weight.transpose(1, 2))
    return torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))


def outer(dy: Tensor, x: Tensor, gradient: Tensor | None = None) -> Tensor:
    """Return the sum over the batch of `dy x'`, shape (M, units, inputs), written into `gradient` where that is given.

    Args:
        dy: Gradients with respect to the outputs, shape (M, B, units).
        x: Inputs, shape (G, B, inputs).
        gradient: Tensor of the result's shape and dtype, contiguous.
    """
    if not _one_product(x, dy.shape[0]):
        return torch.bmm(dy.transpose(1, 2), _expanded(x, dy.shape[0]), out=gradient)
    stacked = dy.transpose(1, 2).flatten(0, 1)  # (M * units, B)
    product = torch.mm(stacked, x[0], out=None if gradient is None else gradient.flatten(0, 1))
    return product.view(dy.shape[0], -1, product.shape[1])


def _one_product(x: Tensor, members: int) -> bool:
    """Return True where one product with the stacked weights of all members pays, for inputs (G, B, inputs)."""
    return x.shape[0] == 1 and members > 1 and x.shape[-1] >= _SHARED_PAYS


def _expanded(x: Tensor, members: int) -> Tensor:
    return x if x.shape[0] == members else x.expand(members, -1, -1)
