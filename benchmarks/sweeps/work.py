"""The sweeps that are timed: each one network, one data set, and one number that differs between the trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Cycle:
    """Triangular learning rates (KTH lab, eqs. 14 and 15): `half` updates up, as many down, and again."""

    lowest: float
    highest: float
    half: int


@dataclass(frozen=True)
class Tolerance:
    """By how much a trial may differ from labkit's float32 trial of the same value at its last evaluation.

    Rounding grows with the updates, so whole trainings agree in what they learn and not in their digits: of a full
    sweep the validation accuracies are compared, trial by trial, their mean and their best; of a smoke-size one, where
    nothing had time to grow, the validation losses too.

    Attributes:
        accuracy: of any one trial.
        mean: of the mean over the trials, and of the best trial.
        own: of the mean and the best of a peer that draws its own first weights.
        loss: relative, of any one trial; None where losses are not compared.
    """

    accuracy: float
    mean: float
    own: float = 0.02
    loss: float | None = None


@dataclass(frozen=True)
class Work:
    """One sweep.

    Attributes:
        name: on the command line.
        title: in the table.
        options: what labkit's command line is told, key to value, without the swept key.
        key: the swept key, as labkit calls it: `optimizer.lr` or `loss.l2` (cost = loss + l2 sum W^2).
        values: one trial each.
        data: `cifar10`, `mnist` or `peaks`.
        normalise: every feature to mean 0 and deviation 1 over the training part; pixels are divided by 255 before.
        channels: of 3 x 3 convolutions with stride 2 and padding 1, before the linear layers.
        keeping: channels of the 3 x 3 convolutions with stride 1 and padding 1 behind those.
        hidden: units of the hidden linear layers.
        classes: units of the last.
        activation: `relu`, `tanh`, `sigmoid` or `silu`, after every layer but the last.
        momentum: of the update rule, `m <- momentum m + g`; 0 for plain gradient descent.
        cycle: the learning rates where they are not constant.
        tolerance: in float32; bfloat16 products get `bfloat16`.
        smoke_options: take the place of `options` in a smoke run.
        smoke_trials: number of values in it.
    """

    name: str
    title: str
    options: Mapping[str, Any]
    key: str
    values: tuple[float, ...]
    data: str
    normalise: bool
    hidden: tuple[int, ...]
    classes: int
    activation: str
    tolerance: Tolerance
    bfloat16: Tolerance
    channels: tuple[int, ...] = ()
    keeping: tuple[int, ...] = ()
    momentum: float = 0.0
    cycle: Cycle | None = None
    smoke_options: Mapping[str, Any] | None = None
    smoke_trials: int = 2

    def smoke(self) -> Work:
        """The same work in seconds: few samples, few updates, few trials."""
        options = {**self.options, **(self.smoke_options or {})}
        cycle = self.cycle and replace(self.cycle, half=int(options["schedule.step_size"]))
        spread = np.linspace(0, len(self.values) - 1, self.smoke_trials).round().astype(int)
        return replace(
            self,
            options=options,
            values=tuple(self.values[i] for i in spread),
            cycle=cycle,
            tolerance=Tolerance(2e-3, 2e-3, 1.0, 1e-4),
            bfloat16=Tolerance(0.05, 0.05, 1.0, 0.05),
        )

    def strides(self) -> list[int]:
        """The stride of every convolution."""
        return [2] * len(self.channels) + [1] * len(self.keeping)

    def l2(self, value: float) -> float:
        """Lambda of the trial with that value."""
        return value if self.key == "loss.l2" else 0.0

    def rates(self, value: float, updates: int) -> np.ndarray:
        """The learning rate of every update of the trial with that value, `(updates,)`."""
        if self.cycle is None:
            return np.full(updates, value)
        t = np.arange(1, updates + 1)
        way = np.abs((t / self.cycle.half) % 2 - 1)  # 1 at the ends of a cycle, 0 at its middle
        return self.cycle.lowest + (1 - way) * (self.cycle.highest - self.cycle.lowest)

    def words(self, precision: str, launcher: str | None) -> list[str]:
        """labkit's command line for the whole sweep."""
        options = {**self.options, "trainer.precision": precision, self.key: ",".join(map(repr, self.values))}
        if launcher is not None:
            options["hydra/launcher"] = launcher
        return ["-m", *(f"{key}={value}" for key, value in options.items())]

    def single(self) -> list[str]:
        """labkit's words for the first trial alone."""
        return [f"{key}={value}" for key, value in {**self.options, self.key: self.values[0]}.items()]


def _logarithmic(low: float, high: float, count: int) -> tuple[float, ...]:
    return tuple(float(f"{value:.4g}") for value in np.geomspace(low, high, count))


# The search of a peer opens no test set, draws no figures and stores no weights.
_SAME = {"purpose": "search", "tracker.figures": "false", "tracker.weights": "false"}

KTH = Work(
    name="kth",
    title="KTH coarse search, CIFAR-10, 3072-50-10 relu, batch 100",
    options={
        "experiment": "kth/ex4",
        "data.split": "published",
        "data.validation": 5000,
        "schedule.step_size": 900,
        "schedule.cycles": 2,
        **_SAME,
    },
    key="loss.l2",
    values=_logarithmic(1e-5, 1e-1, 8),
    data="cifar10",
    normalise=True,
    hidden=(50,),
    classes=10,
    activation="relu",
    cycle=Cycle(1e-5, 1e-1, 900),
    tolerance=Tolerance(0.02, 0.005),
    bfloat16=Tolerance(0.02, 0.005),
    smoke_options={"data.train_size": 1000, "data.validation": 500, "schedule.step_size": 10},
)

PEAKS = Work(
    name="peaks",
    title="Peaks, 2-16-16-16-16-5 tanh, batch 32",
    options={
        "data": "peaks",
        "model": "mlp",
        "model.activation": "tanh",
        "model.hidden": "[16,16,16,16]",
        "trainer.batch_size": 32,
        "trainer.epochs": 5,
        **_SAME,
    },
    key="optimizer.lr",
    values=_logarithmic(1e-3, 0.3, 32),
    data="peaks",
    normalise=True,
    hidden=(16, 16, 16, 16),
    classes=5,
    activation="tanh",
    tolerance=Tolerance(0.05, 0.01),
    bfloat16=Tolerance(0.05, 0.01),
    smoke_options={"data.train_size": 500, "data.validation": 200, "trainer.epochs": 1},
    smoke_trials=3,
)

MNIST = Work(
    name="mnist",
    title="MNIST, 784-500-400-10 relu, batch 64",
    options={
        "data": "mnist",
        "preprocess": "scale",
        "model": "mlp",
        "model.hidden": "[500,400]",
        "trainer.batch_size": 64,
        "trainer.epochs": 1,
        **_SAME,
    },
    key="optimizer.lr",
    values=_logarithmic(3e-3, 0.3, 8),
    data="mnist",
    normalise=False,
    hidden=(500, 400),
    classes=10,
    activation="relu",
    tolerance=Tolerance(0.01, 0.005),
    bfloat16=Tolerance(0.01, 0.005),
    smoke_options={"data.train_size": 700, "data.validation": 300},
)

BOULDER = Work(
    name="boulder",
    title="Boulder baseline, CIFAR-10, five layers sigmoid, batch 1",
    options={
        "data": "cifar10",
        "model": "baseline",
        "trainer.batch_size": 1,
        "trainer.steps": 5000,
        "trainer.eval_every": "2/run",
        **_SAME,
    },
    key="optimizer.lr",
    values=(0.005, 0.01, 0.02, 0.04),
    data="cifar10",
    normalise=True,
    channels=(16, 32, 32),
    hidden=(64,),
    classes=10,
    activation="sigmoid",
    # after 5,000 updates of one sample it still guesses, so the losses say more than the accuracies
    tolerance=Tolerance(0.02, 0.005, loss=1e-3),
    bfloat16=Tolerance(0.02, 0.01, loss=5e-3),
    smoke_options={"data.train_size": 200, "data.validation": 100, "trainer.steps": 20},
)

EXTENDED = Work(
    name="extended",
    title="Boulder's extended net, CIFAR-10, 64-128-64 and ten of 64, silu, momentum, batch 32",
    options={
        "data": "cifar10",
        "data.train_size": 8000,
        "data.validation": 2000,
        "model": "extended",
        "model.channels": "[64,128,64]",
        "model.hidden": 128,
        "model.activation": "silu",
        "optimizer": "momentum",
        "optimizer.momentum": 0.95,
        "trainer.batch_size": 32,
        "trainer.steps": 600,
        "trainer.eval_every": "2/run",
        **_SAME,
    },
    key="optimizer.lr",
    values=(0.002, 0.005, 0.01, 0.02),
    data="cifar10",
    normalise=True,
    channels=(64, 128, 64),
    keeping=(64,) * 10,
    hidden=(128,),
    classes=10,
    activation="silu",
    momentum=0.95,
    # after 600 updates it still guesses, so the losses say more than the accuracies
    tolerance=Tolerance(0.02, 0.005, loss=1e-3),
    bfloat16=Tolerance(0.02, 0.01, loss=5e-3),
    smoke_options={"data.train_size": 200, "data.validation": 100, "trainer.steps": 6},
)

WORKS = {work.name: work for work in (KTH, PEAKS, MNIST, BOULDER, EXTENDED)}


def chosen(name: str, smoke: bool) -> Work:
    """The work of that name, at full or smoke size."""
    return WORKS[name].smoke() if smoke else WORKS[name]
