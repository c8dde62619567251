"""Sums of the sizes of gradients: what epoch 1 measures, without another vector as long as the parameters."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from labkit.engine.vector import Layout, Shape

# Numbers of a gradient that are added up at once: they stay in a core's cache, so each is read from memory once.
_CACHED_NUMBERS = 1 << 16


def sizes_layout(shapes: tuple[Shape, ...], members: int) -> Layout:
    """Return the layout of the sums: of a long tensor, all pieces are added up in the place of one."""
    most = max(1, _CACHED_NUMBERS // members)
    return Layout(tuple((min(prod(shape), most),) for shape in shapes), members)


class Sizes:
    """Adds `|gradient|` to sums, of which each tensor's own total is what counts.

    Args:
        layout: Layout of the gradient.
        gradient: Gradient of all members in one vector.
        sums: Sums so far, a vector laid out by `sizes_layout`.
    """

    def __init__(self, layout: Layout, gradient: Tensor, sums: Tensor) -> None:
        self._pairs: list[tuple[Tensor, Tensor]] = []
        rows = zip(layout.rows(gradient), sizes_layout(layout.shapes, layout.members).rows(sums), strict=True)
        short = 0  # tensors that are not folded lie side by side in both vectors: one pair for all of them
        read = written = 0
        for row, own in rows:
            if row.shape == own.shape:
                short += row.numel()
                continue
            self._pair_short(gradient, sums, read, written, short)
            read, written, short = read + short + row.numel(), written + short + own.numel(), 0
            self._pairs += [(piece, own[:, : piece.shape[1]]) for piece in row.split(own.shape[1], 1)]
        self._pair_short(gradient, sums, read, written, short)
        scratch = gradient.new_empty(max(piece.numel() for piece, _ in self._pairs))
        self._scratch = [scratch[: piece.numel()].view_as(piece) for piece, _ in self._pairs]

    def _pair_short(self, gradient: Tensor, sums: Tensor, read: int, written: int, count: int) -> None:
        if count:
            self._pairs.append((gradient[read : read + count], sums[written : written + count]))

    def measure(self) -> None:
        """Add the sizes of the gradient as it is now."""
        for (piece, own), scratch in zip(self._pairs, self._scratch, strict=True):
            own.add_(torch.abs(piece, out=scratch))
