"""Activation functions, each with its derivative, built from exp and arithmetic alone.

Each function of `x` returns its value, shape (G, B, *features) like `x`, and the tensors that its derivative needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from labkit.nn.constant import constant
from labkit.nn.layer import Context, Layer, Saved, Shape, Tensors

LEAKY_SLOPE = 0.1  # Boulder lab, eq. 2
_LIMIT = 40.0  # exp(40)^2 still fits a float32, so autograd's derivative through it is finite

# Under autograd every intermediate value is kept for its backward pass. Without it, each formula runs in place on one
# temporary and computes exp(x) as exp2(x log2 e), two to three times faster in torch on a CPU (docs/decisions.md).
_LOG2_E = 1.4426950408889634


def _sigmoid_value(x: Tensor) -> Tensor:
    if x.requires_grad:
        return 1 / (1 + (-x).clamp(max=_LIMIT).exp())
    # No clamp here: where exp2 overflows to infinity, its reciprocal is the right value, 0.
    return x.mul(constant(-_LOG2_E, x)).exp2_().add_(constant(1.0, x)).reciprocal_()


def _identity(x: Tensor) -> tuple[Tensor, Saved]:
    """Return `f(x) = x`."""
    return x, None


def _identity_backward(dy: Tensor, saved: Saved) -> Tensor:
    return dy


def _sigmoid(x: Tensor) -> tuple[Tensor, Saved]:
    """Return `s(x) = 1 / (1 + exp(-x))`; its derivative is `s' = s (1 - s)`."""
    y = _sigmoid_value(x)
    return y, y


def _sigmoid_backward(dy: Tensor, y: Tensor) -> Tensor:
    return torch.addcmul(y, y, y, value=-1).mul_(dy)


def _tanh(x: Tensor) -> tuple[Tensor, Saved]:
    """Return `tanh(x) = 1 - 2 / (1 + exp(2 x))` (Boulder lab, eq. 3); its derivative is `tanh' = 1 - tanh^2`."""
    if x.requires_grad:
        y = 1 - 2 / (1 + (2 * x).clamp(max=_LIMIT).exp())
    else:
        one = constant(1.0, x)
        half = x.mul(constant(2 * _LOG2_E, x)).exp2_().add_(one).reciprocal_()
        y = torch.sub(one, half, alpha=2, out=half)
    return y, y


def _tanh_backward(dy: Tensor, y: Tensor) -> Tensor:
    return torch.addcmul(constant(1.0, y), y, y, value=-1).mul_(dy)


def _relu(x: Tensor) -> tuple[Tensor, Saved]:
    """Return `max(x, 0)`; its derivative at 0 is 0. A NaN stays a NaN, so that a diverged member shows it."""
    y = torch.where(x <= 0, 0, x) if x.requires_grad else torch.maximum(x, constant(0.0, x))
    return y, y


def _positive(y: Tensor) -> Tensor:
    """Return 1 where y is above 0, else 0, in the dtype of y: ten times as fast as a mask of bools (decisions.md)."""
    return torch.gt(y, constant(0.0, y), out=torch.empty_like(y))


def _relu_backward(dy: Tensor, y: Tensor) -> Tensor:
    return _positive(y).mul_(dy)


def _leaky_relu(x: Tensor) -> tuple[Tensor, Saved]:
    """Return `max(x, 0.1 x)` (Boulder lab, eq. 2); its derivative at 0 is 0.1."""
    y = torch.where(x <= 0, LEAKY_SLOPE * x, x) if x.requires_grad else torch.maximum(x, x * constant(LEAKY_SLOPE, x))
    return y, y


def _leaky_relu_backward(dy: Tensor, y: Tensor) -> Tensor:
    # y has the sign of x, so x itself need not be kept.
    return _positive(y).clamp_(min=LEAKY_SLOPE).mul_(dy)


def _silu(x: Tensor) -> tuple[Tensor, Saved]:
    """Return `x s(x)` with the sigmoid s (Boulder lab, eq. 4); its derivative is `y + s (1 - y)`."""
    s = _sigmoid_value(x)
    y = x * s
    return y, (y, s)


def _silu_backward(dy: Tensor, saved: tuple[Tensor, Tensor]) -> Tensor:
    y, s = saved
    # The derivative is y + s (1 - y): the point at s between y and 1.
    return torch.lerp(y, constant(1.0, y), s).mul_(dy)


def _gaussian(x: Tensor) -> tuple[Tensor, Saved]:
    """Return `exp(-x^2)` (Boulder lab, eq. 5); its derivative is `-2 x exp(-x^2)`."""
    y = (x * x).mul_(constant(-_LOG2_E, x)).exp2_()
    return y, (x, y)


def _gaussian_backward(dy: Tensor, saved: tuple[Tensor, Tensor]) -> Tensor:
    x, y = saved
    return (x * y).mul_(dy).mul_(-2)


class _Function(NamedTuple):
    """A function and its derivative: `backward` takes the output's gradient and the second result of `forward`."""

    forward: Callable[[Tensor], tuple[Tensor, Saved]]
    backward: Callable[[Tensor, Saved], Tensor]


ACTIVATIONS: dict[str, _Function] = {
    "identity": _Function(_identity, _identity_backward),
    "sigmoid": _Function(_sigmoid, _sigmoid_backward),
    "tanh": _Function(_tanh, _tanh_backward),
    "relu": _Function(_relu, _relu_backward),
    "leaky_relu": _Function(_leaky_relu, _leaky_relu_backward),
    "silu": _Function(_silu, _silu_backward),
    "gaussian": _Function(_gaussian, _gaussian_backward),
}


@dataclass(frozen=True)
class Activation(Layer):
    """One of `ACTIVATIONS`, applied to every number on its own.

    Attributes:
        function: Name in `ACTIVATIONS`.
    """

    function: str

    @property
    def kind(self) -> str:
        return self.function

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def forward(self, x: Tensor, parameters: Tensors, buffers: Tensors, context: Context) -> tuple[Tensor, Saved]:
        """Return the function's values, shape (G, B, *features) like `x`, and the tensors that its derivative needs."""
        return ACTIVATIONS[self.function].forward(x)

    def backward(
        self, dy: Tensor, saved: Saved, parameters: Tensors, gradients: Tensors, need_dx: bool
    ) -> Tensor | None:
        """Return `dy f'(x)`, shape (G, B, *features)."""
        return ACTIVATIONS[self.function].backward(dy, saved) if need_dx else None
