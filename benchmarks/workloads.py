"""The trainings that `make bench` times, in labkit and as the plain torch loop a user would write instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from labkit.engine.loop import train
from labkit.engine.population import Population
from labkit.engine.recipe import Recipe
from labkit.engine.step import Stepper
from labkit.engine.timing import choose
from labkit.engine.trainer import Trainer
from labkit.models.entries import Sizing
from labkit.models.network import Model
from labkit.nn.initialise import scaled_normal
from labkit.optim.rules import sgd
from labkit.optim.schedules import constant
from labkit.preprocess.prepare import Part, Parts

Work = Callable[[], None]


@dataclass(frozen=True)
class Workload:
    """One training of ten epochs: `steps` updates, evaluated before, in the middle and at the end."""

    name: str
    activation: str
    layers: list[Any]
    plain: Callable[[], nn.Module]
    shape: tuple[int, ...]
    classes: int
    batch_size: int
    steps: int
    samples: int = 2000
    l2: float = 0.0


def _kth() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 50), nn.ReLU(), nn.Linear(50, 10))


def _convolutional() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3, 2, 1), nn.Sigmoid(), nn.Conv2d(16, 32, 3, 2, 1), nn.Sigmoid()),
        *(nn.Conv2d(32, 32, 3, 2, 1), nn.Sigmoid(), nn.Flatten()),
        *(nn.Linear(512, 64), nn.Sigmoid(), nn.Linear(64, 10)),
    )


def _narrow() -> nn.Module:
    hidden = [layer for inputs in (2, 16, 16, 16) for layer in (nn.Linear(inputs, 16), nn.Tanh())]
    return nn.Sequential(*hidden, nn.Linear(16, 5))


_CONVOLUTIONAL: list[Any] = [
    {"conv2d": {"channels": [16, 32, 32], "downsample": "stride"}},
    {"linear": {"units": 64}},
    {"linear": {"units": "classes"}},
]
_KTH: list[Any] = [{"linear": {"units": 50}}, {"linear": {"units": "classes"}}]
_NARROW: list[Any] = [{"linear": {"units": [16, 16, 16, 16]}}, {"linear": {"units": "classes"}}]
_IMAGE = (3, 32, 32)

WORKLOADS = (
    Workload("KTH, batch 100", "relu", _KTH, _kth, _IMAGE, 10, 100, 1000, samples=10_000, l2=0.01),
    Workload("5-layer conv, batch 1", "sigmoid", _CONVOLUTIONAL, _convolutional, _IMAGE, 10, 1, 2000, samples=200),
    Workload("5-layer conv, batch 32", "sigmoid", _CONVOLUTIONAL, _convolutional, _IMAGE, 10, 32, 320, samples=1000),
    Workload("2-16-16-16-16-5, b. 32", "tanh", _NARROW, _narrow, (2,), 5, 32, 1500, samples=4800),
)


def _data(workload: Workload) -> tuple[Parts, Part, Part]:
    generator = torch.Generator().manual_seed(0)

    def part(count: int) -> Part:
        features = torch.randn(count, *workload.shape, generator=generator)
        return Part(features, torch.randint(0, workload.classes, (count,), generator=generator))

    train_part, validation = part(workload.samples), part(workload.samples // 4)
    names = tuple(map(str, range(workload.classes)))
    return Parts(train_part, validation, validation, workload.shape, "image", names), train_part, validation


def _recipe(workload: Workload, **trainer: Any) -> Recipe:
    network = Model(workload.activation, workload.layers, []).build(workload.shape, Sizing(workload.classes))
    weights = sum(parameter.role == "weight" for _, parameter in network.parameters)
    settings = Trainer(steps=workload.steps, batch_size=workload.batch_size, eval_every="2/run", **trainer)
    l2 = (workload.l2,) * weights
    return Recipe(network, scaled_normal(), sgd(lr=0.01), constant(), settings, l2=l2, open_test=False)


def labkit_run(workload: Workload) -> tuple[Work, int]:
    """Our training of the workload as timing chooses, and its threads."""
    parts, _, _ = _data(workload)
    recipe = _recipe(workload)
    execution = choose([recipe], parts).execution  # as a command remembers it
    return lambda: train([recipe], parts, execution=execution) and None, execution.threads


def plain_run(workload: Workload, threads: int) -> Work:
    """The plain loop at its best: fused updates, pictures with their channels last; otherwise the same work as ours."""
    _, train_part, validation = _data(workload)
    pictures = any(isinstance(layer, nn.Conv2d) for layer in workload.plain())
    if pictures:
        train_part, validation = (
            Part(part.features.contiguous(memory_format=torch.channels_last), part.labels)
            for part in (train_part, validation)
        )

    def run() -> None:
        torch.set_num_threads(threads)
        model = workload.plain()
        if pictures:
            model = model.to(memory_format=torch.channels_last)
        weights = [p for p in model.parameters() if p.dim() > 1]
        biases = [p for p in model.parameters() if p.dim() == 1]
        groups = [{"params": weights, "weight_decay": 2 * workload.l2}, {"params": biases}]
        optimizer = torch.optim.SGD(groups, lr=0.01, fused=True)
        generator = torch.Generator().manual_seed(0)
        order, position = torch.randperm(workload.samples, generator=generator), 0
        for step in range(workload.steps):
            if step % (workload.steps // 2) == 0:
                _evaluate(model, train_part, validation)
            if position >= workload.samples:
                order, position = torch.randperm(workload.samples, generator=generator), 0
            index = order[position : position + workload.batch_size]
            position += workload.batch_size
            scores = model(train_part.features.index_select(0, index))
            loss = functional.cross_entropy(scores, train_part.labels.index_select(0, index))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        _evaluate(model, train_part, validation)

    return run


@torch.no_grad()
def _evaluate(model: nn.Module, *parts: Part) -> list[tuple[float, float]]:
    """Loss and accuracy on whole parts, in chunks of 1,000."""
    results = []
    for part in parts:
        loss, hits = 0.0, 0
        for start in range(0, len(part.features), 1000):
            labels = part.labels[start : start + 1000]
            scores = model(part.features[start : start + 1000])
            loss += float(functional.cross_entropy(scores, labels, reduction="sum"))
            hits += int((scores.argmax(1) == labels).sum())
        results.append((loss / len(part.features), hits / len(part.features)))
    return results


THREAD_STEPS = 20
THREAD_SIZES = ((16, 32), (50, 32), (200, 32), (50, 100), (200, 100), (1000, 100))


def thread_run(width: int, batch: int) -> tuple[int, Work, Work]:
    """Multiply-adds in a step of a 784-`width`-10 network, and `THREAD_STEPS` steps of it on one and on two threads."""
    workload = Workload("", "relu", [{"linear": {"units": width}}, *_KTH[1:]], _kth, (784,), 10, batch, 10_000)
    parts, _, _ = _data(workload)
    population = Population([_recipe(workload)], parts)
    state = population.initial_state()
    stepper = Stepper(population, state)

    def run(threads: int) -> Work:
        def work() -> None:
            torch.set_num_threads(threads)
            for _ in range(THREAD_STEPS):
                stepper.step(state)

        return work

    return 3 * population.network.multiply_adds * batch, run(1), run(2)
