"""Every network of conf/model on a small sample shape, built as the command line builds it, with random tensors."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from labkit.compose import compose
from labkit.config import build
from labkit.models.entries import Sizing
from labkit.models.network import Model, Network
from labkit.nn.initialise import glorot
from labkit.nn.layer import Context, Draws, Shape
from labkit.nn.loss import cross_entropy, cross_entropy_backward
from labkit.preprocess.prepare import Kind
from labkit.runs.plan import resolved

IMAGE: Shape = (3, 16, 16)
TEXT = Sizing(classes=4, tokens=11)
# Options that need another sample than an image; every other file of conf/model is tested on images.
SHAPES: dict[str, tuple[Shape, Sizing]] = {"audio_cnn": ((1, 600), Sizing(4)), "char_rnn": ((9,), TEXT)}
# A sample of every kind of data that a model file may name.
KINDS: dict[Kind, tuple[Shape, Sizing]] = {
    "vector": ((5,), Sizing(4)),
    "image": (IMAGE, Sizing(4)),
    "sound": ((1, 600), Sizing(4)),
    "text": ((9,), TEXT),
}


@cache
def model(*overrides: str) -> Model:
    """`model("cnn", "model.hidden=8")`: the model of the composed configuration."""
    config = resolved(compose([f"model={overrides[0]}", *overrides[1:]]))
    return build("model", config["model"])  # type: ignore[no-any-return]


def network(*overrides: str, shape: Shape | None = None, sizing: Sizing | None = None) -> Network:
    usual = SHAPES.get(overrides[0], (IMAGE, Sizing(4)))
    return model(*overrides).build(shape or usual[0], sizing or usual[1])


class Sample:
    """Random parameters of M members and a batch for a network; float64."""

    def __init__(self, net: Network, members: int, shared: bool, size: int = 4) -> None:
        self.network, self.members = net, members
        draw = torch.Generator().manual_seed(8)
        groups = 1 if shared else members
        shape = net.stages[0].shape
        if net.stages[0].layer.kind == "embedding":
            self.x = torch.randint(1, 11, (groups, size, *shape), generator=draw)
        else:
            self.x = torch.randn(groups, size, *shape, generator=draw, dtype=torch.float64)
        self.labels = torch.randint(net.output_shape[0], (groups, size), generator=draw)
        self.lengths = torch.randint(1, shape[0] + 1, (groups, size), generator=draw)
        init = glorot(gain=1.5)
        self.parameters = [
            torch.stack([init.draw(p, draw, torch.float64) for _ in range(members)]) for _, p in net.parameters
        ]
        for tensor in self.parameters:  # biases and scales off their starting values
            tensor += 0.1 * torch.randn(tensor.shape, generator=draw, dtype=torch.float64)
        self.buffers = [torch.full((members, *s), value, dtype=torch.float64) for _, s, value in net.buffers]

    def forward(self, parameters: list[Tensor], training: bool = True) -> tuple[Tensor, list[object]]:
        """Scores and tape, with the same draws every time."""
        streams = [torch.Generator().manual_seed(m) for m in range(self.members)]
        context = Context(
            training=training,
            rates=torch.tensor([self.network.rates] * self.members, dtype=torch.float64),
            draws=Draws(streams, torch.arange(self.members)),
            lengths=self.lengths,
        )
        buffers = [b.clone() for b in self.buffers]
        return self.network.forward(self.x, self.network.by_stage(parameters, buffers), context)


def assert_backward_is_the_gradient(sample: Sample) -> None:
    """The network's own backward pass, written over NaNs, against autograd of the loss."""
    net, labels = sample.network, sample.labels
    leaves = [p.clone().requires_grad_() for p in sample.parameters]
    loss, _ = cross_entropy(sample.forward(leaves)[0], labels)
    expected = torch.autograd.grad(loss.sum(), leaves)
    with torch.no_grad():
        scores, tape = sample.forward(sample.parameters)
        found_loss, saved = cross_entropy(scores, labels)
        found = [torch.full_like(p, torch.nan) for p in sample.parameters]
        tensors, targets = (net.by_stage(values, sample.buffers) for values in (sample.parameters, found))
        net.backward(cross_entropy_backward(saved, labels), tape, tensors, targets)
    torch.testing.assert_close(found_loss, loss.detach(), rtol=1e-12, atol=1e-12)
    for (name, _), one, other in zip(net.parameters, found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10, msg=lambda text, name=name: f"{name}: {text}")
