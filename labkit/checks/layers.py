"""The table of layers under test, and each one as a function of its parameters and its input.

A new layer is one line here; `tests/checks` fails for a layer class that has none. Shapes have two equal trailing axes
somewhere, so that a transposed gradient fits its place and only its numbers give it away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.checks.kinks import pieces
from labkit.checks.maps import GROUPS, Map, Tensors
from labkit.nn.activation import ACTIVATIONS, Activation
from labkit.nn.convolution import Convolution
from labkit.nn.dropout import Dropout
from labkit.nn.embedding import Embedding
from labkit.nn.flatten import Flatten
from labkit.nn.layer import Context, Draws, Layer, Shape
from labkit.nn.linear import Linear
from labkit.nn.normalisation import BatchNorm
from labkit.nn.pooling import AveragePool, GlobalAveragePool, MaxPool
from labkit.nn.recurrent import Recurrent

BATCH = 4
TOKENS = 5
RATE = 0.4  # of dropout


@dataclass(frozen=True)
class LayerCase:
    """A layer in one place.

    Attributes:
        layer: Layer under test.
        shape: Shape of one input sample.
        training: True for the forward pass of training, False for that of evaluation.
    """

    layer: Layer
    shape: Shape
    training: bool = True

    @property
    def note(self) -> str:
        """The words for what is held fixed; "" for nothing."""
        if isinstance(self.layer, Dropout):
            return "fixed mask" if self.training else "evaluation: the identity"
        if isinstance(self.layer, BatchNorm):
            return "statistics of the batch" if self.training else "running statistics"
        return ""


LAYERS: dict[str, LayerCase] = {
    "linear": LayerCase(Linear(4), (4,)),
    "linear without bias": LayerCase(Linear(4, bias=False), (4,)),
    "conv1d": LayerCase(Convolution(1, 3, kernel=3, padding=1), (3, 5)),
    "conv1d stride 2, without bias": LayerCase(Convolution(1, 2, kernel=3, stride=2, bias=False), (3, 7)),
    "conv2d": LayerCase(Convolution(2, 3, kernel=3, padding=1), (2, 4, 4)),
    "conv2d stride 2, without bias": LayerCase(Convolution(2, 2, kernel=3, stride=2, bias=False), (2, 5, 5)),
    "max_pool1d": LayerCase(MaxPool(1), (6, 6)),
    "max_pool2d": LayerCase(MaxPool(2), (2, 4, 4)),
    "max_pool2d overlapping": LayerCase(MaxPool(2, 3, 1), (2, 4, 4)),
    "average_pool1d": LayerCase(AveragePool(1), (6, 6)),
    "average_pool2d": LayerCase(AveragePool(2), (2, 4, 4)),
    "average_pool2d overlapping": LayerCase(AveragePool(2, 3, 1), (2, 4, 4)),
    "global_average_pool 1d": LayerCase(GlobalAveragePool(), (4, 4)),
    "global_average_pool 2d": LayerCase(GlobalAveragePool(), (3, 3, 3)),
    "flatten": LayerCase(Flatten(), (2, 3, 3)),
    "rnn": LayerCase(Recurrent(4), (4, 4)),
    "embedding": LayerCase(Embedding(TOKENS, 5), (4,)),
    "batch_norm of vectors": LayerCase(BatchNorm(), (4,)),
    "batch_norm of images": LayerCase(BatchNorm(), (2, 3, 3)),
    "batch_norm, evaluation": LayerCase(BatchNorm(), (4,), training=False),
    "dropout": LayerCase(Dropout(0), (4,)),
    "dropout of images": LayerCase(Dropout(0), (2, 3, 3)),
    "dropout, evaluation": LayerCase(Dropout(0), (4,), training=False),
    **{name: LayerCase(Activation(name), (4,)) for name in ACTIVATIONS},
}


def layer_map(case: LayerCase, seed: int = 1) -> Map:
    """Return the layer as a function of its parameters and, unless that is ids, of its input, at a random point.

    The output has shape (1, BATCH, *output_shape): one member.

    Args:
        case: Layer with the shape of its input.
        seed: Seed of the point and of the layer's own draws.
    """
    layer, draw = case.layer, torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn((1, *shape), generator=draw, dtype=torch.float64)

    declared = layer.parameters(case.shape)
    point = {name: normal(*parameter.shape) for name, parameter in declared.items()}
    groups = {name: GROUPS[parameter.role] for name, parameter in declared.items()}
    ids = torch.randint(TOKENS, (1, BATCH, *case.shape), generator=draw)
    if not isinstance(layer, Embedding):
        point["x"], groups["x"] = normal(BATCH, *case.shape), "x"
    buffers = [normal(*shape).abs() + 0.5 for shape, _ in layer.buffers(case.shape).values()]
    lengths = torch.randint(1, case.shape[0] + 1, (1, BATCH), generator=draw)

    def forward(variables: Mapping[str, Tensor]) -> tuple[Tensor, object]:
        """Return the output, shape (1, BATCH, *output_shape), and what the backward pass needs of it."""
        draws = Draws([torch.Generator().manual_seed(seed)], torch.zeros(1, dtype=torch.int64))
        rates = torch.full((1, 1), RATE, dtype=torch.float64)
        context = Context(training=case.training, rates=rates, draws=draws, lengths=lengths)
        parameters = [variables[name] for name in declared]
        return layer.forward(variables.get("x", ids), parameters, [b.clone() for b in buffers], context)

    _, saved = forward(point)

    def pullback(u: Tensor) -> Tensors:
        """Return `J'u` for a u of shape (1, BATCH, *output_shape)."""
        gradients = {name: torch.full_like(point[name], torch.nan) for name in declared}
        parameters = [point[name] for name in declared]
        dx = layer.backward(u, saved, parameters, list(gradients.values()), "x" in point)
        return gradients if dx is None else {**gradients, "x": dx}

    return Map(
        point, groups, lambda v: forward(v)[0], pullback, lambda variables: pieces([(layer, forward(variables)[1])])
    )
