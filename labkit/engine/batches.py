"""Batches: samples gathered by index from the training part, in an order that is drawn anew every epoch."""

from __future__ import annotations

import torch
from torch import Tensor

from labkit.engine.state import RunState
from labkit.preprocess.prepare import Part

# Small batches are gathered several at a time: one index_select for as many as fit into this many bytes.
_BLOCK_BYTES = 1 << 20
Batch = tuple[Tensor, Tensor, Tensor | None]  # features (G, B, *shape), labels (G, B), lengths (G, B) of texts


class Batches:
    """The stream of batches of a population.

    Where all members have one seed they share their batches, whose leading axis G is then 1; else G is M.

    Args:
        part: Training part.
        batch_size: Number of samples in a batch.
        stream: Position of each member's seed among the distinct seeds, shape (M,), int64.
    """

    def __init__(self, part: Part, batch_size: int, stream: Tensor) -> None:
        self._part = part
        self._batch_size = batch_size
        self._stream = stream
        row = part.features[0].numel() * part.features.element_size() if len(part.features) else 1
        self._block = batch_size * max(1, _BLOCK_BYTES // (row * batch_size))
        self._block_batches: list[Batch] = []
        self._block_start = (-1, 0)  # (update at which the epoch began, position) of the block's first batch

    def next(self, state: RunState) -> Batch:
        """Return the next batch and move `state.position`; draw a new order at the start of an epoch."""
        samples = self._part.labels.shape[0]
        if state.position >= samples:
            state.position = 0
        if state.position == 0:
            draw_order(state)
        number = state.position // self._batch_size
        # The update at which the epoch began names the epoch, so that the blocks of an earlier one are never reused.
        epoch, first = self._block_start
        if epoch != state.step - number or not 0 <= number - first < len(self._block_batches):
            first = number
            self._block_start = (state.step - number, number)
            self._block_batches = self._gather(state.order[:, state.position : state.position + self._block])
        batch = self._block_batches[number - first]
        state.position += batch[1].shape[1]
        return batch

    def _gather(self, index: Tensor) -> list[Batch]:
        """Return the batches of the samples `index`, shape (U, n), one row for each of the U distinct seeds."""
        part = self._part
        columns = [self._rows(values, index).split(self._batch_size, 1) for values in (part.features, part.labels)]
        if part.lengths is None:
            return [(features, labels, None) for features, labels in zip(*columns, strict=True)]
        return list(zip(*columns, self._rows(part.lengths, index).split(self._batch_size, 1), strict=True))

    def _rows(self, values: Tensor, index: Tensor) -> Tensor:
        """Return the rows, shape (G, n, ...), of `values` at indices of shape (U, n), one row per distinct seed."""
        rows = values.index_select(0, index.flatten()).view(*index.shape, *values.shape[1:])
        return rows if rows.shape[0] == 1 else rows.index_select(0, self._stream)


def draw_order(state: RunState) -> None:
    """Draw a new order of the training samples for every distinct seed, in place."""
    for row, generator in zip(state.order, state.generators["shuffle"], strict=True):
        row.copy_(torch.randperm(len(row), generator=generator))
