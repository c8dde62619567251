"""All parameters of a population in one vector, and the tensors that are views of it.

An update rule then needs a few operations on one vector, instead of some for each of many small tensors.
"""

from __future__ import annotations

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

    def blocks(self, flat: Tensor, by_tensor: bool = False) -> list[Tensor]:
        """Return the vector `flat`, shape (size,), as matrices of shape (M, n), one row per member.

        A single member's vector is one matrix; otherwise, and always with `by_tensor`, there is one per tensor.
        """
        if self.members == 1 and not by_tensor:
            return [flat.view(1, -1)]
        return [view.flatten(1) for view in self.views(flat)]
