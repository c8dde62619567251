"""Batches gathered by index from the training part, in an order that is drawn anew every epoch."""

from __future__ import annotations

import torch
from labkit.preprocess.prepare import Part
from torch import Tensor

from labkit.engine.state import RunState

# Small batches are gathered several at a time: one index_select for as many as fit here.
_BLOCK_BYTES = 1 << 20


class Batches:
    """The stream of batches of a population.

    Members with one seed share their batches, and their tensors have a leading axis of 1; else it is M.
    """

    def __init__(self, part: Part, batch_size: int, stream: Tensor) -> None:
        self._part = part
        self._batch_size = batch_size
        self._stream = stream
        row = part.features[0].numel() * part.features.element_size() if len(part.features) else 1
        self._block = batch_size * max(1, _BLOCK_BYTES // (row * batch_size))
        self._gathered: tuple[int, int, int, tuple[Tensor | None, ...]] = (-1, 0, 0, ())

    def next(self, state: RunState) -> tuple[Tensor, Tensor, Tensor | None]:
        """Features `(G, B, *shape)`, labels `(G, B)` and lengths `(G, B)` of the next batch; moves the position."""
        samples = len(self._part.features)
        if state.position >= samples:
            state.position = 0
        if state.position == 0:
            draw_order(state)
        epoch = state.step - state.position // self._batch_size  # the update at which this epoch began
        known, start, stop, tensors = self._gathered
        if known != epoch or not start <= state.position < stop:
            start, stop = state.position, min(state.position + self._block, samples)
            tensors = self._gather(state.order[:, start:stop])
            self._gathered = (epoch, start, stop, tensors)
        size = min(self._batch_size, samples - state.position)
        offset = state.position - start
        state.position += size
        features, labels, lengths = (t if t is None else t[:, offset : offset + size] for t in tensors)
        assert features is not None
        assert labels is not None
        return features, labels, lengths

    def _gather(self, index: Tensor) -> tuple[Tensor | None, ...]:
        streams, count = index.shape
        flat = index.flatten()
        part = self._part
        gathered = [None if t is None else t.index_select(0, flat) for t in (part.features, part.labels, part.lengths)]
        stacked = [None if t is None else t.view(streams, count, *t.shape[1:]) for t in gathered]
        if streams == 1:
            return tuple(stacked)
        return tuple(None if t is None else t.index_select(0, self._stream) for t in stacked)


def draw_order(state: RunState) -> None:
    """A new order of the training samples for every distinct seed, in place."""
    for row, generator in zip(state.order, state.generators["shuffle"], strict=True):
        row.copy_(torch.randperm(len(row), generator=generator))
