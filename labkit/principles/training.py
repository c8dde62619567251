"""Networks, recipes and single steps for the experiments: the engine's own parts, put together without a config."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from labkit.engine.population import Population
from labkit.engine.recipe import Recipe, l2_per_weight
from labkit.engine.state import RunState
from labkit.engine.step import Stepper
from labkit.engine.trainer import Trainer
from labkit.models.entries import Sizing, expand
from labkit.models.network import Network
from labkit.nn.initialise import Initialiser, glorot
from labkit.nn.layer import Shape
from labkit.optim.rules import Rule
from labkit.optim.schedules import constant
from labkit.preprocess.prepare import Kind, Part, Parts


def network(entries: Sequence[object], shape: Shape, activation: str = "relu", classes: int = 2) -> Network:
    """Return the network of a layer list as a model file has it, whatever its last layer gives.

    Args:
        entries: Layer list.
        shape: Shape of one sample.
        activation: Activation of layers that name none; the one of `units: classes` has none.
        classes: Number that `units: classes` stands for.
    """
    return Network(expand(entries, activation, Sizing(classes)), [], shape)


def recipe(
    net: Network, rule: Rule, updates: int, batch_size: int, seed: int, initialiser: Initialiser | None = None
) -> Recipe:
    """Return a recipe on one thread and the CPU, without L2, evaluated at its two ends only.

    Args:
        net: Network to train.
        rule: Update rule.
        updates: Number of updates.
        batch_size: Samples of a batch.
        seed: Seed of the run.
        initialiser: Initialiser of the weights; None: Glorot's.
    """
    trainer = Trainer(steps=updates, batch_size=batch_size, device="cpu", threads=1, eval_every="1/run")
    return Recipe(net, initialiser or glorot(), rule, constant(), trainer, seed=seed, l2=l2_per_weight(0.0, net))


def only_training(features: Tensor, labels: Tensor, kind: Kind = "vector", classes: int = 2) -> Parts:
    """Return parts of which only the training part has samples.

    Args:
        features: Samples, shape (n, *features).
        labels: Classes, integers, shape (n,).
        kind: Kind of the samples.
        classes: Number of classes.
    """
    none = Part(features[:0], labels[:0])
    names = tuple(str(k) for k in range(classes))
    return Parts(Part(features, labels), none, none, tuple(features.shape[1:]), kind, names)


def follow(population: Population, marks: Sequence[int]) -> Iterator[tuple[int, Stepper, RunState]]:
    """Train a population and hand over its state after some numbers of updates.

    Args:
        population: Population to train.
        marks: Numbers of updates, rising.

    Yields:
        Updates done, the stepper and the state.
    """
    state = population.initial_state()
    stepper = Stepper(population, state)
    for mark in marks:
        while state.step < mark:
            stepper.step(state)
        yield mark, stepper, state


def marks(updates: int, count: int) -> list[int]:
    """Return about `count` numbers of updates, dense at the beginning, with 0, 1 and the last."""
    steps = torch.arange(count, dtype=torch.float64) / max(1, count - 1)
    return sorted({0, 1, updates, *(round(updates ** float(step)) for step in steps)})
