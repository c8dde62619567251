"""All numbers of a population in one vector, and the tensors that are views of it."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from torch import Tensor

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """Where each `(M, *shape)` tensor lies: one after another, members within, so that each is contiguous.

    Attributes:
        shapes: of one member's tensors.
        members: M.
    """

    shapes: tuple[Shape, ...]
    members: int

    @property
    def size(self) -> int:
        """Length of the vector."""
        return self.members * sum(prod(shape) for shape in self.shapes)

    def views(self, flat: Tensor) -> list[Tensor]:
        """The tensors `(M, *shape)`."""
        views, start = [], 0
        for shape in self.shapes:
            stop = start + self.members * prod(shape)
            views.append(flat[start:stop].view(self.members, *shape))
            start = stop
        return views

    def blocks(self, flat: Tensor, by_tensor: bool = False) -> list[Tensor]:
        """The vector as matrices `(M, n)`, one row per member: a single one for a single member.

        With `by_tensor` always one per tensor.
        """
        if self.members == 1 and not by_tensor:
            return [flat.view(1, -1)]
        return [view.flatten(1) for view in self.views(flat)]
