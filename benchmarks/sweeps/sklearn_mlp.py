"""Peer 5: scikit-learn's MLPClassifier, where it can express the trial: linear layers and one constant rate.

It draws its own first weights, so its trials are compared in their mean; and it cannot be asked before its first
epoch, so the evaluation at 0 is missing. Its L2 term is alpha / (2 batch size) ||W||^2.
"""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.sweeps import tracking
from benchmarks.sweeps.dataset import Part, load
from benchmarks.sweeps.measures import row
from benchmarks.sweeps.peer import Task, task
from benchmarks.sweeps.work import Work

_ACTIVATIONS = {"relu": "relu", "tanh": "tanh", "sigmoid": "logistic"}


def expresses(work: Work) -> bool:
    """No convolutions, no schedule of the learning rate, no activation that it lacks."""
    return not work.channels and work.cycle is None and work.activation in _ACTIVATIONS


def main() -> None:
    """The whole sweep, one trial after the other."""
    from sklearn.neural_network import MLPClassifier  # noqa: F401  (belongs to start-up)

    warnings.simplefilter("ignore")
    given = task()
    parts = load(given.work, given.start)
    if given.tracked:
        tracking.connect(given.work)
    given.report.started()
    with given.report.clock("training"):
        for value in given.work.values if given.tracked else given.work.values[:1]:
            trial(given, value, parts)
    given.report.training -= given.report.logging
    given.report.write()


def trial(given: Task, value: float, parts: tuple[Part, Part]) -> None:
    """One training; `partial_fit` is one pass over what it is given."""
    from sklearn.neural_network import MLPClassifier

    work, start, report = given.work, given.start, given.report
    size = start.batches.shape[1]
    model = MLPClassifier(
        work.hidden,
        activation=_ACTIVATIONS[work.activation],
        solver="sgd",
        momentum=work.momentum,
        nesterovs_momentum=False,
        alpha=2 * work.l2(value) * size,
        batch_size=size,
        learning_rate_init=value,
        shuffle=False,
        random_state=0,
    )
    if not given.tracked:
        _fit(model, work, parts[0], start.batches)
        return
    due = start.evaluations.tolist()
    with tracking.run(work, value, report):
        for done, until in pairwise(due):
            _fit(model, work, parts[0], start.batches[done:until])
            with report.clock("evaluating"):
                measured = {"lr": value, **_evaluate(model, work, value, parts)}
            with report.clock("logging"):
                tracking.log(until, measured)


def _fit(model: Any, work: Work, part: Part, batches: np.ndarray) -> None:
    order = batches[batches >= 0]
    model.partial_fit(part.features[order], part.labels[order], classes=np.arange(work.classes))


def _evaluate(model: Any, work: Work, value: float, parts: tuple[Part, Part]) -> dict[str, float]:
    penalty = work.l2(value) * sum(float(np.square(weight).sum()) for weight in model.coefs_)
    measured: dict[str, float] = {}
    for name, part in zip(("train", "val"), parts, strict=True):
        probability = model.predict_proba(part.features)
        tiny = np.finfo(probability.dtype).tiny
        loss = -np.log(np.maximum(probability[np.arange(len(part.labels)), part.labels], tiny)).mean()
        cells = part.labels * work.classes + probability.argmax(1)
        confusion = np.bincount(cells, minlength=work.classes**2).reshape(work.classes, work.classes)
        measured |= row(name, float(loss), penalty, confusion)
    return measured


if __name__ == "__main__":
    main()
