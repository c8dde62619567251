"""Peer 1: a training loop in plain torch, one trial after the other, each an MLflow run.

At its best: a fused update, pictures with their channels last, and under `torch.autocast` where bfloat16 is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.sweeps import tracking
from benchmarks.sweeps.dataset import Part, load
from benchmarks.sweeps.measures import row
from benchmarks.sweeps.peer import Task, cores, task
from benchmarks.sweeps.start import Start
from benchmarks.sweeps.work import Work

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "silu": nn.SiLU}
Data = tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]


def main() -> None:
    """The whole sweep."""
    given = task()
    torch.set_num_threads(given.threads)
    data = tensors(*load(given.work, given.start))
    if given.tracked:
        tracking.connect(given.work)
    given.report.started()
    with given.report.clock("training"):
        for value in given.work.values if given.tracked else given.work.values[:1]:
            trial(given, value, data)
    given.report.training -= given.report.logging
    given.report.write()


def tensors(train: Part, validation: Part) -> Data:
    """Both parts as tensors that share the arrays' memory.

    The first optimizer of a process imports torch's compiler, a second that belongs to start-up: so one is made here.
    """
    torch.optim.SGD([torch.zeros(1, requires_grad=True)])
    one, two = ((_laid_out(part.features), torch.from_numpy(part.labels)) for part in (train, validation))
    return one, two


def _laid_out(array: np.ndarray) -> Tensor:
    features = torch.from_numpy(array)
    return features.contiguous(memory_format=torch.channels_last) if features.dim() == 4 else features


def arithmetic(precision: str) -> AbstractContextManager[object]:
    """What a forward pass runs under; entered anew each time, since autocast keeps rounded weights until it is left."""
    return torch.autocast("cpu", torch.bfloat16) if precision == "bfloat16" else nullcontext()


def trial(given: Task, value: float, data: Data, evaluation_threads: int | None = None) -> float:
    """One training, evaluated and logged on the way; the last validation accuracy.

    Args:
        evaluation_threads: for the evaluations, which are larger than a step; None: all cores.
    """
    work, start, report = given.work, given.start, given.report
    if not given.tracked:
        for _ in train(work, start, value, data, given.precision):
            pass
        return float("nan")
    with tracking.run(work, value, report):
        for step, model, rate in train(work, start, value, data, given.precision):
            torch.set_num_threads(evaluation_threads or cores())
            with report.clock("evaluating"):
                measured = {"lr": rate, **evaluate(work, model, value, data, given.precision)}
            torch.set_num_threads(given.threads)
            with report.clock("logging"):
                tracking.log(step, measured)
    return measured["val/accuracy"]


def network(work: Work, start: Start) -> nn.Module:
    """The network with the weights every trial starts from."""
    layers: list[nn.Module] = []
    channels = (3, *work.channels, *work.keeping)
    for (before, after), stride in zip(pairwise(channels), work.strides(), strict=True):
        layers += [nn.Conv2d(before, after, 3, stride, 1), _ACTIVATIONS[work.activation]()]
    if work.channels:
        layers.append(nn.Flatten())
    shapes = [parameter.shape for parameter in start.parameters if parameter.ndim == 2]
    for after, before in shapes:
        layers += [nn.Linear(before, after), _ACTIVATIONS[work.activation]()]
    model = nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), start.parameters, strict=True):
            parameter.copy_(torch.from_numpy(value))
    return model.to(memory_format=torch.channels_last) if work.channels else model


def train(
    work: Work, start: Start, value: float, data: Data, precision: str = "float32"
) -> Iterator[tuple[int, nn.Module, float]]:
    """Train; at every evaluation (updates done, the model, the last learning rate)."""
    model = network(work, start)
    weights = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    biases = [parameter for parameter in model.parameters() if parameter.dim() == 1]
    groups = [{"params": weights, "weight_decay": 2 * work.l2(value)}, {"params": biases}]
    rates = work.rates(value, start.updates).tolist()
    optimizer = torch.optim.SGD(groups, lr=rates[0], momentum=work.momentum, fused=True)
    due = set(start.evaluations.tolist())
    (features, labels), _ = data
    batches = [batch[batch >= 0] for batch in torch.from_numpy(start.batches)]
    if 0 in due:
        yield 0, model, rates[0]
    for step, (batch, rate) in enumerate(zip(batches, rates, strict=True), 1):
        for group in optimizer.param_groups:
            group["lr"] = rate
        with arithmetic(precision):
            loss = functional.cross_entropy(model(features.index_select(0, batch)), labels.index_select(0, batch))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step in due:
            yield step, model, rate


@torch.inference_mode()
def evaluate(work: Work, model: nn.Module, value: float, data: Data, precision: str = "float32") -> dict[str, float]:
    """Metrics of both parts."""
    weights = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    penalty = work.l2(value) * sum(float(weight.square().sum()) for weight in weights)
    measured: dict[str, float] = {}
    for name, (features, labels) in zip(("train", "val"), data, strict=True):
        loss, confusion = 0.0, torch.zeros(work.classes**2, dtype=torch.int64)
        for x, y in zip(features.split(1000), labels.split(1000), strict=True):
            with arithmetic(precision):
                scores = model(x).float()
            loss += float(functional.cross_entropy(scores, y, reduction="sum"))
            confusion += torch.bincount(y * work.classes + scores.argmax(1), minlength=work.classes**2)
        table = confusion.view(work.classes, work.classes).numpy()
        measured |= row(name, loss / len(labels), penalty, table)
    return measured


if __name__ == "__main__":
    main()
