"""Softmax cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor

from labkit.config import NonNegative


@dataclass(frozen=True)
class CrossEntropy:
    """Keys of `loss`: softmax cross-entropy plus `l2 * sum(W^2)` (KTH eq. 7).

    Attributes:
        l2: lambda for every weight tensor, or a mapping from layer name (`linear_1`) to lambda.
    """

    l2: NonNegative | dict[str, NonNegative] = field(default=0.0)


def log_softmax(scores: Tensor) -> Tensor:
    """`s - log sum exp s` over the last axis; shifting by the maximum first, it cannot overflow."""
    shifted = scores - scores.detach().amax(-1, keepdim=True)
    return shifted - shifted.exp().sum(-1, keepdim=True).log()


def cross_entropy(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of `-log p_y` over the batch (KTH eq. 8).

    Args:
        scores: `(M, B, K)`.
        labels: `(G, B)` int64.

    Returns:
        `(M,)` losses and the `(M, B, K)` log-probabilities, which the backward pass needs.
    """
    logs = log_softmax(scores)
    picked = logs.gather(-1, _index(labels, logs))
    return picked.mean((1, 2)).neg(), logs


def cross_entropy_backward(logs: Tensor, labels: Tensor) -> Tensor:
    """`(p - y) / B`: the gradient with respect to the scores, `(M, B, K)`."""
    gradient = logs.exp()
    index = _index(labels, logs)
    gradient.scatter_add_(-1, index, _minus_one(logs.dtype, logs.device).expand(index.shape))
    return gradient.div_(logs.shape[1])


def _index(labels: Tensor, logs: Tensor) -> Tensor:
    """`(G, B)` labels as the `(M, B, 1)` index of gather and scatter."""
    index = labels.unsqueeze(-1)
    return index if len(index) == len(logs) else index.expand(len(logs), -1, -1)


@cache
def _minus_one(dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.full((1, 1, 1), -1.0, dtype=dtype, device=device)


def squared_weights(weights: list[Tensor], l2: Tensor) -> Tensor:
    """The penalty `sum over layers of lambda_layer ||W||^2` (KTH eq. 7), `(M,)`.

    Args:
        weights: one `(M, ...)` tensor per weight, no biases.
        l2: `(M, number of weights)`.
    """
    squares = torch.stack([w.flatten(1).square().sum(1) for w in weights], 1)
    return (l2 * squares).sum(1)
