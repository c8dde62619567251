"""All parameters of a population in one vector, and the tensors that are views of it.

An update rule then needs a few operations on one vector, instead of some for each of many small tensors.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import prod

from torch import Tensor

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """The place of each tensor (M, *shape) in the vector: one after another, each contiguous.

    Attributes:
        shapes: Shapes of one member's tensors.
        members: Number of members, M.
        channels_last: True where the channels of a place of a kernel lie side by side, as convolutions read them then.
    """

    shapes: tuple[Shape, ...]
    members: int
    channels_last: bool = False

    @property
    def size(self) -> int:
        """The length of the vector."""
        return self.members * sum(prod(shape) for shape in self.shapes)

    def views(self, flat: Tensor) -> list[Tensor]:
        """Return the tensors, each of shape (M, *shape), as views of the vector `flat`, shape (size,)."""
        return [self._view(row, shape) for row, shape in zip(self.rows(flat), self.shapes, strict=True)]

    def rows(self, flat: Tensor) -> list[Tensor]:
        """Return the same numbers as matrices of shape (M, n), one row per member, in the order of the memory."""
        pieces = flat.split([self.members * prod(shape) for shape in self.shapes])
        return [piece.view(self.members, -1) for piece in pieces]

    def _view(self, row: Tensor, shape: Shape) -> Tensor:
        if not self.channels_last or len(shape) < 3:
            return row.view(self.members, *shape)
        units, channels, *kernel = shape
        return row.view(self.members, units, *kernel, channels).movedim(-1, 2)

    def blocks(self, flat: Tensor, by_tensor: bool = False, without: Collection[int] = ()) -> list[Tensor]:
        """Return the vector `flat`, shape (size,), as matrices of shape (M, n), one row per member.

        Tensors of a single member that lie side by side are one matrix; otherwise, and always with `by_tensor`, there
        is one per tensor.

        Args:
            flat: The vector.
            by_tensor: True for a matrix per tensor.
            without: Positions of tensors to leave out.
        """
        rows = self.rows(flat)
        if self.members > 1 or by_tensor:
            return [row for i, row in enumerate(rows) if i not in without]
        ends = [sum(row.shape[1] for row in rows[:i]) for i in [*without, len(rows)]]
        starts = [0, *(ends[k] + rows[i].shape[1] for k, i in enumerate(without))]
        return [flat[start:stop].view(1, -1) for start, stop in zip(starts, ends, strict=True) if stop > start]
