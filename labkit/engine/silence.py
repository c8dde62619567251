"""Reasons why a network says the same of every sample: shut activations, and gradients that do not reach far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from labkit.models.network import Network
from labkit.nn.activation import ACTIVATIONS, Activation
from labkit.nn.layer import Context

_FLAT = 0.01  # slope below which a unit counts as shut; a sigmoid's is, where its output lies within 1% of 0 or 1
_MOSTLY = 0.9  # share of shut activations above which a layer is to blame
_FADED = 0.01  # ratio of first to last layer's gradient, or spread of the scores, below which a signal has faded


@dataclass(frozen=True)
class Silence:
    """The symptoms of a network whose loss stays at ln K, that of guessing among K classes.

    Attributes:
        saturated: Share of the activations, over units and samples, with a slope below 0.01, by layer.
        gradient: Mean absolute gradient of one parameter over epoch 1, by layer with weights, first to last.
        spread: Standard deviation of a score over samples, averaged over classes.
    """

    saturated: Mapping[str, float]
    gradient: Mapping[str, float]
    spread: float

    @property
    def why(self) -> str:
        """The likeliest reason in one sentence; empty where all three are as they should be."""
        reach = list(self.gradient.values())
        if not any(reach[:-1]):
            return "no gradient reaches any layer but the last: weights that start at 0, or units that are all shut"
        worst = max(self.saturated, key=lambda layer: self.saturated[layer], default="")
        if worst and self.saturated[worst] > _MOSTLY:
            share = f"{100 * self.saturated[worst]:.0f}% of {worst}'s units"
            return f"{share} are saturated or shut and let no gradient through: smaller weights or a smaller rate"
        if len(reach) > 1 and reach[0] < _FADED * reach[-1]:
            sizes = f"{reach[-1]:.1e} a weight in the last layer and {reach[0]:.1e} in the first"
            mend = "larger initial weights (init=glorot_sigmoid for sigmoids), another activation, or skips"
            return f"the gradient fades on its way back, {sizes}: {mend}"
        if self.spread < _FADED:
            return f"scores differ by {self.spread:.1e} between samples: what tells them apart fades on its way up"
        return ""


@torch.no_grad()
def silence(network: Network, parameters: Mapping[str, Tensor], features: Tensor, sums: Mapping[str, float]) -> Silence:
    """Return the symptoms that the activations of some samples and the gradients of epoch 1 show.

    Args:
        network: Layers.
        parameters: Parameters and running statistics of one member by name, without the member axis.
        features: Samples of the training part, shape (n, *shape).
        sums: L1 norm of the gradient by layer, averaged over the updates of epoch 1.
    """
    tensors = [parameters[name].unsqueeze(0).to(features.device) for name, _ in network.parameters]
    buffers = [parameters[name].unsqueeze(0).to(features.device) for name, *_ in network.buffers]
    scores, tape = network.forward(features.unsqueeze(0), network.by_stage(tensors, buffers), Context())
    saturated = {}
    for stage, saved in zip(network.stages, tape, strict=True):
        if isinstance(stage.layer, Activation) and saved is not None:
            like = saved[0] if isinstance(saved, tuple) else saved
            # The derivative at every activation is the backward pass of a gradient of ones.
            slope = ACTIVATIONS[stage.layer.function].backward(torch.ones_like(like), saved)
            saturated[stage.name] = float((slope.abs() < _FLAT).double().mean())
    sizes: dict[str, int] = {}
    for name, parameter in network.parameters:
        layer = name.split(".")[0]
        sizes[layer] = sizes.get(layer, 0) + prod(parameter.shape)
    gradient = {layer: sums[layer] / size for layer, size in sizes.items() if layer in sums}
    return Silence(saturated, gradient, float(scores[0].double().std(0).mean()))
