"""Softmax cross-entropy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from labkit.config import Memberwise, NonNegative
from labkit.nn.constant import constant
from labkit.shipped import IN_FILE, defaults


@dataclass(frozen=True)
@defaults("loss/cross_entropy")
class CrossEntropy:
    """Keys of `loss`: softmax cross-entropy plus `l2 * sum(W^2)` (KTH eq. 7).

    Attributes:
        l2: lambda for every weight tensor, or a mapping from layer name (`linear_1`) to lambda.
        clip: probabilities below `clip` or above `1 - clip` count as these where a loss is reported (Montreal lab), so
            that no sample's exceeds -log(clip); gradients are those of the unclipped loss. None: no clip.
    """

    l2: Memberwise[NonNegative | dict[str, NonNegative]] = IN_FILE
    clip: Annotated[float, Field(gt=0, lt=0.5, strict=True)] | None = None


def cross_entropy(scores: Tensor, labels: Tensor, clip: float | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """The mean of `-log p_y` over the batch (KTH eq. 8).

    Args:
        scores: `(M, B, K)`.
        labels: `(G, B)` int64.
        clip: as in `CrossEntropy`.

    Returns:
        `(M,)` losses, and what the backward pass needs: `exp(s - max s)` `(M, B, K)` and its sums `(M, B, 1)`.
    """
    shifted = scores - scores.detach().amax(-1, keepdim=True)
    exponentials = shifted.exp()
    sums = exponentials.sum(-1, keepdim=True)
    losses = sums.log() - shifted.gather(-1, _index(labels, scores))
    if clip is not None:
        losses = losses.clamp(-math.log1p(-clip), -math.log(clip))
    return losses.sum((1, 2)).div_(constant(losses.shape[1], losses)), (exponentials, sums)


def log_mean_probability(scores: Sequence[Tensor]) -> Tensor:
    """Scores of an ensemble: the logarithm of the class probabilities averaged over networks, `(M, B, K)`.

    Args:
        scores: `(M, B, K)` of each network; of a single one they are returned as they are.
    """
    if len(scores) == 1:
        return scores[0]
    shifted = [s - s.amax(-1, keepdim=True) for s in scores]
    logarithms = torch.stack([s - s.exp().sum(-1, keepdim=True).log() for s in shifted])  # (networks, M, B, K)
    highest = logarithms.amax(0)
    return highest + (logarithms - highest).exp().mean(0).log()


def cross_entropy_backward(saved: tuple[Tensor, Tensor], labels: Tensor) -> Tensor:
    """`(p - y) / B`: the gradient with respect to the scores, `(M, B, K)`."""
    exponentials, sums = saved
    gradient = exponentials / sums
    gradient.scatter_(-1, _index(labels, gradient), -1.0, reduce="add")
    return gradient.div_(constant(gradient.shape[1], gradient))


def _index(labels: Tensor, scores: Tensor) -> Tensor:
    """`(G, B)` labels as the `(M, B, 1)` index of gather and scatter."""
    index = labels.unsqueeze(-1)
    return index if index.shape[0] == scores.shape[0] else index.expand(scores.shape[0], -1, -1)


def squared_weights(weights: list[Tensor], l2: Tensor) -> Tensor:
    """The penalty `sum over layers of lambda_layer ||W||^2` (KTH eq. 7), `(M,)`.

    Args:
        weights: one `(M, ...)` tensor per weight, no biases.
        l2: `(M, number of weights)`.
    """
    squares = torch.stack([w.flatten(1).square().sum(1) for w in weights], 1)
    return (l2 * squares).sum(1)
