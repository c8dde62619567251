"""A network as a function of its parameters: its scores, and its cost with the gradient that the engine trains by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.checks.input import Input
from labkit.checks.kinks import pieces
from labkit.checks.maps import GROUPS, Map, Tensors
from labkit.checks.networks import CLASSES, Subject
from labkit.engine.population import Population
from labkit.engine.recipe import Recipe
from labkit.engine.step import Stepper
from labkit.engine.streams import generator
from labkit.engine.trainer import Trainer
from labkit.nn.initialise import glorot
from labkit.nn.layer import Context, Draws
from labkit.nn.loss import cross_entropy, squared_weights
from labkit.optim.rules import Numbers, Rule, Slots
from labkit.optim.schedules import constant
from labkit.preprocess.prepare import Part, Parts

SEED = 0  # of the engine's streams
GAIN, SPREAD = 1.5, 0.1  # of the weights, and of the noise that moves biases and scales off their first values


@dataclass(frozen=True)
class Problem:
    """A subject at a random point with random data; float64.

    Attributes:
        subject: Network under test.
        point: Parameters by name, each of shape (1, ...); that of the `Input` is the batch itself.
        features: Inputs, shape (batch, *shape): ids, or zeros where an `Input` holds the batch.
        labels: Classes, integers, shape (batch,).
        lengths: Lengths of texts in tokens, shape (batch,); None for other data.
    """

    subject: Subject
    point: Tensors
    features: Tensor
    labels: Tensor
    lengths: Tensor | None

    @property
    def groups(self) -> dict[str, str]:
        """The group of each parameter."""
        network = self.subject.network
        inputs = {stage.name for stage in network.stages if isinstance(stage.layer, Input)}
        return {name: "x" if name.split(".")[0] in inputs else GROUPS[p.role] for name, p in network.parameters}


def problem(subject: Subject, seed: int = 1) -> Problem:
    """Return random parameters, data and labels for a subject."""
    draw = torch.Generator().manual_seed(seed)
    shape, rows = subject.shape, subject.batch
    features = torch.zeros(rows, *shape, dtype=torch.float64)
    if subject.tokens:
        features = torch.randint(1, subject.tokens, (rows, *shape), generator=draw)
    point = {}
    for name, parameter in subject.network.parameters:
        noise = torch.randn(1, *parameter.shape, generator=draw, dtype=torch.float64)
        start = glorot(gain=GAIN).draw(parameter, draw, torch.float64)
        point[name] = noise if name.endswith(".x") else start + SPREAD * noise
    labels = torch.randint(CLASSES, (rows,), generator=draw)
    lengths = torch.randint(1, shape[0] + 1, (rows,), generator=draw) if subject.tokens else None
    return Problem(subject, point, features, labels, lengths)


def scores_map(given: Problem) -> Map:
    """Return the scores as a function of the parameters, in training mode.

    The output has shape (1, batch, classes), and `Network.backward` is the transposed Jacobian.
    """
    network, order = given.subject.network, torch.arange(given.subject.batch)
    _, tape = _forward(given, given.point, order)
    buffers = _buffers(given)

    def pullback(u: Tensor) -> Tensors:
        """Return `J'u` for a u of shape (1, batch, classes)."""
        gradients = {name: torch.full_like(value, torch.nan) for name, value in given.point.items()}
        tensors, targets = (network.by_stage(list(t.values()), buffers) for t in (given.point, gradients))
        network.backward(u, tape, tensors, targets)
        return gradients

    return Map(given.point, given.groups, lambda v: _forward(given, v, order)[0], pullback, _pieces(given, order))


def cost_map(given: Problem) -> Map:
    """Return loss plus L2, a number, with the gradient that the engine hands to its update rule.

    What is tested is what trains: the loss's backward pass, the network's, and the engine's `2 lambda W`.
    """
    gradient, order = engine_gradient(given)
    weights = [name for name, parameter in given.subject.network.parameters if parameter.role == "weight"]
    l2 = torch.tensor([given.subject.l2 or (0.0,) * len(weights)], dtype=torch.float64)

    def cost(variables: Mapping[str, Tensor]) -> Tensor:
        """Return the cost, shape (1,)."""
        scores, _ = _forward(given, variables, order)
        loss, _ = cross_entropy(scores, given.labels[order].unsqueeze(0))
        return loss + squared_weights([variables[name] for name in weights], l2)

    def pullback(u: Tensor) -> Tensors:
        """Return `J'u` for a u of shape (1,)."""
        return {name: value * u.view(()) for name, value in gradient.items()}

    return Map(given.point, given.groups, cost, pullback, _pieces(given, order))


def engine_gradient(given: Problem) -> tuple[Tensors, Tensor]:
    """Return the gradient of the cost at the point, and the order in which the batch was read.

    The gradient is the one that a training step computes: parameter -> tensor of its shape, (1, ...).
    """
    network = given.subject.network
    part = Part(given.features, given.labels, given.lengths)
    nothing = Part(given.features[:0], given.labels[:0], None if given.lengths is None else given.lengths[:0])
    parts = Parts(
        part, nothing, nothing, given.subject.shape, "vector", tuple(map(str, range(network.output_shape[0])))
    )
    trainer = Trainer(steps=1, batch_size=given.subject.batch, precision="float64", device="cpu", threads=1)
    weights = sum(parameter.role == "weight" for _, parameter in network.parameters)
    l2 = given.subject.l2 or (0.0,) * weights
    rule = Rule(_reveal, numbers={"lr": 1.0, "weight_decay": 0.0})
    population = Population([Recipe(network, glorot(), rule, constant(), trainer, SEED, l2)], parts)
    state = population.initial_state()
    state.parameters.copy_(torch.cat([value.flatten() for value in given.point.values()]))
    state = Stepper(population, state).step(state)
    found = state.parameters.split([value.numel() for value in given.point.values()])
    shaped = {name: flat.view(value.shape) for flat, (name, value) in zip(found, given.point.items(), strict=True)}
    return shaped, state.order[0]


def _reveal(theta: Tensor, gradient: Tensor, slots: Slots, numbers: Numbers, t: int) -> None:
    """Leave the gradient where the parameters were, as an update rule that makes it visible."""
    theta.copy_(gradient)


def _buffers(given: Problem) -> list[Tensor]:
    return [torch.full((1, *shape), value, dtype=torch.float64) for _, shape, value in given.subject.network.buffers]


def _forward(given: Problem, variables: Mapping[str, Tensor], order: Tensor) -> tuple[Tensor, list[object]]:
    """Return scores and tape on the batch in the engine's order, with the draws of its first step."""
    network = given.subject.network
    context = Context(
        training=True,
        rates=torch.tensor([network.rates], dtype=torch.float64),
        draws=Draws([generator(SEED, "dropout")], torch.zeros(1, dtype=torch.int64)) if network.rates else None,
        lengths=None if given.lengths is None else given.lengths[order].unsqueeze(0),
    )
    parameters = [variables[name] for name, _ in network.parameters]
    return network.forward(given.features[order].unsqueeze(0), network.by_stage(parameters, _buffers(given)), context)


def _pieces(given: Problem, order: Tensor) -> Callable[[Mapping[str, Tensor]], list[Tensor]]:
    stages = given.subject.network.stages

    def pieces_at(variables: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the pieces at other values of the parameters, shapes (1, ...)."""
        _, tape = _forward(given, variables, order)
        return pieces(zip([stage.layer for stage in stages], tape, strict=True))

    return pieces_at
