"""Batch normalisation with running statistics per member."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.nn.layer import Context, Layer, Parameter, Saved, Shape, Tensors

# Both as the defaults of torch.nn.BatchNorm2d.
EPSILON = 1e-5
MOMENTUM = 0.1  # weight of the newest batch in the running statistics


@dataclass(frozen=True)
class BatchNorm(Layer):
    """The map `y = gamma (x - mean) / sqrt(variance + 1e-5) + beta` per channel (Ioffe and Szegedy 2015).

    Training uses the mean and the biased variance over the batch and all places. It moves the running statistics a
    tenth of the way towards that mean and the unbiased variance. Evaluation uses the running statistics, and so does
    a training batch with a single value per channel, whose unbiased variance is not defined.
    """

    @property
    def kind(self) -> str:
        return "batch_norm"

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def parameters(self, shape: Shape) -> dict[str, Parameter]:
        """Return a scale gamma (C,) and a bias beta (C,) per channel."""
        return {"gamma": Parameter(shape[:1], "scale"), "beta": Parameter(shape[:1], "bias")}

    def buffers(self, shape: Shape) -> dict[str, tuple[Shape, float]]:
        """Return the running mean (C,), which starts at 0, and the running variance (C,), which starts at 1."""
        return {"mean": (shape[:1], 0.0), "variance": (shape[:1], 1.0)}

    def forward(self, x: Tensor, parameters: Tensors, buffers: Tensors, context: Context) -> tuple[Tensor, Saved]:
        """Return the normalised values, shape (M, B, C, *sides), for inputs of shape (G, B, C, *sides)."""
        arrived, x = x.dtype, x.to(parameters[0].dtype)
        gamma, beta = (_per_channel(p, x) for p in parameters)
        axes = [1, *range(3, x.dim())]
        count = x.shape[1] * x.shape[3:].numel()
        by_batch = context.training and count > 1
        if by_batch:
            mean = x.mean(axes, keepdim=True)
            centred = x - mean
            variance = (centred * centred).mean(axes, keepdim=True)
            _move(buffers[0], mean)
            _move(buffers[1], variance * (count / (count - 1)))
        else:
            centred = x - _per_channel(buffers[0], x)
            variance = _per_channel(buffers[1], x)
        inverse_deviation = (variance + EPSILON).sqrt().reciprocal()
        standard = centred * inverse_deviation
        y = (standard * gamma + beta).to(arrived)
        return y, (standard, inverse_deviation, axes if by_batch else None)

    def backward(
        self, dy: Tensor, saved: Saved, parameters: Tensors, gradients: Tensors, need_dx: bool
    ) -> Tensor | None:
        """Return `dx = gamma / deviation (dy - mean dy - z mean(dy z))`, shape (M, B, C, *sides).

        Here z is the standardised input; `dgamma = sum dy z` and `dbeta = sum dy` go to `gradients` (Ioffe and Szegedy
        2015, section 3). Running statistics do not depend on x: where they were used, both means drop out of dx.
        """
        standard, inverse_deviation, axes = saved
        dy = dy.to(standard.dtype)
        places = [1, *range(3, dy.dim())]
        torch.sum(dy * standard, places, out=gradients[0])
        torch.sum(dy, places, out=gradients[1])
        if not need_dx:
            return None
        dz = dy * _per_channel(parameters[0], dy)
        if axes is not None:
            dz = dz - dz.mean(axes, keepdim=True) - standard * (dz * standard).mean(axes, keepdim=True)
        dx: Tensor = dz * inverse_deviation
        return dx


def _per_channel(value: Tensor, like: Tensor) -> Tensor:
    """Return (M, C) as (M, 1, C, 1, ...), with as many axes as `like`."""
    return value.view(value.shape[0], 1, value.shape[1], *[1] * (like.dim() - 3))


def _move(running: Tensor, batch: Tensor) -> None:
    """Step the running statistic, shape (M, C), towards the batch's, shape (G, 1, C, 1, ...), in place."""
    value = batch.detach().flatten(2).flatten(1)
    running.mul_(1 - MOMENTUM).add_(value, alpha=MOMENTUM)
