"""Initialisers: how the weights of a member are drawn before the first step."""

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
    """A rule for weights (biases start at 0, scales at 1) times a gain, which is a member's own.

    Attributes:
        rule: the weight tensor for a parameter and a generator.
        gain: factor on every weight.
        input_mean: what the outputs of the network's sigmoids average to before training; the bias of a layer behind
            them starts where it takes that mean away.
    """

    rule: Callable[[Parameter, torch.Generator, torch.dtype], Tensor]
    gain: float = 1.0
    input_mean: float = 0.0

    def draw(
        self, parameter: Parameter, generator: torch.Generator, dtype: torch.dtype, weight: Tensor | None = None
    ) -> Tensor:
        """One member's tensor of `parameter.shape`, drawn on the CPU.

        Args:
            parameter: what to draw.
            generator: of the member's draws.
            dtype: of the tensor.
            weight: for a bias, the weight `(units, ...)` of its layer where that layer stands behind sigmoids.
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
    """All weights 0 (Montreal lab, Caltech lab)."""
    return Initialiser(_zero, gain)


@defaults("init/normal")
def normal(*, gain: Memberwise[NonNegative] = IN_FILE) -> Initialiser:
    """N(0, 1) (Montreal lab)."""
    return Initialiser(_normal, gain)


@defaults("init/scaled_normal")
def scaled_normal(*, gain: Memberwise[NonNegative] = IN_FILE) -> Initialiser:
    """N(0, 1 / fan-in) (KTH lab, exercise 1)."""
    return Initialiser(_scaled_normal, gain)


@defaults("init/glorot")
def glorot(*, gain: Memberwise[NonNegative] = IN_FILE) -> Initialiser:
    """Uniform within sqrt(6 / (fan-in + fan-out)) (Glorot and Bengio 2010, eq. 16)."""
    return Initialiser(_glorot, gain)


@defaults("init/glorot_sigmoid")
def glorot_sigmoid(*, gain: Memberwise[NonNegative] = IN_FILE) -> Initialiser:
    """Glorot's rule for sigmoid units: weights times 4, for their slope of 1/4 at 0, and none of their mean of 1/2.

    A sigmoid is (1 + tanh(x / 2)) / 2, so these are tanh units in disguise: with a gain of 4 a small signal keeps its
    size from layer to layer, and the bias -1/2 sum(w) takes away what the mean of the layer before adds.
    """
    return Initialiser(_glorot, gain, input_mean=0.5)


@defaults("init/he")
def he(*, gain: Memberwise[NonNegative] = IN_FILE) -> Initialiser:
    """N(0, 2 / fan-in) (He et al. 2015, eq. 10)."""
    return Initialiser(_he, gain)
