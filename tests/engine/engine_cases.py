"""Tiny data and recipes in memory, and the table of network families that a population trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from labkit.config import build
from labkit.engine.block import Outcome
from labkit.engine.execution import Execution, changed, stated
from labkit.engine.loop import train
from labkit.engine.population import Population
from labkit.engine.recipe import Augmentation, Recipe, l2_per_weight
from labkit.engine.state import RunState
from labkit.engine.step import Stepper
from labkit.engine.trainer import Trainer
from labkit.models.entries import Sizing
from labkit.models.network import Network, layers
from labkit.nn.layer import Shape
from labkit.optim.rules import Rule
from labkit.optim.schedules import Schedule
from labkit.preprocess.prepare import Kind, Part, Parts

CLASSES, TOKENS = 4, 9
BATCH, SAMPLES = 8, 28  # four updates an epoch, the last of four samples
OUT = {"linear": {"units": "classes"}}
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


@dataclass(frozen=True)
class Family:
    """Networks of one kind, and what their samples look like.

    Attributes:
        dropout: whether the layer list has a place for the members' own probability.
    """

    shape: Shape
    entries: tuple[Any, ...]
    kind: Kind = "vector"
    skips: tuple[tuple[int, int], ...] = ()
    dropout: bool = False

    def network(self, dropout: float = 0.0) -> Network:
        entries = [{"dropout": {"p": dropout}} if entry == "DROPOUT" else entry for entry in self.entries]
        sizing = Sizing(CLASSES, TOKENS if self.kind == "text" else 0)
        return layers(layers=entries, activation="tanh", skips=list(self.skips)).build(self.shape, sizing)


FAMILIES: dict[str, Family] = {
    "linear": Family((6,), ({"linear": {"units": 7}}, OUT)),
    "conv1d": Family((2, 12), ({"conv1d": {"channels": 3, "kernel": 4, "stride": 2}}, OUT), "sound"),
    "conv2d": Family((2, 6, 6), ({"conv2d": {"channels": [3, 4], "downsample": "stride"}}, OUT), "image"),
    "pooling": Family(
        (1, 8, 8),
        (
            {"conv2d": {"channels": 3, "downsample": "maxpool"}},
            {"conv2d": {"channels": 4, "activation": "silu"}},
            {"average_pool2d": {"kernel": 2}},
            {"conv2d": {"channels": CLASSES, "activation": "leaky_relu"}},
            "global_average_pool",
        ),
        "image",
    ),
    "batch norm": Family(
        (1, 6, 6),
        ({"conv2d": {"channels": 3, "batch_norm": True}}, {"linear": {"units": 6, "batch_norm": True}}, OUT),
        "image",
    ),
    "dropout": Family((6,), ("DROPOUT", {"linear": {"units": 9}}, "DROPOUT", OUT), dropout=True),
    "recurrent": Family((7,), ({"embedding": {"size": 3}}, {"rnn": {"units": 5}}, OUT), "text"),
    "skips": Family(
        (6,), ({"linear": {"units": 6}}, {"residual": {"width": 6, "blocks": 2}}, OUT), skips=((0, 1), (1, 4))
    ),
}


def parts(family: Family, dtype: torch.dtype = torch.float64, samples: int = SAMPLES) -> Parts:
    """Noise with a trace of its class, so that there is something to learn."""
    draw = torch.Generator().manual_seed(21)

    def part(size: int) -> Part:
        labels = torch.randint(CLASSES, (size,), generator=draw)
        if family.kind == "text":
            ids = torch.randint(1, TOKENS, (size, *family.shape), generator=draw)
            lengths = torch.randint(1, family.shape[0] + 1, (size,), generator=draw)
            ids[:, 0] = 1 + labels
            ids[torch.arange(family.shape[0]) >= lengths.unsqueeze(1)] = 0
            return Part(ids.to(torch.uint8), labels, lengths)
        noise = torch.randn(size, *family.shape, generator=draw, dtype=torch.float64)
        places = torch.arange(noise[0].numel()).view(family.shape) % CLASSES
        own = places == labels.view(-1, *[1] * len(family.shape))
        return Part((noise + own).to(dtype), labels)

    names = tuple(f"class {k}" for k in range(CLASSES))
    return Parts(part(samples), part(13), part(11), family.shape, family.kind, names)


def rule(name: str = "momentum", **numbers: float) -> Rule:
    return build("optimizer", {"_target_": f"labkit.optim.rules.{name}", "lr": 0.05, **numbers})  # type: ignore[no-any-return]


def schedule(name: str = "constant", **keys: Any) -> Schedule:
    return build("schedule", {"_target_": f"labkit.optim.schedules.{name}", **keys})  # type: ignore[no-any-return]


def trainer(**keys: Any) -> Trainer:
    usual = {"steps": 20, "batch_size": BATCH, "device": "cpu", "precision": "float64", "threads": 1}
    if {"epochs", "steps"} & keys.keys():
        del usual["steps"]
    return build("trainer", {"_target_": "labkit.engine.trainer.Trainer", **usual, **keys})  # type: ignore[no-any-return]


def recipe(
    family: Family,
    *,
    seed: int = 0,
    l2: Any = 0.0,
    dropout: float = 0.0,
    gain: float = 1.0,
    augmentation: Augmentation | None = None,
    update: Rule | None = None,
    rates: Schedule | None = None,
    how: Trainer | None = None,
    init: str = "glorot",
    open_test: bool = True,
) -> Recipe:
    """A recipe with everything left at something ordinary."""
    network = family.network(dropout)
    return Recipe(
        network=network,
        initialiser=build("init", {"_target_": f"labkit.nn.initialise.{init}", "gain": gain}),
        rule=update or rule(),
        schedule=rates or schedule(),
        trainer=how or trainer(),
        seed=seed,
        l2=l2_per_weight(l2, network),
        augmentation=augmentation or Augmentation(),
        open_test=open_test,
    )


def mixed(family: Family, how: Trainer, seeds: Sequence[int]) -> list[Recipe]:
    """Four members that differ in every number a member may call its own.

    Their rates are tame: at 0.05 with a momentum of 0.9 a rounding grew a hundredfold within 20 updates behind a
    batch norm, past the bound on some processors.
    """
    lr, momentum = (0.025, 0.02, 0.1, 0.03), (0.9, 0.0, 0.5, 0.8)
    decay, l2 = (0.0, 0.01, 0.001, 0.0), (0.0, 0.001, 0.0, 0.02)
    dropout, gain = (0.0, 0.3, 1.0, 0.5), (1.0, 0.5, 1.5, 0.8)
    members = []
    for m, seed in enumerate(seeds):
        update = rule("momentum", lr=lr[m], momentum=momentum[m], weight_decay=decay[m])
        numbers = {"seed": seed, "l2": l2[m], "dropout": dropout[m], "gain": gain[m]}
        members.append(recipe(family, update=update, how=how, augmentation=strengths(family, m), **numbers))
    return members


def strengths(family: Family, m: int) -> Augmentation:
    """Member m's augmentation: none for the first, as much as the kind of sample takes for the others."""
    if m == 0 or family.kind == "text":
        return Augmentation()
    if family.kind != "image":
        return Augmentation(noise=0.1 * m)
    return (Augmentation(0.5, 1, 0.1), Augmentation(mirror=1.0), Augmentation(shift=2, noise=0.05))[m - 1]


# What an execution may change, and the families that can.
EXECUTIONS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "stated": ({}, tuple(FAMILIES)),
    "one by one": ({"block": 1}, tuple(FAMILIES)),
    "by threes": ({"block": 3}, tuple(FAMILIES)),
    "side by side": ({"block": 1, "workers": 3}, tuple(FAMILIES)),
    "pairs side by side": ({"block": 2, "workers": 2}, tuple(FAMILIES)),
    "factors": ({"update": "factors"}, ("linear", "conv1d", "conv2d", "batch norm", "dropout", "recurrent", "skips")),
    "channels last": ({"convolutions": "channels_last"}, ("conv2d", "pooling", "batch norm")),
    "channels last, one by one": ({"convolutions": "channels_last", "block": 1}, ("conv2d", "pooling", "batch norm")),
}
EXECUTED = [(name, family) for name, (_, families) in EXECUTIONS.items() for family in families]


def executed(name: str, members: Sequence[Recipe], data: Parts) -> Execution:
    """The execution of that name for these members."""
    given = stated(members, len(data.train.features))
    return changed(given, {"update": "gradient", **EXECUTIONS[name][0]})


def stepped(run: Population, steps: int, saved: dict[str, Any] | None = None) -> RunState:
    """The state some updates behind the start, or behind a saved value of it."""
    state = run.initial_state()
    if saved is not None:
        state.restore(saved)
    stepper = Stepper(run, state)
    for _ in range(steps):
        state = stepper.step(state)
    return state


def with_rate(one: Recipe, lr: float) -> Recipe:
    return replace(one, rule=replace(one.rule, numbers={**one.rule.numbers, "lr": lr}))


def alone(one: Recipe, data: Parts) -> Outcome:
    """What the recipe gives as a run of its own."""
    return train([one], data)[0]


def assert_near(found: Sequence[Tensor], expected: Sequence[Tensor], tolerance: float) -> None:
    """Relative to the length of all of them together: a bias before a batch norm has no gradient but rounding."""
    one, other = (torch.cat([t.double().flatten() for t in tensors]) for tensors in (found, expected))
    assert (one - other).norm() <= tolerance * other.norm(), f"apart by {(one - other).norm() / other.norm():.2e}"


def assert_same_outcome(found: Outcome, expected: Outcome, tolerance: float) -> None:
    """Parameters, running statistics, every metric of every evaluation, gradient norms."""
    assert found.parameters.keys() == expected.parameters.keys()
    assert_near([*found.parameters.values()], [*expected.parameters.values()], tolerance)
    assert [step for step, _ in found.history] == [step for step, _ in expected.history]
    for (_, row), (_, other) in zip(found.history, expected.history, strict=True):
        assert row == pytest.approx(other, rel=10 * tolerance)
    assert found.gradient_l1 == pytest.approx(expected.gradient_l1, rel=10 * tolerance, abs=tolerance)
    assert (found.confusion == expected.confusion).all()
    assert (found.steps, found.stopped_at, found.diverged) == (expected.steps, expected.stopped_at, expected.diverged)


def assert_bit_equal(found: Outcome, expected: Outcome) -> None:
    assert found.history == expected.history
    assert found.gradient_l1 == expected.gradient_l1
    for name, value in expected.parameters.items():
        assert torch.equal(found.parameters[name], value)
