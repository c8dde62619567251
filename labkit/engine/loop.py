"""The training loop: steps, evaluations, divergence and early stop, until every member is done."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from labkit.engine.evaluate import Evaluation, chunk_size, classify, evaluate
from labkit.engine.memory import keep_freed_memory
from labkit.engine.population import Population
from labkit.engine.recipe import Recipe
from labkit.engine.state import Row
from labkit.engine.step import Stepper
from labkit.metrics import gradient_l1
from labkit.optim.range_test import suggest
from labkit.preprocess.prepare import Part, Parts

# A diverged member is noticed at the next evaluation, or after this many updates without one. To read a loss
# after every update would make the processor wait for the GPU each time.
_CHECK_EVERY = 256


@dataclass(frozen=True)
class Progress:
    """The view of the loop that an observer gets after a step or an evaluation.

    Attributes:
        step: Number of updates done.
        total: Number of updates of the whole run.
        rows: New row of each member after an evaluation, None for one that no longer trains; empty after a step.
        loss: Function that returns the newest batch loss of member 0 in nats; a call waits for the GPU.
        lr: Function that returns the rate of member 0's newest update; a call waits for the GPU.
        classify: Function from features (n, *shape) to classes (M, n), by the parameters of this moment.
    """

    step: int
    total: int
    rows: Sequence[Row | None]
    loss: Callable[[], float]
    lr: Callable[[], float]
    classify: Callable[[Tensor], Tensor]


Observer = Callable[[Progress], Sequence[int] | None]


@dataclass(frozen=True)
class Outcome:
    """The end of one member's run.

    Attributes:
        history: Pairs (updates done, metrics), one per evaluation.
        metrics: Metrics of the last evaluation, with `test/*` if the test part was opened, `grad_l1/*` and `time/*`.
        gradient_l1: L1 norm of the gradient by layer, with `total` and `mean`, averaged over the updates of epoch 1.
        confusion: Counts by true and predicted class, shape (K, K), on the part that `confusion_part` names.
        confusion_part: Name of a part: `test`; `validation` where the test part stays shut; `train` without either.
        parameters: Parameters and running statistics by name, without the member axis.
        steps: Number of updates that the member trained for.
        threads: Number of threads that its steps ran on.
        stopped_at: Update at which the member diverged or stopped early; None if it ran to its end.
        diverged: True if a loss was not finite.
        range_curve: Rates and batch losses of a range test, each of shape (T,), else None.
        suggested_range: Lowest and highest rate that a range test suggests, else None.
    """

    history: list[Row]
    metrics: dict[str, float]
    gradient_l1: dict[str, float]
    confusion: np.ndarray
    confusion_part: str
    parameters: dict[str, Tensor]
    steps: int
    threads: int
    stopped_at: int | None = None
    diverged: bool = False
    range_curve: tuple[np.ndarray, np.ndarray] | None = None
    suggested_range: tuple[float, float] | None = None


def train(recipes: Sequence[Recipe], parts: Parts, observe: Observer = lambda progress: None) -> list[Outcome]:
    """Train a population and return one outcome per recipe, in order.

    Args:
        recipes: Recipes of the members, of one structure.
        parts: Training, validation and test part.
        observe: Function called after every step and evaluation. After an evaluation it may return the positions of
            members that are to stop there.

    Raises:
        ConfigError: The recipes do not share one structure, or trainer and schedule contradict each other.
    """
    keep_freed_memory()
    population = Population(recipes, parts)
    threads = population.trainer.chosen_threads(work_per_step(population))
    previous = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        # On a GPU: convolutions in full float32, and the same kernels every time, so that a run can be repeated.
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            return _Run(population, observe, threads).outcomes()
    finally:
        torch.set_num_threads(previous)


def work_per_step(population: Population) -> int:
    """Return the multiply-adds of one step of all members, forward and backward."""
    # The backward pass costs two products of the size of the forward one: for dW and for dx.
    return 3 * population.network.multiply_adds * population.trainer.batch_size * len(population)


class _Run:
    """One population on its way through the loop.

    Args:
        population: Population to train.
        observe: Observer of the loop.
        threads: Number of threads of a training step.
    """

    def __init__(self, population: Population, observe: Observer, threads: int) -> None:
        self.population = population
        self.observe = observe
        self.threads = threads
        self.state = population.initial_state()
        self.stepper = Stepper(population, self.state)
        self.range_test = population.recipes[0].schedule.kind == "range_test"
        self.before = self.state.plain() if self.range_test else None
        self.snapshots: list[tuple[list[Tensor], list[Tensor]]] = []  # for the ensemble

    def outcomes(self) -> list[Outcome]:
        """Run to the end and return one outcome per member."""
        population, state = self.population, self.state
        evaluations = population.trainer.evaluations(population.length, population.recipes[0].schedule)
        kept = population.trainer.snapshots(population.length, population.recipes[0].schedule)
        marks = sorted({*evaluations, *kept})
        started = time.perf_counter()
        checked = 0
        self._evaluate()
        # The inner loop reads nothing back from the device, so that the GPU need not wait; the outer one does.
        while state.step < population.length.total and not bool(state.frozen.all()):
            until = min(state.step + _CHECK_EVERY, next(mark for mark in marks if mark > state.step))
            while state.step < until:
                state = self.stepper.step(state)
                self._tell(None)
            # Before the evaluation, so that no row is written for a member that has diverged.
            self._find_diverged(checked)
            checked = state.step
            if state.step in kept:
                self._keep()
            if state.step in evaluations and not bool(state.frozen.all()):
                self._evaluate()
        state.seconds += time.perf_counter() - started
        return self._close()

    def _tell(self, rows: Sequence[Row | None] | None) -> Sequence[int] | None:
        """Call the observer; return the positions of members that it stops."""
        state, population = self.state, self.population
        step = state.step
        return self.observe(
            Progress(
                step,
                population.length.total,
                rows or (),
                lambda: float(state.losses[step - 1, 0]) if step else float("nan"),
                lambda: float(population.learning_rates[max(step, 1) - 1, 0, 0]),
                self._classify,
            )
        )

    def _classify(self, features: Tensor) -> Tensor:
        """Return the classes, shape (M, n), of features (n, *shape)."""
        population, stepper = self.population, self.stepper
        features = features.to(population.device)
        product = population.trainer.product
        return classify(population.network, stepper.parameters, stepper.buffers, features, product)

    def _keep(self) -> None:
        """Keep the networks of this moment for the ensemble."""
        tensors = (self.stepper.parameters, self.stepper.buffers)
        parameters, buffers = ([tensor.clone() for tensor in kind] for kind in tensors)
        self.snapshots.append((parameters, buffers))

    def _measure(self, part: Part, ensemble: bool = False) -> Evaluation:
        """Evaluate all members on `part`, or the ensembles of their kept networks."""
        stepper, trainer, network = self.stepper, self.population.trainer, self.population.network
        networks = self.snapshots if ensemble else [(stepper.parameters, stepper.buffers)]
        # A chunk can be far more work than a training step, so it gets threads of its own count.
        chunk = chunk_size(network, len(self.population), len(part.features))
        torch.set_num_threads(trainer.chosen_threads(network.multiply_adds * chunk * len(self.population)))
        try:
            return evaluate(network, networks, part, trainer.product, self.population.recipes[0].loss_clip)
        finally:
            torch.set_num_threads(self.threads)

    def _evaluate(self) -> None:
        """Append a row to the history of every member that is not frozen; note early stops."""
        population, state = self.population, self.state
        penalty = population.penalty(self.stepper.parameters)
        rows: list[dict[str, float]] = [{} for _ in population.recipes]
        if population.trainer.eval_train:
            _merge(rows, self._measure(population.parts.train).metrics("train", penalty))
        validation = None
        if len(population.parts.validation.features):
            validation = self._measure(population.parts.validation)
            _merge(rows, validation.metrics("val", penalty))
        # The row carries the rate of the update just done; before the first one, that of the first.
        rates = population.learning_rates[max(state.step, 1) - 1, :, 0].tolist()
        frozen = state.frozen.tolist()
        appended: list[Row | None] = []
        for m, row in enumerate(rows):
            row["lr"] = rates[m]
            appended.append(None if frozen[m] else (state.step, row))
            if not frozen[m]:
                state.histories[m].append((state.step, row))
        if validation is not None and population.trainer.patience is not None:
            self._stop_early(validation.loss, population.trainer.patience)
        if stopped := self._tell(appended):
            which = torch.zeros_like(state.frozen)
            which[list(stopped)] = True
            self._freeze(which & ~state.frozen, torch.full_like(state.stopped_at, state.step))

    def _stop_early(self, loss: Tensor, patience: int) -> None:
        """Freeze members whose validation loss, shape (M,), has not improved for `patience` evaluations."""
        state = self.state
        better = loss < state.best
        state.best.copy_(torch.where(better, loss, state.best))
        state.waited.copy_(torch.where(better, 0, state.waited + 1))
        self._freeze((state.waited >= patience) & ~state.frozen, torch.full_like(state.stopped_at, state.step))

    def _find_diverged(self, since: int) -> None:
        """Freeze members with a loss that is not finite among the updates after `since`."""
        state = self.state
        bad = ~torch.isfinite(state.losses[since : state.step])
        new = bad.any(0) & ~state.frozen
        if bool(new.any()):
            state.diverged |= new
            # argmax of 0s and 1s is the first 1: the update, counted from 1, whose loss was the first bad one.
            self._freeze(new, since + 1 + bad.int().argmax(0))

    def _freeze(self, which: Tensor, at: Tensor) -> None:
        """Freeze the members of the mask `which` at the updates `at`, both of shape (M,)."""
        state = self.state
        state.stopped_at.copy_(torch.where(which, at, state.stopped_at))
        state.frozen |= which
        self.stepper.freeze(state)

    def _close(self) -> list[Outcome]:
        """Evaluate for the last time and return the outcomes."""
        population = self.population
        open_test = population.recipes[0].open_test and len(population.parts.test.features) > 0
        part = "test" if open_test else "validation" if len(population.parts.validation.features) else "train"
        final = self._measure(getattr(population.parts, part))
        penalty = population.penalty(self.stepper.parameters)
        rows = final.metrics("test", penalty) if open_test else [{} for _ in population.recipes]
        _merge(rows, self._ensemble(open_test))
        curves = self._range_curves() if self.range_test else None
        sizes = population.layout.views(self.state.gradient_sizes)
        norms = gradient_l1(sizes, population.layers, self.state.gradient_steps)
        return [self._outcome(m, final, part, rows[m], norms[m], curves) for m in range(len(population))]

    def _ensemble(self, open_test: bool) -> list[dict[str, float]]:
        """Return `val/ensemble/*` and `test/ensemble/*` of every member; empty where no networks were kept."""
        rows: list[dict[str, float]] = [{} for _ in self.population.recipes]
        parts = self.population.parts
        wanted = {"val": parts.validation, **({"test": parts.test} if open_test else {})}
        frozen = self.state.frozen.tolist()  # a member that ended early has no ensemble
        for name, part in wanted.items():
            if self.snapshots and len(part.features):
                found = self._measure(part, ensemble=True)
                prefix = f"{name}/ensemble"
                for m, row in enumerate(found.metrics(prefix, torch.zeros_like(found.loss))):
                    if not frozen[m]:
                        rows[m].update({key: value for key, value in row.items() if key != f"{prefix}/cost"})
        return rows

    def _outcome(
        self,
        m: int,
        final: Evaluation,
        part: str,
        last_row: dict[str, float],
        norms: dict[str, float],
        curves: list[tuple[np.ndarray, np.ndarray]] | None,
    ) -> Outcome:
        """Return the outcome of member m; a diverged member's metrics become NaN."""
        population, state = self.population, self.state
        history = state.histories[m]
        stopped = int(state.stopped_at[m])
        steps = stopped if stopped >= 0 else state.step
        measured = {**history[-1][1], **last_row}
        losses = [value for key, value in measured.items() if key.endswith("/loss")]  # the last update may ruin it
        diverged = not self.range_test and (bool(state.diverged[m]) or not np.isfinite(losses).all())
        if diverged:  # earlier metrics say nothing about the network that is left
            measured = {key: value if key == "lr" else math.nan for key, value in measured.items()}
            history.append((steps, measured))
        elif last_row:
            history.append((steps, last_row))
        names = [name for name, _ in population.network.parameters] + [name for name, *_ in population.network.buffers]
        tensors = [*self.stepper.parameters, *self.stepper.buffers]
        by_layer = {f"grad_l1/{name}": value for name, value in norms.items()}
        return Outcome(
            history=history,
            metrics={**measured, **by_layer, "time/seconds": state.seconds / len(population)},
            gradient_l1=norms,
            confusion=final.confusion[m].cpu().numpy(),
            confusion_part=part,
            parameters={name: t[m].detach().cpu().clone() for name, t in zip(names, tensors, strict=True)},
            steps=steps,
            threads=self.threads,
            stopped_at=steps if diverged or stopped >= 0 else None,
            diverged=diverged,
            range_curve=curves[m] if curves else None,
            suggested_range=suggest(*curves[m]) if curves else None,
        )

    def _range_curves(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return rates and losses, each of shape (T,), of every member; put weights and statistics back."""
        state, population = self.state, self.population
        rates = population.learning_rates[: state.step, :, 0].cpu().double().numpy()
        losses = state.losses[: state.step].cpu().double().numpy()
        assert self.before is not None
        state.parameters.copy_(self.before["parameters"])
        state.buffers.copy_(self.before["buffers"])
        return [(rates[:, m], losses[:, m]) for m in range(len(population))]


def _merge(rows: list[dict[str, float]], more: list[dict[str, float]]) -> None:
    for row, extra in zip(rows, more, strict=True):
        row.update(extra)
