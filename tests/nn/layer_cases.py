"""The table of layers: a new layer is one line here, and every test of the family runs on it.

`reference` is what torch itself computes for one member: `(x (B, *shape), parameters, lengths (B,)) -> y`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence

from labkit.nn.activation import Activation
from labkit.nn.convolution import Convolution
from labkit.nn.dropout import Dropout
from labkit.nn.embedding import Embedding
from labkit.nn.flatten import Flatten
from labkit.nn.layer import Context, Draws, Layer, Shape
from labkit.nn.linear import Linear
from labkit.nn.normalisation import BatchNorm
from labkit.nn.pooling import AveragePool, GlobalAveragePool, MaxPool
from labkit.nn.recurrent import Recurrent

Reference = Callable[[Tensor, list[Tensor], Tensor], Tensor]
TOKENS = 7
RATES = (0.3, 0.0, 1.0)  # dropout probability of members 0, 1, 2


def packed_rnn(x: Tensor, parameters: list[Tensor], lengths: Tensor) -> Tensor:
    """torch.nn.RNN over a packed sequence: the last state of every sample."""
    units, features = parameters[0].shape
    rnn = nn.RNN(features, units, batch_first=True).to(x.dtype)
    with torch.no_grad():
        for own, given in zip(rnn.parameters(), parameters, strict=True):
            own.copy_(given)
    _, last = rnn(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
    return last[0].detach()


def batch_norm(x: Tensor, parameters: list[Tensor], lengths: Tensor) -> Tensor:
    return functional.batch_norm(x, None, None, *parameters, training=True)


@dataclass(frozen=True)
class Case:
    layer: Layer
    shape: Shape
    reference: Reference | None
    members_only: bool = False  # whether parameters or draws give members of a shared batch values of their own

    @property
    def ids(self) -> bool:
        return isinstance(self.layer, Embedding)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": functional.relu,
    "leaky_relu": lambda x: functional.leaky_relu(x, 0.1),
    "silu": functional.silu,
    "gaussian": lambda x: torch.exp(-(x**2)),
}

CASES: dict[str, Case] = {
    "linear": Case(Linear(4), (6,), lambda x, p, n: functional.linear(x, *p), True),
    "linear without bias": Case(Linear(4, bias=False), (6,), lambda x, p, n: functional.linear(x, *p), True),
    "conv1d": Case(Convolution(1, 4, kernel=3), (2, 9), lambda x, p, n: functional.conv1d(x, *p), True),
    "conv1d stride padding": Case(
        Convolution(1, 4, kernel=4, stride=3, padding=2), (2, 9), lambda x, p, n: functional.conv1d(x, *p, 3, 2), True
    ),
    "conv2d": Case(Convolution(2, 4, kernel=3), (3, 6, 5), lambda x, p, n: functional.conv2d(x, *p), True),
    "conv2d stride padding": Case(
        Convolution(2, 4, kernel=3, stride=2, padding=1),
        (3, 7, 6),
        lambda x, p, n: functional.conv2d(x, *p, 2, 1),
        True,
    ),
    "conv2d without bias": Case(
        Convolution(2, 2, kernel=2, padding=1, bias=False),
        (1, 5, 5),
        lambda x, p, n: functional.conv2d(x, *p, None, 1, 1),
        True,
    ),
    "max_pool1d": Case(MaxPool(1, 2, 2), (3, 9), lambda x, p, n: functional.max_pool1d(x, 2)),
    "max_pool1d overlapping": Case(MaxPool(1, 4, 3), (3, 11), lambda x, p, n: functional.max_pool1d(x, 4, 3)),
    "max_pool2d": Case(MaxPool(2, 2, 2), (3, 6, 5), lambda x, p, n: functional.max_pool2d(x, 2)),
    "max_pool2d overlapping": Case(MaxPool(2, 3, 1), (2, 6, 5), lambda x, p, n: functional.max_pool2d(x, 3, 1)),
    "average_pool1d": Case(AveragePool(1, 2, 2), (3, 9), lambda x, p, n: functional.avg_pool1d(x, 2)),
    "average_pool1d overlapping": Case(AveragePool(1, 4, 3), (3, 11), lambda x, p, n: functional.avg_pool1d(x, 4, 3)),
    "average_pool2d": Case(AveragePool(2, 2, 2), (3, 6, 5), lambda x, p, n: functional.avg_pool2d(x, 2)),
    "average_pool2d overlapping": Case(AveragePool(2, 3, 2), (2, 7, 6), lambda x, p, n: functional.avg_pool2d(x, 3, 2)),
    "global_average_pool 1d": Case(
        GlobalAveragePool(), (3, 7), lambda x, p, n: functional.adaptive_avg_pool1d(x, 1).flatten(1)
    ),
    "global_average_pool 2d": Case(
        GlobalAveragePool(), (3, 4, 5), lambda x, p, n: functional.adaptive_avg_pool2d(x, 1).flatten(1)
    ),
    "flatten": Case(Flatten(), (3, 4, 5), lambda x, p, n: nn.Flatten()(x)),
    "rnn": Case(Recurrent(5), (6, 3), packed_rnn, True),
    "embedding": Case(Embedding(TOKENS, 4), (6,), lambda x, p, n: functional.embedding(x, *p), True),
    "batch_norm of vectors": Case(BatchNorm(), (5,), batch_norm, True),
    "batch_norm of sounds": Case(BatchNorm(), (3, 6), batch_norm, True),
    "batch_norm of images": Case(BatchNorm(), (3, 4, 5), batch_norm, True),
    "dropout of vectors": Case(Dropout(0), (8,), None, True),
    "dropout of images": Case(Dropout(0), (2, 4, 5), None, True),
    **{
        name: Case(Activation(name), (3, 4), lambda x, p, n, function=function: function(x))
        for name, function in ACTIVATIONS.items()
    },
}


@dataclass
class Call:
    """One call of a layer: everything `forward` gets, for M members and a batch with G groups."""

    case: Case
    x: Tensor
    parameters: list[Tensor]
    buffers: list[Tensor]
    context: Context
    seeds: tuple[int, ...]

    def forward(self, x: Tensor | None = None, parameters: Sequence[Tensor] | None = None) -> tuple[Tensor, object]:
        """The layer's output on these (or the given) values; always the same draws and starting statistics."""
        streams = [torch.Generator().manual_seed(seed) for seed in self.seeds]
        self.context.draws = Draws(streams, torch.arange(len(self.seeds)))
        buffers = [b.clone() for b in self.buffers]
        values = self.x if x is None else x
        given = self.parameters if parameters is None else parameters
        return self.case.layer.forward(values, given, buffers, self.context)

    @torch.no_grad()
    def gradients(self, dy: Tensor, need_dx: bool) -> tuple[list[Tensor], Tensor | None]:
        """By the hand-written backward pass, written over NaNs."""
        _, saved = self.forward()
        out = [torch.full_like(p, torch.nan) for p in self.parameters]
        dx = self.case.layer.backward(dy, saved, self.parameters, out, need_dx)
        return out, dx

    def autograd(self, dy: Tensor, need_dx: bool) -> tuple[list[Tensor], Tensor | None]:
        """By torch's autograd through the same forward pass."""
        leaves = [p.clone().requires_grad_() for p in self.parameters]
        x = self.x.clone().requires_grad_() if need_dx else self.x
        y, _ = self.forward(x, leaves)
        wanted = [*leaves, x] if need_dx else leaves
        found = list(torch.autograd.grad((y * dy).sum(), wanted))
        return found[: len(leaves)], found[-1] if need_dx else None


def call(
    case: Case,
    members: int,
    shared: bool = False,
    size: int = 5,
    dtype: torch.dtype = torch.float64,
    training: bool = True,
    product: torch.dtype | None = None,
) -> Call:
    """Random values for a case, the same for every dtype."""
    draw = torch.Generator().manual_seed(11)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw, dtype=torch.float64).to(dtype)

    groups = 1 if shared else members
    x = normal(groups, size, *case.shape)
    if case.ids:
        x = torch.randint(TOKENS, (groups, size, *case.shape), generator=draw)
    context = Context(
        training=training,
        rates=torch.tensor(RATES[:members], dtype=dtype).unsqueeze(1),
        lengths=torch.randint(1, case.shape[0] + 1, (groups, size), generator=draw),
        product=product,
    )
    parameters = [normal(members, *p.shape) for p in case.layer.parameters(case.shape).values()]
    buffers = [normal(members, *shape).abs() for shape, _ in case.layer.buffers(case.shape).values()]
    return Call(case, x, parameters, buffers, context, tuple(range(members)))
