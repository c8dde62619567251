"""The training loop: blocks of members in turn, evaluations, divergence and early stop, until every member is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor

from labkit.engine.block import Block, Outcome
from labkit.engine.execution import Execution, block_bounds, fits, stated
from labkit.engine.memory import keep_freed_memory
from labkit.engine.population import as_read, check_structure
from labkit.engine.recipe import Recipe
from labkit.engine.state import Row
from labkit.engine.trainer import Trainer
from labkit.engine.workers import Workers
from labkit.preprocess.prepare import Part, Parts
from labkit.preprocess.split import subset

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


class Keeper:
    """The keeper of a training's checkpoints; this one keeps none."""

    def due(self) -> bool:
        """Return whether to be handed the state now; asked after every update, by several threads."""
        return False

    def keep(self, state: Callable[[], dict[str, Any]]) -> None:
        """Keep what `state` returns, a copy from which `train` goes on; whatever this raises ends the training."""


def train(
    recipes: Sequence[Recipe],
    parts: Parts,
    observe: Observer = lambda progress: None,
    execution: Execution | None = None,
    keeper: Keeper | None = None,
    state: Mapping[str, Any] | None = None,
) -> list[Outcome]:
    """Train a population and return one outcome per recipe, in order.

    Args:
        recipes: Recipes of the members, of one structure.
        parts: Training, validation and test part.
        observe: Function called after every evaluation and, in between, after every step, or now and then where
            blocks train side by side. After an evaluation it may return the positions of members that are to stop.
        execution: How the steps are computed; None for the execution that needs no timing, see `stated`.
        keeper: Who is handed the state between two updates when it is due; None for nobody.
        state: A state that a keeper was handed, to go on from; None to begin. It goes on bit by bit as it would have,
            if recipes, data, execution and processor are the same.

    Raises:
        ValueError: `state` is of another training.
        ConfigError: The recipes do not share one structure, trainer and schedule contradict each other, or the
            execution does not fit them.
    """
    keep_freed_memory()
    check_structure(recipes)
    if execution is None:
        execution = stated(recipes, len(parts.train.features))
    execution = fits(execution, recipes)
    parts = as_read(parts, recipes)  # once, for all blocks
    measured = _measured(parts.train, recipes[0].trainer)
    bounds = pairwise(block_bounds(len(recipes), execution))
    blocks = [Block(recipes[start:stop], parts, execution, measured) for start, stop in bounds]
    previous = torch.get_num_threads()
    try:
        # On a GPU: convolutions in full float32, and the same kernels every time, so that a run can be repeated.
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with exact, Workers(execution) as workers:
            return _Run(blocks, observe, workers, keeper or Keeper(), state).outcomes()
    finally:
        torch.set_num_threads(previous)


def _measured(train: Part, trainer: Trainer) -> Part:
    """Return the training samples that `train/*` is measured on: all, or the same few in every run."""
    if isinstance(trainer.eval_train, bool) or trainer.eval_train >= len(train):
        return train
    positions = torch.from_numpy(subset(train.labels.cpu().numpy(), trainer.eval_train))
    return train.only(positions.to(train.labels.device))


class _Run:
    """One population on its way through the loop, block by block from one evaluation to the next.

    A block stays at work for many updates, so that its weights stay in the processor's cache.

    Args:
        blocks: Members that share a step, in order.
        observe: Observer of the loop.
        workers: Who trains them.
        keeper: Who is handed the state when it is due.
        state: State to go on from; None to begin.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        observe: Observer,
        workers: Workers,
        keeper: Keeper,
        state: Mapping[str, Any] | None,
    ) -> None:
        self._blocks = blocks
        self._workers = workers
        self._observe = observe
        self._keeper = keeper
        self._pausing = False  # while the blocks are to stand still between two updates
        self._step, self._seconds = 0, 0.0  # of the last evaluation or check, and before this call
        self._begun = state is not None
        if state is not None:
            self._restore(state)
        first = blocks[0].population
        self._length, self._trainer, self._schedule = first.length, first.trainer, first.recipes[0].schedule

    def outcomes(self) -> list[Outcome]:
        """Run to the end and return one outcome per member."""
        evaluations = self._trainer.evaluations(self._length, self._schedule)
        kept = self._trainer.snapshots(self._length, self._schedule)
        marks = sorted({*evaluations, *kept})
        self._started = time.perf_counter()
        if not self._begun:
            self._evaluate()
        while self._step < self._length.total and (moving := self._moving()):
            until = min(self._step + _CHECK_EVERY, next(mark for mark in marks if mark > self._step))
            self._advance(moving, until)
            # Before the evaluation, so that no row is written for a member that has diverged.
            for block in moving:
                block.find_diverged(self._step)
            self._step = until
            for block in moving if until in kept else ():
                block.keep()
            if until in evaluations and self._moving():
                self._evaluate()
        seconds = self._spent() / sum(len(block) for block in self._blocks)
        closed = self._workers.do([partial(block.close, seconds) for block in self._blocks])
        return [outcome for outcomes in closed for outcome in outcomes]

    def _spent(self) -> float:
        return self._seconds + time.perf_counter() - self._started

    def _plain(self) -> dict[str, Any]:
        """Return a copy of everything that decides how the training goes on, between two updates of every block."""
        return {"step": self._step, "seconds": self._spent(), "blocks": [block.plain() for block in self._blocks]}

    def _restore(self, value: Mapping[str, Any]) -> None:
        """Take over a result of `_plain`; raise ValueError for that of another training."""
        self._step, self._seconds = value["step"], value["seconds"]
        for block, saved in zip(self._blocks, value["blocks"], strict=True):
            block.restore(saved)

    def _moving(self) -> list[Block]:
        """Return the blocks that still have members to train."""
        return [block for block in self._blocks if not block.stands]

    def _advance(self, moving: Sequence[Block], until: int) -> None:
        """Train the blocks up to update `until`, one after another or side by side; pause where a checkpoint is due."""

        def train_block(block: Block) -> None:
            # Reads nothing back from the device, so that the GPU need not wait.
            while block.state.step < until and not self._workers.stopped and not self._pausing:
                block.advance()
                if self._workers.alone:
                    tell()
                if self._keeper.due():
                    self._pausing = True

        def tell() -> None:
            # The mean over all blocks, so that the count of updates grows evenly.
            self._tell(sum(block.state.step for block in moving) // len(moving), None)

        while any(block.state.step < until for block in moving):
            self._workers.do([partial(train_block, block) for block in moving], meanwhile=tell)
            if self._pausing:
                self._keeper.keep(self._plain)
                self._pausing = False

    def _tell(self, step: int, rows: Sequence[Row | None] | None) -> Sequence[int] | None:
        """Call the observer; return the positions of members that it stops."""
        first = self._blocks[0]
        return self._observe(
            Progress(step, self._length.total, rows or (), first.newest_loss, first.newest_rate, self._classify)
        )

    def _classify(self, features: Tensor) -> Tensor:
        """Return the classes, shape (M, n), of features (n, *shape)."""
        return torch.cat([block.classify(features) for block in self._blocks])

    def _evaluate(self) -> None:
        """Have every block evaluated, tell the observer, and stop the members that it names."""
        rows = [row for found in self._workers.do([block.evaluate for block in self._blocks]) for row in found]
        stopped = set(self._tell(self._step, rows) or ())
        starts = accumulate((len(block) for block in self._blocks), initial=0)
        for start, block in zip(starts, self._blocks, strict=False):
            block.stop([m for m in range(len(block)) if start + m in stopped])
