"""A block: members that share a step, with the state of their run, what is measured of it and how it ends."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkit.engine.evaluate import Evaluation, chunk_size, classify, evaluate
from labkit.engine.execution import Execution
from labkit.engine.population import Population
from labkit.engine.recipe import Recipe
from labkit.engine.state import Row
from labkit.engine.step import Stepper
from labkit.engine.trainer import most_threads
from labkit.metrics import gradient_l1
from labkit.optim.range_test import suggest
from labkit.preprocess.prepare import Part, Parts


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
        execution: How its steps were computed.
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
    execution: Execution
    stopped_at: int | None = None
    diverged: bool = False
    range_curve: tuple[np.ndarray, np.ndarray] | None = None
    suggested_range: tuple[float, float] | None = None


class Block:
    """Members that share a step.

    Args:
        recipes: Recipes of the members, of one structure.
        parts: Training, validation and test part.
        execution: How the steps are computed.
        measured: Samples that `train/*` is measured on.
    """

    def __init__(self, recipes: Sequence[Recipe], parts: Parts, execution: Execution, measured: Part) -> None:
        self._measured = measured
        self.population = Population(recipes, parts, execution)
        self.state = self.population.initial_state()
        self._stepper = Stepper(self.population, self.state)
        self._range_test = recipes[0].schedule.kind == "range_test"
        self._before = self.state.plain() if self._range_test else None
        self._snapshots: list[tuple[list[Tensor], list[Tensor]]] = []  # for the ensemble

    def __len__(self) -> int:
        return len(self.population)

    def plain(self) -> dict[str, Any]:
        """Return a copy of everything that decides how the block goes on, see `RunState.plain`."""
        kept = [[[tensor.clone() for tensor in kind] for kind in networks] for networks in self._snapshots]
        return {"state": self.state.plain(), "snapshots": kept}

    def restore(self, value: Mapping[str, Any]) -> None:
        """Take over a result of `plain`; raise ValueError for that of another training."""
        self.state.restore(value["state"])
        self._stepper.freeze(self.state)
        device = self.population.device
        self._snapshots = [([t.to(device) for t in p], [t.to(device) for t in b]) for p, b in value["snapshots"]]

    @property
    def stands(self) -> bool:
        """True where no member moves any more."""
        return bool(self.state.frozen.all())

    def advance(self) -> None:
        """Do one update."""
        self.state = self._stepper.step(self.state)

    def newest_loss(self) -> float:
        """Return the newest batch loss of the first member in nats, NaN before any; a call waits for the GPU."""
        return float(self.state.losses[self.state.step - 1, 0]) if self.state.step else math.nan

    def newest_rate(self) -> float:
        """Return the rate of the first member's newest update; a call waits for the GPU."""
        return float(self.population.learning_rates[max(self.state.step, 1) - 1, 0, 0])

    def classify(self, features: Tensor) -> Tensor:
        """Return the classes, shape (M, n), of features (n, *shape)."""
        population, stepper = self.population, self._stepper
        features = features.to(population.device)
        return classify(population.network, stepper.parameters, stepper.buffers, features, population.context())

    def keep(self) -> None:
        """Keep the networks of this moment for the ensemble."""
        tensors = (self._stepper.parameters, self._stepper.buffers)
        parameters, buffers = ([tensor.clone() for tensor in kind] for kind in tensors)
        self._snapshots.append((parameters, buffers))

    def _measure(self, part: Part, ensemble: bool = False) -> Evaluation:
        """Evaluate all members on `part`, or the ensembles of their kept networks."""
        stepper, population = self._stepper, self.population
        networks = self._snapshots if ensemble else [(stepper.parameters, stepper.buffers)]
        # A chunk can be far more work than a training step, so it gets threads of its own count.
        chunk = chunk_size(population.network, len(population), len(part.features))
        work = population.network.multiply_adds * chunk * len(population)
        execution = population.execution
        threads = population.trainer.chosen_threads(work)
        if population.trainer.threads == "auto":
            threads = min(threads, max(1, most_threads() // execution.workers))
        torch.set_num_threads(threads)
        try:
            clip = population.recipes[0].loss_clip
            return evaluate(population.network, networks, part, population.context(), clip)
        finally:
            torch.set_num_threads(execution.threads)

    def evaluate(self) -> list[Row | None]:
        """Append a row to the history of every member that still moves, and return them; note early stops."""
        population, state = self.population, self.state
        if self.stands:
            return [None] * len(self)
        penalty = population.penalty(self._stepper.parameters)
        rows: list[dict[str, float]] = [{} for _ in population.recipes]
        if population.trainer.eval_train:
            _merge(rows, self._measure(self._measured).metrics("train", penalty))
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
        return appended

    def _stop_early(self, loss: Tensor, patience: int) -> None:
        """Freeze members whose validation loss, shape (M,), has not improved for `patience` evaluations."""
        state = self.state
        better = loss < state.best
        state.best.copy_(torch.where(better, loss, state.best))
        state.waited.copy_(torch.where(better, 0, state.waited + 1))
        self._freeze((state.waited >= patience) & ~state.frozen, torch.full_like(state.stopped_at, state.step))

    def stop(self, members: Sequence[int]) -> None:
        """Freeze the members at these positions of the block, where they still move."""
        if members:
            state = self.state
            which = torch.zeros_like(state.frozen)
            which[list(members)] = True
            self._freeze(which & ~state.frozen, torch.full_like(state.stopped_at, state.step))

    def find_diverged(self, since: int) -> None:
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
        self._stepper.freeze(state)

    def close(self, seconds: float) -> list[Outcome]:
        """Evaluate for the last time and return the outcomes.

        Args:
            seconds: Share of the run's time of every member.
        """
        population = self.population
        open_test = population.recipes[0].open_test and len(population.parts.test.features) > 0
        part = "test" if open_test else "validation" if len(population.parts.validation.features) else "train"
        final = self._measure(getattr(population.parts, part))
        penalty = population.penalty(self._stepper.parameters)
        rows = final.metrics("test", penalty) if open_test else [{} for _ in population.recipes]
        _merge(rows, self._ensemble(open_test))
        curves = self._range_curves() if self._range_test else None
        self.state.seconds += seconds
        sizes = population.sizes_layout.rows(self.state.gradient_sizes)
        norms = gradient_l1(sizes, population.layers, self.state.gradient_steps)
        return [self._outcome(m, final, part, rows[m], norms[m], curves) for m in range(len(population))]

    def _ensemble(self, open_test: bool) -> list[dict[str, float]]:
        """Return `val/ensemble/*` and `test/ensemble/*` of every member; empty where no networks were kept."""
        rows: list[dict[str, float]] = [{} for _ in self.population.recipes]
        parts = self.population.parts
        wanted = {"val": parts.validation, **({"test": parts.test} if open_test else {})}
        frozen = self.state.frozen.tolist()  # a member that ended early has no ensemble
        for name, part in wanted.items():
            if self._snapshots and len(part.features):
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
        diverged = not self._range_test and (bool(state.diverged[m]) or not np.isfinite(losses).all())
        if diverged:  # earlier metrics say nothing about the network that is left
            measured = {key: value if key == "lr" else math.nan for key, value in measured.items()}
            history.append((steps, measured))
        elif last_row:
            history.append((steps, last_row))
        names = [name for name, _ in population.network.parameters] + [name for name, *_ in population.network.buffers]
        tensors = [*self._stepper.parameters, *self._stepper.buffers]
        by_layer = {f"grad_l1/{name}": value for name, value in norms.items()}
        return Outcome(
            history=history,
            metrics={**measured, **by_layer, "time/seconds": state.seconds},
            gradient_l1=norms,
            confusion=final.confusion[m].cpu().numpy(),
            confusion_part=part,
            parameters={name: t[m].detach().cpu().clone().contiguous() for name, t in zip(names, tensors, strict=True)},
            steps=steps,
            execution=population.execution,
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
        assert self._before is not None
        state.parameters.copy_(self._before["parameters"])
        state.buffers.copy_(self._before["buffers"])
        # Of a member that stopped before its block did, only what it trained for.
        ends = torch.where(state.stopped_at < 0, state.step, state.stopped_at).tolist()
        return [(rates[:end, m], losses[:end, m]) for m, end in enumerate(ends)]


def _merge(rows: list[dict[str, float]], more: list[dict[str, float]]) -> None:
    for row, extra in zip(rows, more, strict=True):
        row.update(extra)
