"""Evaluation of all members on one part of the data, in evaluation mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor

from labkit.metrics import classification, confusion_matrices
from labkit.models.network import Network
from labkit.nn.layer import Context
from labkit.nn.loss import cross_entropy, log_mean_probability
from labkit.preprocess.prepare import Part

# Bound on the numbers in the widest activation of a chunk: smaller chunks cost calls, larger ones leave the cache.
_CHUNK_NUMBERS = 1 << 22
_PLAIN = Context()


@dataclass(frozen=True)
class Evaluation:
    """Results of every member on one part.

    Attributes:
        loss: Mean cross-entropy in nats, shape (M,), float64.
        confusion: Counts of samples by true class and predicted class, shape (M, K, K), int64.
    """

    loss: Tensor
    confusion: Tensor

    def metrics(self, prefix: str, penalty: Tensor) -> list[dict[str, float]]:
        """Return each member's metrics by name, `prefix/loss` and so on.

        Args:
            prefix: First part of the names, such as `val`.
            penalty: Weight penalty, shape (M,); cost = loss + penalty.
        """
        columns = {"loss": self.loss, "cost": self.loss + penalty.double(), **classification(self.confusion)}
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        return [{f"{prefix}/{key}": value for key, value in zip(columns, row, strict=True)} for row in rows]


def chunk_size(network: Network, members: int, samples: int) -> int:
    """Return the number of samples to evaluate at once.

    Before the first layer with parameters the members share their activations, which therefore count once.
    """
    shared = next(i for i, stage in enumerate(network.stages) if stage.last_parameter > stage.first_parameter)
    own = members * max(prod(stage.output_shape) for stage in network.stages[shared:])
    widest = max(own, *(prod(stage.shape) for stage in network.stages[: shared + 1]))
    return max(1, min(samples, _CHUNK_NUMBERS // widest))


@torch.no_grad()
def evaluate(
    network: Network,
    snapshots: Sequence[tuple[list[Tensor], list[Tensor]]],
    part: Part,
    context: Context = _PLAIN,
    clip: float | None = None,
) -> Evaluation:
    """Return loss and confusion matrix of every member on all of `part`.

    Args:
        network: Layers that all members share.
        snapshots: Pairs of parameters and running statistics, each tensor of shape (M, *its own shape). The class
            probabilities of several pairs are averaged.
        part: Samples to evaluate on.
        context: How layers compute.
        clip: Bound on probabilities in the loss, see `labkit.nn.loss.CrossEntropy`.
    """
    first = snapshots[0][0][0]
    members, classes = first.shape[0], prod(network.output_shape)
    tensors = [network.by_stage(parameters, buffers) for parameters, buffers in snapshots]
    size = chunk_size(network, members, len(part.features))
    total = torch.zeros(members, dtype=torch.float64, device=first.device)
    confusion = torch.zeros(members, classes, classes, dtype=torch.int64, device=first.device)
    for start in range(0, len(part.features), size):
        chunk = slice(start, start + size)
        labels = part.labels[chunk].unsqueeze(0)
        lengths = None if part.lengths is None else part.lengths[chunk].unsqueeze(0)
        features = part.features[chunk].unsqueeze(0)
        scores = [network.forward(features, of_one, replace(context, lengths=lengths))[0] for of_one in tensors]
        loss, _ = cross_entropy(joined := log_mean_probability(scores), labels, clip)
        # Weighted by the chunk's samples: the last chunk may be shorter.
        total += loss.double() * labels.shape[1]
        confusion += confusion_matrices(joined.argmax(-1), labels, classes)
    return Evaluation(total / len(part.features), confusion)


@torch.no_grad()
def classify(
    network: Network, parameters: list[Tensor], buffers: list[Tensor], features: Tensor, context: Context = _PLAIN
) -> Tensor:
    """Return the class that every member gives each sample, shape (M, n), int64, in evaluation mode.

    Args:
        network: Layers that all members share.
        parameters: Parameters, each of shape (M, *its own shape).
        buffers: Running statistics, each of shape (M, *its own shape).
        features: Samples, shape (n, *shape).
        context: How layers compute.
    """
    tensors = network.by_stage(parameters, buffers)
    size = chunk_size(network, parameters[0].shape[0], len(features))
    chunks = [network.forward(chunk.unsqueeze(0), tensors, context)[0].argmax(-1) for chunk in features.split(size)]
    return torch.cat(chunks, 1)
