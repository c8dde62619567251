"""Activation functions, each with its derivative, from exp and arithmetic alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from labkit.nn.constant import constant
from labkit.nn.layer import Context, Layer, Shape, Tensors

LEAKY_SLOPE = 0.1  # Boulder lab, eq. 2
_LIMIT = 40.0  # exp(40)^2 still fits a float32, so autograd's derivative through it is finite

_LOG2_E = 1.4426950408889634
# Where autograd records, values are kept; elsewhere each formula runs in place on one temporary, and with
# exp(x) = exp2(x log2 e), which torch computes two to three times faster on a CPU (docs/decisions.md).


def _sigmoid_value(x: Tensor) -> Tensor:
    if x.requires_grad:
        return 1 / (1 + (-x).clamp(max=_LIMIT).exp())
    return x.mul(constant(-_LOG2_E, x)).exp2_().add_(constant(1.0, x)).reciprocal_()


def _identity(x: Tensor) -> tuple[Tensor, Any]:
    """`f(x) = x`."""
    return x, None


def _identity_backward(dy: Tensor, saved: Any) -> Tensor:
    return dy


def _sigmoid(x: Tensor) -> tuple[Tensor, Any]:
    """`s(x) = 1 / (1 + exp(-x))`, `s' = s (1 - s)`."""
    y = _sigmoid_value(x)
    return y, y


def _sigmoid_backward(dy: Tensor, y: Tensor) -> Tensor:
    return torch.addcmul(y, y, y, value=-1).mul_(dy)


def _tanh(x: Tensor) -> tuple[Tensor, Any]:
    """`tanh(x) = 1 - 2 / (1 + exp(2 x))` (Boulder lab, eq. 3), `tanh' = 1 - tanh^2`."""
    if x.requires_grad:
        y = 1 - 2 / (1 + (2 * x).clamp(max=_LIMIT).exp())
    else:
        one = constant(1.0, x)
        half = x.mul(constant(2 * _LOG2_E, x)).exp2_().add_(one).reciprocal_()
        y = torch.sub(one, half, alpha=2, out=half)
    return y, y


def _tanh_backward(dy: Tensor, y: Tensor) -> Tensor:
    return torch.addcmul(constant(1.0, y), y, y, value=-1).mul_(dy)


def _relu(x: Tensor) -> tuple[Tensor, Any]:
    """`max(x, 0)`, derivative 0 at 0; a NaN stays one."""
    y = torch.where(x <= 0, 0, x) if x.requires_grad else torch.maximum(x, constant(0.0, x))
    return y, y


def _relu_backward(dy: Tensor, y: Tensor) -> Tensor:
    return dy * (y > constant(0.0, y))


def _leaky_relu(x: Tensor) -> tuple[Tensor, Any]:
    """`max(x, 0.1 x)` (Boulder lab, eq. 2), derivative 0.1 at 0."""
    y = torch.where(x <= 0, LEAKY_SLOPE * x, x) if x.requires_grad else torch.maximum(x, x * constant(LEAKY_SLOPE, x))
    return y, y


def _leaky_relu_backward(dy: Tensor, y: Tensor) -> Tensor:
    return torch.where(y <= 0, LEAKY_SLOPE * dy, dy)


def _silu(x: Tensor) -> tuple[Tensor, Any]:
    """`x s(x)` (Boulder lab, eq. 4), derivative `s (1 + x (1 - s))`."""
    s = _sigmoid_value(x)
    return x * s, (x, s)


def _silu_backward(dy: Tensor, saved: tuple[Tensor, Tensor]) -> Tensor:
    x, s = saved
    return torch.addcmul(s, x, torch.addcmul(s, s, s, value=-1)).mul_(dy)


def _gaussian(x: Tensor) -> tuple[Tensor, Any]:
    """`exp(-x^2)` (Boulder lab, eq. 5), derivative `-2 x exp(-x^2)`."""
    y = (x * x).mul_(constant(-_LOG2_E, x)).exp2_()
    return y, (x, y)


def _gaussian_backward(dy: Tensor, saved: tuple[Tensor, Tensor]) -> Tensor:
    x, y = saved
    return (x * y).mul_(dy).mul_(-2)


class _Function(NamedTuple):
    forward: Callable[[Tensor], tuple[Tensor, Any]]
    backward: Callable[[Tensor, Any], Tensor]


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
    """One of `ACTIVATIONS`, elementwise."""

    function: str

    @property
    def kind(self) -> str:
        return self.function

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def forward(self, x: Tensor, parameters: Tensors, buffers: Tensors, context: Context) -> tuple[Tensor, Any]:
        return ACTIVATIONS[self.function].forward(x)

    def backward(self, dy: Tensor, saved: Any, parameters: Tensors, gradients: Tensors, need_dx: bool) -> Tensor | None:
        return ACTIVATIONS[self.function].backward(dy, saved) if need_dx else None
