"""Inverted dropout with a probability per member."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.nn.layer import Context, Layer, Saved, Shape, Tensors


@dataclass(frozen=True)
class Dropout(Layer):
    """A layer that sets each value to 0 with probability p, else divides it by 1 - p (Srivastava et al. 2014).

    In evaluation it changes nothing. With p = 1 the output is 0 and no gradient passes.

    Attributes:
        index: Column of `Context.rates` that holds each member's p.
    """

    index: int

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def forward(self, x: Tensor, parameters: Tensors, buffers: Tensors, context: Context) -> tuple[Tensor, Saved]:
        """Return the thinned values, shape (M, B, *features), and the factor 0 or 1 / (1 - p) of each."""
        if not context.training:
            return x, None
        assert context.rates is not None
        assert context.draws is not None
        rate = context.rates[:, self.index].view(-1, *[1] * (x.dim() - 1))
        kept = context.draws.uniform(tuple(x.shape[1:]), rate) >= rate
        # With `where`, for a member with p = 1: its 1 / (1 - p) is infinite, and 0 * infinity would be NaN.
        factor = kept * torch.where(rate < 1, 1 / (1 - rate), 0)
        return (x * factor).to(x.dtype), factor

    def backward(
        self, dy: Tensor, saved: Saved, parameters: Tensors, gradients: Tensors, need_dx: bool
    ) -> Tensor | None:
        """Return `dy` times the factors of the forward pass, shape (M, B, *features)."""
        if not need_dx:
            return None
        return dy if saved is None else dy * saved
