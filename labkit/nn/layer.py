"""The contract of a layer: shapes, parameters, a forward pass and its hand-written transpose.

A tensor between layers has shape (G, B, *features): B samples behind a leading member axis. G is 1 while all members
still see the same values (a batch they share, before the first parameter), else M, the number of members.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

Shape = tuple[int, ...]
Saved = Any  # what a forward pass keeps for its backward pass, of a type that each layer knows


@dataclass(frozen=True)
class Parameter:
    """One parameter tensor of a layer, without its member axis.

    Attributes:
        shape: Shape of one member's tensor.
        role: Role: `weight` is drawn by the initialiser and carries `loss.l2`; `bias` starts at 0, `scale` at 1.
        fan_in: Number of inputs that one output unit adds up.
        fan_out: Number of outputs that one input unit feeds.
    """

    shape: Shape
    role: Literal["weight", "bias", "scale"]
    fan_in: int = 1
    fan_out: int = 1


@dataclass
class Factors:
    """The gradient of a weight as the two matrices whose product it is: a rule that multiplies them itself saves it.

    It stands among the gradients in the place of a tensor, where the engine wants it so.

    Attributes:
        left: Gradients with respect to the outputs, shape (M, units, B).
        right: Inputs, shape (G, B, inputs).
    """

    left: Tensor = field(init=False)
    right: Tensor = field(init=False)

    def of(self, member: int) -> tuple[Tensor, Tensor]:
        """Return both matrices of a member, shapes (units, B) and (B, inputs)."""
        return self.left[member], self.right[member if len(self.right) > 1 else 0]


@dataclass
class Draws:
    """Random numbers of a population: one generator per distinct seed.

    Members with equal seeds see equal draws, no matter which others train beside them.

    Attributes:
        generators: One generator per distinct seed.
        stream: Position in `generators` of each member's own, shape (M,), int64.
    """

    generators: Sequence[torch.Generator]
    stream: Tensor

    def uniform(self, shape: Shape, like: Tensor) -> Tensor:
        """Return uniform draws in [0, 1), shape (G, *shape), dtype and device of `like`; G is 1 for one shared seed."""
        drawn = [torch.rand(shape, generator=g, dtype=like.dtype, device=like.device) for g in self.generators]
        if len(drawn) == 1:
            return drawn[0].unsqueeze(0)
        return torch.stack(drawn).index_select(0, self.stream)


@dataclass
class Context:
    """The inputs of a forward pass beside the data and the parameters.

    Attributes:
        training: True where dropout draws and batch normalisation uses the batch's own statistics.
        rates: Dropout probabilities, shape (M, number of dropout layers); None in evaluation.
        draws: Random numbers for dropout; None in evaluation.
        lengths: True lengths of texts in tokens, shape (G, B), int64; None for other data.
        product: Dtype of the matrix products and convolutions; None for the parameters' own.
        low_between: True where what convolutions hand on stays in the dtype of the products.
        channels_last: True where the channels of a place lie side by side in memory.
    """

    training: bool = False
    rates: Tensor | None = None
    draws: Draws | None = None
    lengths: Tensor | None = None
    product: torch.dtype | None = None
    low_between: bool = False
    channels_last: bool = False


Tensors = Sequence[Tensor]
Gradients = Sequence[Any]  # tensors to overwrite, or `Factors` in the place of a linear layer's weight


@dataclass(frozen=True)
class Layer(ABC):
    """A pure function of input and parameters, and the transpose of its Jacobian.

    `forward` is written so that autograd can differentiate it; `backward` is the same derivative by hand. `saved` is
    the second result of the forward pass, handed to the backward pass as it is.
    """

    @property
    def kind(self) -> str:
        """The name of the layer in a model file and in messages, such as `conv2d`."""
        return type(self).__name__.lower()

    @abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of an output sample for input samples of `shape`; raise ConfigError if they do not fit."""

    def parameters(self, shape: Shape) -> dict[str, Parameter]:
        """Return the parameters by name for input samples of `shape`, in the order in which `forward` gets them."""
        return {}

    def buffers(self, shape: Shape) -> dict[str, tuple[Shape, float]]:
        """Return the shape and initial value of each running statistic, in the order in which `forward` gets them."""
        return {}

    @abstractmethod
    def forward(self, x: Tensor, parameters: Tensors, buffers: Tensors, context: Context) -> tuple[Tensor, Saved]:
        """Return the output for a batch, and what `backward` needs.

        Args:
            x: Batch of inputs, shape (G, B, *shape).
            parameters: This layer's parameters, each of shape (M, *its own shape).
            buffers: This layer's running statistics, each of shape (M, *its own shape); moved in place in training.
            context: Inputs beside the data.

        Returns:
            The output, shape (G, B, *output_shape), where G is M once the layer has parameters or draws dropout; and
            anything that `backward` takes as `saved`.
        """

    @abstractmethod
    def backward(
        self, dy: Tensor, saved: Saved, parameters: Tensors, gradients: Gradients, need_dx: bool
    ) -> Tensor | None:
        """Return the gradient with respect to `x`, and write those of the parameters into `gradients`.

        Args:
            dy: Gradient with respect to the output, in the output's shape.
            saved: Second result of `forward`.
            parameters: This layer's parameters, as `forward` got them.
            gradients: Tensors of the parameters' shapes to overwrite; `Factors` may stand for the weight of `Linear`.
            need_dx: False where no parameters lie before this layer; it then returns None and does less work.
        """


class WeightLayer(Layer):
    """A layer with weights: it counts as a point of the network, and an activation follows it."""
