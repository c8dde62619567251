"""Softmax cross-entropy, its gradient, and the weight penalty."""

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
    """Keys of the group `loss`: softmax cross-entropy plus `l2 * sum(W^2)` (KTH lab, eq. 7).

    Attributes:
        l2: Factor lambda of every weight tensor, or a mapping from layer name (`linear_1`) to its lambda.
        clip: Bound on probabilities in reported losses: they count as at least `clip` and at most `1 - clip`
            (Montreal lab), so that no sample's loss exceeds -log(clip). Gradients are those of the unclipped loss.
            None for no bound.
    """

    l2: Memberwise[NonNegative | dict[str, NonNegative]] = IN_FILE
    clip: Annotated[float, Field(gt=0, lt=0.5, strict=True)] | None = None


def cross_entropy(scores: Tensor, labels: Tensor, clip: float | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Return the mean of `-log p_y` over the batch (KTH lab, eq. 8), p the softmax of the scores s.

    Args:
        scores: Scores of the K classes, shape (M, B, K).
        labels: Labels in 0 .. K-1, shape (G, B), int64.
        clip: Bound on probabilities, see `CrossEntropy`.

    Returns:
        Losses in nats, shape (M,). For the backward pass: `exp(s - max s)`, shape (M, B, K), and its sums over the
        classes, shape (M, B, 1).
    """
    # The largest score is taken away before exp, which then cannot overflow. The shift cancels in the loss and in its
    # gradient, so autograd need not follow it.
    shifted = scores - scores.detach().amax(-1, keepdim=True)
    exponentials = shifted.exp()
    sums = exponentials.sum(-1, keepdim=True)
    losses = sums.log() - shifted.gather(-1, _index(labels, scores))
    if clip is not None:
        losses = losses.clamp(-math.log1p(-clip), -math.log(clip))
    return losses.sum((1, 2)).div_(constant(losses.shape[1], losses)), (exponentials, sums)


def log_mean_probability(scores: Sequence[Tensor]) -> Tensor:
    """Return the scores of an ensemble: log of the class probabilities averaged over networks, shape (M, B, K).

    Args:
        scores: Scores of each network, shape (M, B, K). Those of a single network are returned as they are.
    """
    if len(scores) == 1:
        return scores[0]
    shifted = [s - s.amax(-1, keepdim=True) for s in scores]
    logarithms = torch.stack([s - s.exp().sum(-1, keepdim=True).log() for s in shifted])  # (networks, M, B, K)
    # Average exp(log p - highest), not p itself: probabilities too small for a float would all become 0.
    highest = logarithms.amax(0)
    return highest + (logarithms - highest).exp().mean(0).log()


def cross_entropy_backward(saved: tuple[Tensor, Tensor], labels: Tensor) -> Tensor:
    """Return the gradient `(p - y) / B` with respect to the scores, shape (M, B, K), y the one-hot labels.

    Args:
        saved: Second result of `cross_entropy`.
        labels: Labels, shape (G, B), int64.
    """
    exponentials, sums = saved
    gradient = exponentials / sums
    gradient.scatter_(-1, _index(labels, gradient), -1.0, reduce="add")
    return gradient.div_(constant(gradient.shape[1], gradient))


def _index(labels: Tensor, scores: Tensor) -> Tensor:
    """Return labels (G, B) as the index (M, B, 1) that gather and scatter take."""
    index = labels.unsqueeze(-1)
    return index if index.shape[0] == scores.shape[0] else index.expand(scores.shape[0], -1, -1)


def squared_weights(weights: list[Tensor], l2: Tensor) -> Tensor:
    """Return the penalty, the sum over layers of `lambda_layer ||W||^2` (KTH lab, eq. 7), shape (M,).

    Args:
        weights: Weight tensors without biases, each of shape (M, ...).
        l2: Factors lambda, shape (M, number of weights).
    """
    squares = torch.stack([w.flatten(1).square().sum(1) for w in weights], 1)
    return (l2 * squares).sum(1)
