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
    """

    shapes: tuple[Shape, ...]
    members: int

    @property
    def size(self) -> int:
        """The length of the vector."""
        return self.members * sum(prod(shape) for shape in self.shapes)

    def views(self, flat: Tensor) -> list[Tensor]:
        """Return the tensors, each of shape (M, *shape), as views of the vector `flat`, shape (size,)."""
        views, start = [], 0
        for shape in self.shapes:
            stop = start + self.members * prod(shape)
            views.append(flat[start:stop].view(self.members, *shape))
            start = stop
        return views

    def blocks(self, flat: Tensor, by_tensor: bool = False, without: Collection[int] = ()) -> list[Tensor]:
        """Return the vector `flat`, shape (size,), as matrices of shape (M, n), one row per member.

        Tensors of a single member that lie side by side are one matrix; otherwise, and always with `by_tensor`, there
        is one per tensor.

        Args:
            flat: The vector.
            by_tensor: True for a matrix per tensor.
            without: Positions of tensors to leave out.
        """
        views = [view.flatten(1) for view in self.views(flat)]
        if self.members > 1 or by_tensor:
            return [view for i, view in enumerate(views) if i not in without]
        ends = [sum(view.shape[1] for view in views[:i]) for i in [*without, len(views)]]
        starts = [0, *(ends[k] + views[i].shape[1] for k, i in enumerate(without))]
        return [flat[start:stop].view(1, -1) for start, stop in zip(starts, ends, strict=True) if stop > start]
