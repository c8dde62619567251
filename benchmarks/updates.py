"""The cost of one update against the loop a user would write at its best: the rows that an engine has to answer to.

    python benchmarks/updates.py            all rows, as `python benchmarks/run.py updates` does (80 s)
    python benchmarks/updates.py KTH        the rows whose name contains the word

One thread, processor time per member and update, both sides interleaved in one process. The plain loop is torch's fused
SGD, channels first or last; where ours is `fast`, in float32 or under `torch.autocast`. The fastest counts. Ours runs
as timing chooses.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any, NamedTuple

import labkit  # noqa: F401  (first: it says how threads wait, which libgomp reads when torch is imported)

import torch  # isort: skip
from torch import nn
from torch.nn import functional

from labkit.engine.execution import Execution, changed, stated
from labkit.engine.memory import keep_freed_memory
from labkit.engine.population import Population
from labkit.engine.processor import processor
from labkit.engine.recipe import Recipe
from labkit.engine.step import Stepper
from labkit.engine.timing import choose, ratio
from labkit.engine.trainer import Trainer
from labkit.models.entries import Sizing
from labkit.models.network import Model
from labkit.nn.initialise import he
from labkit.optim.rules import momentum, sgd
from labkit.optim.schedules import constant
from labkit.preprocess.prepare import Part, Parts

ROUNDS = 5
_SECONDS = 0.25  # of processor time per side and round
_SAMPLES, _CLASSES, _RATE, _L2 = 2000, 10, 0.001, 1e-4
Update = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One network and how it is trained.

    Attributes:
        name: Name in the table.
        shape: Shape of a sample.
        channels: Channels of the convolutions that halve the picture, then of those that keep it.
        hidden: Units of the hidden linear layers.
        activation: Key of the activation between the layers.
        batch_size: Samples of an update.
        precision: Key `trainer.precision` of ours; where it is `fast`, the plain loop may use autocast.
        momentum: Momentum of the rule; 0: plain SGD.
        members: Sizes of the populations that are timed.
    """

    name: str
    shape: tuple[int, ...]
    channels: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    hidden: tuple[int, ...] = ()
    activation: str = "relu"
    batch_size: int = 32
    precision: str = "float32"
    momentum: float = 0.0
    members: tuple[int, ...] = (1,)


_IMAGE, _BOTH = (3, 32, 32), (1, 8)
_FIVE = ((64, 128, 64), ())
_EXTENDED = ((64, 128, 64), (64,) * 10)
ROWS = (
    Row("784-500-400-10, batch 16", (784,), hidden=(500, 400), batch_size=16, members=_BOTH),
    Row("784-500-400-10, batch 64", (784,), hidden=(500, 400), batch_size=64, members=_BOTH),
    Row("3072-2000-10, batch 100", (3072,), hidden=(2000,), batch_size=100, members=_BOTH),
    Row("3072-2000-10, fast", (3072,), hidden=(2000,), batch_size=100, precision="fast", members=_BOTH),
    Row("KTH 3072-50-10, batch 100", (3072,), hidden=(50,), batch_size=100, members=_BOTH),
    Row("KTH 3072-50-10, fast", (3072,), hidden=(50,), batch_size=100, precision="fast", members=_BOTH),
    Row("extended, silu", _IMAGE, _EXTENDED, (128,), "silu", momentum=0.95),
    Row("extended, silu, fast", _IMAGE, _EXTENDED, (128,), "silu", precision="fast", momentum=0.95),
    Row("five layers, leaky ReLU", _IMAGE, _FIVE, (128,), "leaky_relu", momentum=0.9),
    Row("five layers, fast", _IMAGE, _FIVE, (128,), "leaky_relu", precision="fast", momentum=0.9),
    Row("five layers, silu, batch 1", _IMAGE, _FIVE, (128,), "silu", batch_size=1),
    Row("2-16-16-16-16-10, tanh", (2,), hidden=(16,) * 4, activation="tanh", members=_BOTH),
)
_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "leaky_relu": lambda: nn.LeakyReLU(0.1),
}


class Ours(NamedTuple):
    """One update, and how it is executed."""

    update: Update
    execution: Execution


def samples(row: Row) -> Part:
    """Random samples of the row's shape."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(_SAMPLES, *row.shape, generator=generator)
    return Part(features, torch.randint(0, _CLASSES, (_SAMPLES,), generator=generator))


def ours(row: Row, members: int, parts_of_execution: Mapping[str, object] | None = None) -> Ours:
    """One update of a block of a population, behind epoch 1.

    Args:
        row: Network and how it is trained.
        members: Number of members.
        parts_of_execution: Parts of the execution; None for the one that timing chooses.
    """
    part = samples(row)
    kind = "image" if len(row.shape) > 1 else "vector"
    parts = Parts(part, part, part, row.shape, kind, tuple(map(str, range(_CLASSES))))
    halving, keeping = row.channels
    layers: list[Any] = []
    if halving:
        layers.append({"conv2d": {"channels": list(halving), "downsample": "stride"}})
    if keeping:
        layers.append({"conv2d": {"channels": keeping[0], "repeat": len(keeping)}})
    layers += [{"linear": {"units": units}} for units in (*row.hidden, "classes")]
    network = Model(row.activation, layers, []).build(row.shape, Sizing(_CLASSES))
    weights = sum(parameter.role == "weight" for _, parameter in network.parameters)
    trainer = Trainer(
        steps=1_000_000, batch_size=row.batch_size, eval_every="1/run", precision=row.precision, threads=1
    )
    rule = momentum(lr=_RATE, momentum=row.momentum) if row.momentum else sgd(lr=_RATE)
    recipe = Recipe(network, he(), rule, constant(), trainer, l2=(_L2,) * weights, open_test=False)
    if row.precision == "fast":
        low, full = (replace(recipe, trainer=replace(trainer, precision=p)) for p in ("bfloat16", "float32"))
        recipe = low if ratio(low, full, parts) < 1 else full
    recipes = [recipe] * members
    if parts_of_execution is None:
        execution = choose(recipes, parts).execution
    else:
        execution = changed(stated(recipes, _SAMPLES), parts_of_execution)
    # Blocks take long turns: one of them stands for all.
    population = Population(recipes[: execution.block], parts, execution)
    state = population.initial_state()
    state.step = population.length.per_epoch
    stepper = Stepper(population, state)
    return Ours(lambda: stepper.step(state), execution)


def plain(row: Row, bfloat16: bool, channels_last: bool) -> Update:
    """One update of the loop that a user would write."""
    part = samples(row)
    layers: list[nn.Module] = []
    halving, keeping = row.channels
    channels = (row.shape[0], *halving, *keeping)
    size, activation = 32, _ACTIVATIONS[row.activation]
    for number, (before, after) in enumerate(pairwise(channels if halving else ())):
        stride = 2 if number < len(halving) else 1
        layers += [nn.Conv2d(before, after, 3, stride, 1), activation()]
        size //= stride
    units = channels[-1] * size**2 if halving else row.shape[0]
    for before, after in pairwise((units, *row.hidden)):
        layers += [nn.Linear(before, after), activation()]
    model = nn.Sequential(*layers, nn.Linear(row.hidden[-1], _CLASSES))
    if halving:
        model.insert(2 * (len(channels) - 1), nn.Flatten())
    features = part.features
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        features = features.to(memory_format=torch.channels_last)
    weights = [p for p in model.parameters() if p.dim() > 1]
    biases = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": weights, "weight_decay": 2 * _L2}, {"params": biases}]
    optimizer = torch.optim.SGD(groups, lr=_RATE, momentum=row.momentum, fused=True)
    order = torch.randperm(_SAMPLES).split(row.batch_size)
    batches = [batch for batch in order if len(batch) == row.batch_size]
    count = 0

    def update() -> None:
        nonlocal count
        batch = batches[count % len(batches)]
        count += 1
        with torch.autocast("cpu", torch.bfloat16) if bfloat16 else nullcontext():
            scores = model(features.index_select(0, batch))
            loss = functional.cross_entropy(scores, part.labels.index_select(0, batch))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return update


@dataclass(frozen=True)
class Measured:
    """A row of the table.

    Attributes:
        ours: Microseconds per member and update by members.
        ratios: The same as a multiple of the plain loop's time.
        executions: How ours was executed, by members.
        plain: Microseconds of the plain loop at its best.
        best: What the plain loop does at its best.
    """

    ours: dict[int, float]
    ratios: dict[int, float]
    executions: dict[int, Execution]
    plain: float
    best: str


def measure(row: Row) -> Measured:
    """Measure both sides in turn; the medians count."""
    chosen = {members: ours(row, members) for members in row.members}
    sides: dict[int | str, Update] = {members: one.update for members, one in chosen.items()}
    arithmetics = (False, True) if row.precision == "fast" else (False,)
    for bfloat16, last in product(arithmetics, (False, True) if row.channels[0] else (False,)):
        name = ("bfloat16" if bfloat16 else "float32") + (", channels last" if last else "")
        sides[name] = plain(row, bfloat16, last)
    times: dict[int | str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS + 1):
        for name, update in sides.items():
            steps, started = 0, time.process_time()
            while (spent := time.process_time() - started) < _SECONDS:
                update()
                steps += 1
            members = chosen[name].execution.block if isinstance(name, int) else 1
            times[name].append(1e6 * spent / steps / members)
    times = {name: values[1:] for name, values in times.items()}  # the first round warms up
    best = min((name for name in times if isinstance(name, str)), key=lambda name: statistics.median(times[name]))
    return Measured(
        {members: statistics.median(times[members]) for members in chosen},
        {m: statistics.median(a / b for a, b in zip(times[m], times[best], strict=True)) for m in chosen},
        {members: one.execution for members, one in chosen.items()},
        statistics.median(times[best]),
        best,
    )


def table(*words: str) -> None:
    """Processor time per member and update against the plain loop at its best, on one thread."""
    keep_freed_memory()  # as in a training; the plain loop has the good of it, too
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    print(f"{processor()}, torch {torch.__version__}")
    print(f"{'network':<28}{'alone':>10}{'/ plain':>9}{'among 8':>10}{'/ plain':>9}{'plain':>10}  at its best")
    for row in ROWS:
        if words and not any(word in row.name for word in words):
            continue
        found = measure(row)
        cells = "".join(
            f"{found.ours[m]:>10.0f}{found.ratios[m]:>9.2f}" if m in found.ours else " " * 19 for m in _BOTH
        )
        print(f"{row.name:<28}{cells}{found.plain:>10.0f}  {found.best}")
        for execution in dict.fromkeys(found.executions.values()):
            print(f"    {execution}", flush=True)
    torch.set_num_threads(before)


if __name__ == "__main__":
    table(*sys.argv[1:])
