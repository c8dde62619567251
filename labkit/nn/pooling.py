"""Max, average and global average pooling."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional

from labkit.config import ConfigError
from labkit.nn.convolution import BACKWARD
from labkit.nn.layer import Context, Layer, Saved, Shape, Tensors

_MAX = {1: functional.max_pool1d, 2: functional.max_pool2d}
_CONVOLVE = {1: functional.conv1d, 2: functional.conv2d}


@dataclass(frozen=True)
class _Pooling(Layer):
    """The windows of max and average pooling, without padding.

    Attributes:
        dimensions: Number of spatial axes, 1 or 2.
        kernel: Side of a window, in places.
        stride: Distance between two neighbouring windows, in places.
    """

    dimensions: int
    kernel: int = 2
    stride: int = 2

    def output_shape(self, shape: Shape) -> Shape:
        """Return (channels, *sides) of the pooled sample; raise ConfigError where no window fits."""
        if len(shape) != self.dimensions + 1 or min(shape[1:]) < self.kernel:
            raise ConfigError(
                f"model: {self.kind} with kernel {self.kernel} needs {self.dimensions} spatial axes "
                f"of at least {self.kernel}, got {shape}."
            )
        return (shape[0], *[(side - self.kernel) // self.stride + 1 for side in shape[1:]])


@dataclass(frozen=True)
class MaxPool(_Pooling):
    """The largest value of each window. Among equals, the first one gets the gradient.

    The maximum of a window is the maximum over its rows' maxima, so one axis is reduced after the other, each by
    comparing whole slices of the batch at once (docs/decisions.md).
    """

    @property
    def kind(self) -> str:
        return f"max_pool{self.dimensions}d"

    def forward(self, x: Tensor, parameters: Tensors, buffers: Tensors, context: Context) -> tuple[Tensor, Saved]:
        """Return the largest values, shape (G, B, C, *sides), and the pair of input and output."""
        if x.requires_grad:  # autograd of `maximum` would split the gradient among equals
            y: Tensor = _MAX[self.dimensions](x.flatten(0, 1), self.kernel, self.stride).unflatten(0, x.shape[:2])
            return y, (x, y)
        y = x
        for axis in range(3, 3 + self.dimensions):
            y = reduce(torch.maximum, [self._places(y, axis, offset) for offset in range(self.kernel)])
        return y, (x, y)

    def backward(
        self, dy: Tensor, saved: Saved, parameters: Tensors, gradients: Tensors, need_dx: bool
    ) -> Tensor | None:
        """Return the input's gradient, shape (G, B, C, *sides): `dy` at the first largest value of each window."""
        if not need_dx:
            return None
        x, y = saved
        dx = torch.zeros_like(x)
        # Added, not written: where windows overlap, one place can win several of them.
        for offsets, first in self.winners(x, y):
            self._part(dx, offsets).addcmul_(dy, first)
        return dx

    def winners(self, x: Tensor, y: Tensor) -> Iterator[tuple[tuple[int, ...], Tensor]]:
        """Yield, for every place in a window, its offsets, and 1 for the windows whose first largest value is there.

        Args:
            x: Input, shape (G, B, C, *sides).
            y: Largest values, one per window, shape (G, B, C, *output sides); the ones and zeros have the same shape.
        """
        # Numbers, not bools: those are ten times as slow (docs/decisions.md).
        later = torch.ones_like(y)  # windows whose first largest value is yet to come
        for offsets in itertools.product(range(self.kernel), repeat=self.dimensions):
            first = torch.eq(self._part(x, offsets), y, out=torch.empty_like(y)).mul_(later)
            later.sub_(first)
            yield offsets, first

    def _part(self, x: Tensor, offsets: Sequence[int]) -> Tensor:
        """Return the number at `offsets` in every window, shape (G, B, C, *output sides), a view."""
        for axis, offset in enumerate(offsets, start=3):
            x = self._places(x, axis, offset)
        return x

    def _places(self, x: Tensor, axis: int, offset: int) -> Tensor:
        """Return the numbers `offset` places behind the beginnings of the windows along one axis, a view."""
        count = (x.shape[axis] - self.kernel) // self.stride + 1
        return x[(slice(None),) * axis + (slice(offset, offset + (count - 1) * self.stride + 1, self.stride),)]


@dataclass(frozen=True)
class AveragePool(_Pooling):
    """The mean of each window, as a convolution of every channel with a constant kernel."""

    @property
    def kind(self) -> str:
        return f"average_pool{self.dimensions}d"

    def _kernel(self, like: Tensor) -> Tensor:
        window = [self.kernel] * self.dimensions
        return like.new_full((1, 1, *window), self.kernel**-self.dimensions)

    def forward(self, x: Tensor, parameters: Tensors, buffers: Tensors, context: Context) -> tuple[Tensor, Saved]:
        """Return the means, shape (G, B, C, *sides), and the shape of the input."""
        planes = x.flatten(0, 2).unsqueeze(1)  # (G * B * C, 1, *sides)
        y = _CONVOLVE[self.dimensions](planes, self._kernel(x), stride=self.stride)
        return y.squeeze(1).unflatten(0, x.shape[:3]), x.shape

    def backward(
        self, dy: Tensor, saved: Saved, parameters: Tensors, gradients: Tensors, need_dx: bool
    ) -> Tensor | None:
        """Return the input's gradient, (G, B, C, *sides): each place gets 1 / window size of its windows' gradients."""
        if not need_dx:
            return None
        # The gradient of a convolution by its input does not depend on that input: an unwritten one gives the shape.
        dx, _, _ = BACKWARD(
            dy.flatten(0, 2).unsqueeze(1),
            dy.new_empty(1).expand(saved[:3].numel(), 1, *saved[3:]),
            self._kernel(dy),
            None,
            [self.stride] * self.dimensions,
            [0] * self.dimensions,
            [1] * self.dimensions,
            False,
            [0] * self.dimensions,
            1,
            [True, False, False],
        )
        gradient: Tensor = dx.view(saved)
        return gradient


@dataclass(frozen=True)
class GlobalAveragePool(Layer):
    """The mean of each channel over all places: (channels, *sides) to (channels,) (Lin et al. 2013, section 3.2)."""

    @property
    def kind(self) -> str:
        return "global_average_pool"

    def output_shape(self, shape: Shape) -> Shape:
        """Return (channels,) for samples (channels, *sides); raise ConfigError for samples without sides."""
        if len(shape) < 2:
            raise ConfigError(f"model: global_average_pool needs samples (channels, *sides), got {shape}.")
        return shape[:1]

    def forward(self, x: Tensor, parameters: Tensors, buffers: Tensors, context: Context) -> tuple[Tensor, Saved]:
        """Return the means, shape (G, B, C), and the shape of the input."""
        return x.flatten(3).mean(3), x.shape

    def backward(
        self, dy: Tensor, saved: Saved, parameters: Tensors, gradients: Tensors, need_dx: bool
    ) -> Tensor | None:
        """Return the input's gradient, shape (G, B, C, *sides): an equal share of `dy` at every place."""
        if not need_dx:
            return None
        share: Tensor = dy / saved[3:].numel()
        return share.view(*dy.shape, *[1] * len(saved[3:])).expand(saved)
