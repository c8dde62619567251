"""Convolutions over one or two spatial axes.

The members of a population become groups of one torch convolution: `fold` puts them beside the channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from labkit.config import ConfigError
from labkit.nn.layer import Context, Parameter, Saved, Shape, Tensors, WeightLayer

# The operator that autograd itself calls for a convolution's backward pass.
BACKWARD = torch.ops.aten.convolution_backward.default
_CONVOLVE = {1: functional.conv1d, 2: functional.conv2d}


@dataclass(frozen=True)
class Convolution(WeightLayer):
    """Cross-correlation of `channels` kernels with zero-padded input, plus a bias per channel.

    Attributes:
        dimensions: Number of spatial axes, 1 or 2.
        channels: Number of output channels.
        kernel: Side of the kernel, in places.
        stride: Distance between two neighbouring windows, in places.
        padding: Number of zeros added at each end of each spatial axis.
        bias: True for a bias per output channel.
    """

    dimensions: int
    channels: int
    kernel: int = 3
    stride: int = 1
    padding: int = 0
    bias: bool = True

    @property
    def kind(self) -> str:
        return f"conv{self.dimensions}d"

    def output_shape(self, shape: Shape) -> Shape:
        """Return (channels, *sides) for samples (channels in, *sides); raise ConfigError where no window fits."""
        if len(shape) != self.dimensions + 1:
            want = "(channels, length)" if self.dimensions == 1 else "(channels, height, width)"
            raise ConfigError(f"model: {self.kind} needs samples of shape {want}, got {shape}.")
        sides = [(side + 2 * self.padding - self.kernel) // self.stride + 1 for side in shape[1:]]
        if min(sides) < 1:
            raise ConfigError(
                f"model: {self.kind} with kernel {self.kernel} and padding {self.padding} does not fit into {shape}."
            )
        return (self.channels, *sides)

    def parameters(self, shape: Shape) -> dict[str, Parameter]:
        """Return a weight (channels, channels in, *kernel) and a bias (channels,)."""
        area = self.kernel**self.dimensions
        kernel = (self.channels, shape[0], *[self.kernel] * self.dimensions)
        weight = Parameter(kernel, "weight", fan_in=shape[0] * area, fan_out=self.channels * area)
        return {"weight": weight, "bias": Parameter((self.channels,), "bias")} if self.bias else {"weight": weight}

    def forward(self, x: Tensor, parameters: Tensors, buffers: Tensors, context: Context) -> tuple[Tensor, Saved]:
        """Return the outputs, shape (M, B, channels, *sides), for inputs of shape (G, B, channels in, *sides)."""
        weight = parameters[0].flatten(0, 1)  # (M * channels, channels in, *kernel)
        bias = parameters[1].flatten() if self.bias else None
        # (B, G * channels in, *sides). A batch that all members share is one group, read by every member's kernels.
        folded, groups = fold(x), x.shape[0]
        if context.product is not None:
            folded, weight = folded.to(context.product), weight.to(context.product)
            bias = bias if bias is None else bias.to(context.product)
        if context.channels_last:
            folded = folded.movedim(1, -1).contiguous().movedim(-1, 1)
        y = _CONVOLVE[self.dimensions](folded, weight, bias, self.stride, self.padding, 1, groups)
        if context.product is not None and not context.low_between:
            y = y.to(parameters[0].dtype)
        return unfold(y, len(parameters[0])), (folded, weight, groups, x.dtype)

    def backward(
        self, dy: Tensor, saved: Saved, parameters: Tensors, gradients: Tensors, need_dx: bool
    ) -> Tensor | None:
        """Return the transposed convolution of `dy`, shape (M, B, channels in, *sides), by autograd's own operator."""
        folded, weight, groups, arrived = saved
        # In the operator's order: dilation 1, not transposed, no output padding. dx is only asked of a layer behind
        # other parameters, and there G = M, so no sum over members is missing from it.
        each = [1] * self.dimensions
        dx, dw, db = BACKWARD(
            fold(dy.to(folded.dtype)),
            folded,
            weight,
            [weight.shape[0]] if self.bias else None,
            [self.stride] * self.dimensions,
            [self.padding] * self.dimensions,
            each,
            False,
            [0] * self.dimensions,
            groups,
            [need_dx, True, self.bias],
        )
        gradients[0].copy_(dw.view_as(gradients[0]))
        if self.bias:
            gradients[1].copy_(db.view_as(gradients[1]))
        return unfold(dx, groups).to(arrived) if need_dx else None


def fold(x: Tensor) -> Tensor:
    """Return (G, B, C, *sides) as (B, G * C, *sides); a view for G = 1 and for a result of `unfold`, else a copy."""
    return x[0] if x.shape[0] == 1 else x.transpose(0, 1).flatten(1, 2)


def unfold(y: Tensor, members: int) -> Tensor:
    """Return (B, M * C, *sides) as (M, B, C, *sides), a view."""
    return y.unsqueeze(0) if members == 1 else y.unflatten(1, (members, -1)).transpose(0, 1)
