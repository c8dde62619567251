"""The search for XOR among networks of one layer, which cannot compute it (Caltech lab, section 1, E).

Why: XOR asks for f >= 1 at (0,1) and (1,0) and for f = 0 at (0,0) and (1,1). With z = w x + b the sum of z over either
pair of corners is the same, w1 + w2 + 2 b, so it cannot be that both z of one pair exceed both z of the other. But that
is what a function of z alone which only rises or only falls, such as relu(z) or v relu(z) + c, would need to be wrong
by less than 1/2 everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from labkit.engine.loop import train
from labkit.models.network import Network
from labkit.nn.initialise import glorot
from labkit.nn.layer import Context
from labkit.optim.rules import adam
from labkit.principles.training import network, only_training, recipe

CORNERS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))
OR, XOR = (0, 1, 1, 1), (0, 1, 1, 0)
_TIE = 1e-3  # scores of two classes that are nearer than this are equal
_CHUNK = 1 << 17  # networks evaluated as members of one batch


@dataclass(frozen=True)
class Search:
    """Networks of one form, tried for XOR.

    Attributes:
        name: Form of the networks.
        how: Way of the search, "grid" or "trained".
        tried: Number of networks.
        found: Number that compute XOR: all four corners as the lab defines it (grid) or classified correctly (trained).
        best: Smallest `violation` (grid), smallest share of `wrong_corners` (trained).
    """

    name: str
    how: str
    tried: int
    found: int
    best: float


def violation(values: Tensor, wanted: Sequence[int]) -> Tensor:
    """Return the distance of outputs at the corners from the definition: >= 1 where wanted is 1, else = 0.

    The distance is the largest over the four corners, shape (M,); 0 means that the network computes the function.

    Args:
        values: Outputs of networks at `CORNERS`, shape (M, 4).
        wanted: Values of the function there, 0 or 1.
    """
    positive = torch.tensor(wanted) == 1
    return torch.where(positive, (1 - values).clamp(min=0), values.abs()).amax(1)


def values_at(net: Network, parameters: Sequence[Tensor], places: Tensor | None = None) -> Tensor:
    """Return the outputs of networks with one output, shape (M, n).

    Args:
        net: Network of two inputs and one output.
        parameters: Parameters of M networks, each of shape (M, ...).
        places: Points of the plane, shape (n, 2); None: `CORNERS`.
    """
    x = torch.tensor(CORNERS) if places is None else places
    scores, _ = net.forward(x.unsqueeze(0), net.by_stage(parameters, []), Context())
    return scores.squeeze(-1)


def one_unit() -> Network:
    """Return the network relu(w x + b)."""
    return network([{"linear": {"units": 1}}], (2,))


def two_layers(hidden: int) -> Network:
    """Return a layer of ReLU units before a linear output."""
    return network([{"linear": {"units": hidden}}, {"linear": {"units": 1, "activation": "identity"}}], (2,))


def affine() -> Network:
    """Return the network w x + b."""
    return network([{"linear": {"units": 1, "activation": "identity"}}], (2,))


def search_grids() -> list[Search]:
    """Try every network of three forms with its weights on a grid."""
    fine, coarse = (torch.arange(49) - 24) / 8, (torch.arange(9) - 4) / 2  # -3 .. 3 and -2 .. 2, exact in binary
    return [
        _grid("w x + b", affine(), [fine] * 3),
        _grid("relu(w x + b)", one_unit(), [fine] * 3),
        _grid("v relu(w x + b) + c", two_layers(1), [coarse] * 5),
    ]


def _grid(name: str, net: Network, axes: Sequence[Tensor]) -> Search:
    tried, found, best = 0, 0, float("inf")
    total = prod(len(axis) for axis in axes)
    for start in range(0, total, _CHUNK):
        rest = torch.arange(start, min(start + _CHUNK, total))
        columns = []
        for axis in axes:
            columns.append(axis[rest % len(axis)])
            rest = rest // len(axis)
        error = violation(values_at(net, _members(net, torch.stack(columns, 1))), XOR)
        tried, found = tried + len(error), found + int((error == 0).sum())
        best = min(best, float(error.amin()))
    return Search(name, "grid", tried, found, best)


def _members(net: Network, numbers: Tensor) -> list[Tensor]:
    """Return parameters, each of shape (M, *shape), from one row of numbers per network, shape (M, n)."""
    tensors, start = [], 0
    for _, parameter in net.parameters:
        count = prod(parameter.shape)
        tensors.append(numbers[:, start : start + count].reshape(-1, *parameter.shape))
        start += count
    return tensors


def search_by_training(seeds: int, updates: int) -> list[Search]:
    """Train the same forms with one score per class, and more hidden units for comparison, from many seeds.

    Args:
        seeds: Networks of each form.
        updates: Updates of each.
    """
    output = {"linear": {"units": "classes"}}
    forms: list[tuple[str, list[object]]] = [
        ("scores w x + b", [output]),
        ("scores relu(w x + b)", [{"linear": {"units": 2, "activation": "relu"}}]),
        ("one hidden ReLU unit", [{"linear": {"units": 1}}, output]),
        ("two hidden ReLU units", [{"linear": {"units": 2}}, output]),
        ("eight hidden ReLU units", [{"linear": {"units": 8}}, output]),
    ]
    parts = only_training(torch.tensor(CORNERS), torch.tensor(XOR))
    searches = []
    for name, entries in forms:
        net = network(entries, (2,))
        recipes = [recipe(net, adam(lr=0.03), updates, 4, seed, glorot(gain=2.0)) for seed in range(seeds)]
        outcomes = train(recipes, parts)
        stacked = [torch.stack([outcome.parameters[key] for outcome in outcomes]) for key, _ in net.parameters]
        errors = wrong_corners(net, stacked)
        searches.append(Search(name, "trained", seeds, int((errors == 0).sum()), float(errors.amin())))
    return searches


def wrong_corners(net: Network, parameters: Sequence[Tensor]) -> Tensor:
    """Return the share of corners whose own score does not beat the other, shape (M,).

    A tie is no classification, though an argmax makes one of it: the best linear scores are equal at all four corners,
    and two ReLU scores that are both 0 at (0,0) hide a second layer, the comparison, in how a tie is broken.

    Args:
        net: Network of two inputs and two scores.
        parameters: Parameters of M networks, each of shape (M, ...).
    """
    scores, _ = net.forward(torch.tensor([CORNERS]), net.by_stage(parameters, []), Context())
    towards_one = (scores[..., 1] - scores[..., 0]) * (2 * torch.tensor(XOR) - 1)
    return (towards_one <= _TIE).double().mean(1)
