"""What every layer is: shapes, parameters, a forward pass and its hand-written transpose.

A tensor between layers has shape `(G, B, *features)`: `B` samples and a leading member axis that is `M`, the number
of members, or 1 as long as all members still see the same values (a batch they share, before the first parameter).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Parameter:
    """One parameter tensor of a layer, without its member axis.

    Attributes:
        shape: of one member's tensor.
        role: `weight` is drawn by the initialiser and carries `loss.l2`; `bias` starts at 0, `scale` at 1.
        fan_in: inputs that one output unit adds up.
        fan_out: outputs that one input unit feeds.
    """

    shape: Shape
    role: Literal["weight", "bias", "scale"]
    fan_in: int = 1
    fan_out: int = 1


@dataclass
class Draws:
    """Random numbers of a population: one generator per distinct seed, and which of them each member reads.

    Members with equal seeds see equal draws, whoever trains beside them.
    """

    generators: Sequence[torch.Generator]
    stream: Tensor  # (M,) int64: index into generators

    def uniform(self, shape: Shape, like: Tensor) -> Tensor:
        """Uniform draws in [0, 1) of shape `(G, *shape)`, `G = 1` where all members share one stream."""
        drawn = [torch.rand(shape, generator=g, dtype=like.dtype, device=like.device) for g in self.generators]
        if len(drawn) == 1:
            return drawn[0].unsqueeze(0)
        return torch.stack(drawn).index_select(0, self.stream)


@dataclass
class Context:
    """What a forward pass needs beside the data and the parameters.

    Attributes:
        training: whether dropout draws and batch norm uses the batch's statistics.
        rates: `(M, number of dropout layers)`: each member's dropout probabilities.
        draws: random numbers for dropout; None in evaluation.
        lengths: `(G, B)` int64 true lengths of texts; None elsewhere.
        product: dtype of the matrix products and convolutions, None for the parameters' own.
    """

    training: bool = False
    rates: Tensor | None = None
    draws: Draws | None = None
    lengths: Tensor | None = None
    product: torch.dtype | None = None


Tensors = Sequence[Tensor]


@dataclass(frozen=True)
class Layer(ABC):
    """A pure function of input and parameters, and the transpose of its Jacobian.

    `forward` is written so that autograd can differentiate it; `backward` is the same derivative by hand. `saved` is
    whatever the forward pass hands to the backward pass.
    """

    @property
    def kind(self) -> str:
        """The name of the layer in a model file and in messages."""
        return type(self).__name__.lower()

    @abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """The shape of one output sample for one input sample; raises ConfigError where the input does not fit."""

    def parameters(self, shape: Shape) -> dict[str, Parameter]:
        """The parameters for input samples of `shape`, in the order `forward` gets them."""
        return {}

    def buffers(self, shape: Shape) -> dict[str, tuple[Shape, float]]:
        """Running statistics: shape and initial value of each, in the order `forward` gets them."""
        return {}

    @abstractmethod
    def forward(self, x: Tensor, parameters: Tensors, buffers: Tensors, context: Context) -> tuple[Tensor, Any]:
        """Output `(G or M, B, *output_shape)` and what `backward` needs."""

    @abstractmethod
    def backward(self, dy: Tensor, saved: Any, parameters: Tensors, gradients: Tensors, need_dx: bool) -> Tensor | None:
        """The gradient with respect to `x` from the one with respect to the output.

        Writes the parameters' gradients into `gradients`, tensors of the parameters' shapes. Returns None, and does
        less work, if not `need_dx`.
        """


class WeightLayer(Layer):
    """A layer with weights: it counts as a point of the network and is followed by its activation."""
