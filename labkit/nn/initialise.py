"""Initialisers: rules that draw the weights of a member before the first step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from labkit.config import Memberwise, NonNegative
from labkit.nn.layer import Parameter
from labkit.shipped import IN_FILE, defaults


@dataclass(frozen=True)
class Initialiser:
    """A rule for weights, times a gain that each member may choose. Biases start at 0, scales at 1.

    Attributes:
        rule: Function of a parameter, a generator and a dtype that draws the weights, in the parameter's shape.
        gain: Factor on every weight.
        input_mean: Mean output of the network's sigmoids before training. The bias of a layer behind them starts
            where it takes that mean away.
    """

    rule: Callable[[Parameter, torch.Generator, torch.dtype], Tensor]
    gain: float = 1.0
    input_mean: float = 0.0

    def draw(
        self, parameter: Parameter, generator: torch.Generator, dtype: torch.dtype, weight: Tensor | None = None
    ) -> Tensor:
        """Return one member's tensor, of `parameter.shape`, drawn on the CPU so that every device starts alike.

        Args:
            parameter: Parameter to draw.
            generator: Source of the member's initial weights.
            dtype: Dtype of the tensor.
            weight: Weight of the layer, shape (units, ...), when a bias is drawn behind sigmoids; else None.
        """
        if parameter.role == "weight":
            return self.gain * self.rule(parameter, generator, dtype)
        if parameter.role == "bias" and weight is not None and self.input_mean:
            return -self.input_mean * weight.flatten(1).sum(1).view(parameter.shape)
        return torch.full(parameter.shape, 1.0 if parameter.role == "scale" else 0.0, dtype=dtype)


def _gaussian(parameter: Parameter, generator: torch.Generator, dtype: torch.dtype, deviation: float) -> Tensor:
    return deviation * torch.randn(parameter.shape, generator=generator, dtype=dtype)


def _zero(parameter: Parameter, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    return torch.zeros(parameter.shape, dtype=dtype)


def _normal(parameter: Parameter, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    return _gaussian(parameter, generator, dtype, 1.0)


def _scaled_normal(parameter: Parameter, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    return _gaussian(parameter, generator, dtype, 1 / sqrt(parameter.fan_in))


def _glorot(parameter: Parameter, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    limit = sqrt(6 / (parameter.fan_in + parameter.fan_out))
    return limit * (2 * torch.rand(parameter.shape, generator=generator, dtype=dtype) - 1)


def _he(parameter: Parameter, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    return _gaussian(parameter, generator, dtype, sqrt(2 / parameter.fan_in))


@defaults("init/zero")
def zero(*, gain: Memberwise[NonNegative] = IN_FILE) -> Initialiser:
    """Return the rule by which all weights are 0 (Montreal lab, Caltech lab)."""
    return Initialiser(_zero, gain)


@defaults("init/normal")
def normal(*, gain: Memberwise[NonNegative] = IN_FILE) -> Initialiser:
    """Return the rule N(0, 1) (Montreal lab)."""
    return Initialiser(_normal, gain)


@defaults("init/scaled_normal")
def scaled_normal(*, gain: Memberwise[NonNegative] = IN_FILE) -> Initialiser:
    """Return the rule N(0, 1 / fan-in), the second number a variance (KTH lab, exercise 1)."""
    return Initialiser(_scaled_normal, gain)


@defaults("init/glorot")
def glorot(*, gain: Memberwise[NonNegative] = IN_FILE) -> Initialiser:
    """Return the uniform rule between -r and r, r = sqrt(6 / (fan-in + fan-out)) (Glorot and Bengio 2010, eq. 16)."""
    return Initialiser(_glorot, gain)


@defaults("init/glorot_sigmoid")
def glorot_sigmoid(*, gain: Memberwise[NonNegative] = IN_FILE) -> Initialiser:
    """Return Glorot's rule adapted to sigmoid units, whose slope at 0 is 1/4 and whose mean output is 1/2.

    A sigmoid is (1 + tanh(x / 2)) / 2, so these are tanh units in disguise: with a gain of 4 a small signal keeps its
    size from layer to layer, and the bias -1/2 sum(w) takes away what the mean of the layer before adds.
    """
    return Initialiser(_glorot, gain, input_mean=0.5)


@defaults("init/he")
def he(*, gain: Memberwise[NonNegative] = IN_FILE) -> Initialiser:
    """Return the rule N(0, 2 / fan-in), the second number a variance (He et al. 2015, eq. 10)."""
    return Initialiser(_he, gain)
