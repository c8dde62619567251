"""Inverted dropout with a probability per member."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from labkit.nn.layer import Context, Layer, Shape, Tensors


@dataclass(frozen=True)
class Dropout(Layer):
    """Each value is 0 with probability p and else divided by 1 - p; the identity in evaluation (Srivastava 2014).

    p is a member's own: column `index` of `Context.rates`. With p = 1 the output is 0 and no gradient passes.
    """

    index: int

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def forward(self, x: Tensor, parameters: Tensors, buffers: Tensors, context: Context) -> tuple[Tensor, Any]:
        if not context.training:
            return x, None
        assert context.rates is not None
        assert context.draws is not None
        rate = context.rates[:, self.index].view(-1, *[1] * (x.dim() - 1))
        kept = context.draws.uniform(tuple(x.shape[1:]), x) >= rate
        factor = kept * torch.where(rate < 1, 1 / (1 - rate), 0)
        return x * factor, factor

    def backward(self, dy: Tensor, saved: Any, parameters: Tensors, gradients: Tensors, need_dx: bool) -> Tensor | None:
        if not need_dx:
            return None
        return dy if saved is None else dy * saved
