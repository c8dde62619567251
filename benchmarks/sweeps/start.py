"""What all trials of a sweep share, so that all peers train the same thing: split, first weights, order of batches.

labkit draws them from its seed; here they are written to a file once, and every peer reads them. That spares the
peers the drawing, which labkit does within its time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.sweeps.work import Work

FILE = "start.npz"


@dataclass(frozen=True)
class Start:
    """Where every trial begins.

    Attributes:
        train, validation: indices into the training part of the data set as published.
        batches: `(updates, batch size)` places in the training part; -1 fills up the short last batch of an epoch.
        evaluations: numbers of updates after which a trial is evaluated, 0 first.
        parameters: weight `(out, in, ...)` and bias `(out,)` of each layer in turn, float32.
    """

    train: np.ndarray
    validation: np.ndarray
    batches: np.ndarray
    evaluations: np.ndarray
    parameters: list[np.ndarray]

    @property
    def updates(self) -> int:
        """Of one trial."""
        return len(self.batches)

    def shortened(self, updates: int) -> Start:
        """At most so many updates and no evaluation: enough to time a step."""
        return Start(self.train, self.validation, self.batches[:updates], np.array([], int), self.parameters)


def write(work: Work, folder: Path) -> Start:
    """Draw with labkit what the trials share and keep it in `folder`; the data comes from $LABKIT_DATA."""
    from labkit.compose import compose
    from labkit.config import build
    from labkit.engine.batches import draw_order
    from labkit.engine.population import Population
    from labkit.preprocess.split import split
    from labkit.runs.plan import plan, resolved
    from labkit.runs.prepared_data import SPLIT_KEYS

    ready = plan(compose(work.single()))
    data = resolved(compose(work.single()))["data"]
    dataset = build("data", {key: value for key, value in data.items() if key not in SPLIT_KEYS})
    parts = split(dataset, **{key: data[key] for key in SPLIT_KEYS})
    population = Population([ready.recipe], ready.parts)
    state = population.initial_state()
    length, batch = population.length, ready.recipe.trainer.batch_size
    epochs = []
    for _ in range(-(-length.total // length.per_epoch)):
        draw_order(state)
        order = np.full(length.per_epoch * batch, -1)
        order[: length.samples] = state.order[0].numpy()
        epochs.append(order.reshape(-1, batch))
    start = Start(
        parts["train"],
        parts["validation"],
        np.concatenate(epochs)[: length.total].astype(np.int32),
        np.array(ready.recipe.trainer.evaluations(length, ready.recipe.schedule)),
        [view[0].float().numpy() for view in population.layout.views(state.parameters)],
    )
    layers = {f"parameter_{i:02}": parameter for i, parameter in enumerate(start.parameters)}
    shared = {name: getattr(start, name) for name in ("train", "validation", "batches", "evaluations")}
    np.savez(folder / FILE, **shared, **layers)
    return start


def read(folder: Path) -> Start:
    """What `write` left there."""
    with np.load(folder / FILE) as stored:
        names = sorted(name for name in stored if name.startswith("parameter_"))
        shared = {name: stored[name] for name in ("train", "validation", "batches", "evaluations")}
        return Start(**shared, parameters=[stored[name] for name in names])
