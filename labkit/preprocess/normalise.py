"""Stored features to floats: statistics of the training part, and conversion in blocks that fit the cache.

The features of a run are held in memory twice and no more: as stored (a quarter of float32 for images) and as floats.
So nothing here makes an array of the size of a part other than the floats themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

# Values converted at a time. torch does operations of at most 32768 values on the calling thread, so that other busy
# processes cannot hold up the thousands of small ones here; it is also what the nearest cache holds.
BLOCK = 1 << 15
CONSTANT = 1e-10  # a feature whose deviation is below this share of its mean is constant but for rounding


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation (of the population: divided by n) per feature, float64, of one sample's shape."""

    mean: Tensor
    std: Tensor

    def with_constants_at_one(self) -> Moments:
        """Standard deviation 1 where a feature is constant, so that dividing leaves it alone."""
        constant = self.std <= CONSTANT * self.mean.abs()
        return Moments(self.mean, torch.where(constant, torch.ones_like(self.std), self.std))

    def per_channel(self) -> Moments:
        """The moments of all values of a channel, `(channels, 1, ...)`, from those of its places."""
        places = tuple(range(1, self.mean.ndim))
        mean = self.mean.mean(places, keepdim=True)
        # the variance within places, averaged, plus the variance between them
        variance = (self.std.square() + (self.mean - mean).square()).mean(places, keepdim=True)
        return Moments(mean, variance.sqrt())


def full_scale(dtype: np.dtype) -> float:
    """What `scale` divides by: 255 for uint8, 32768 for int16, 1 for floats."""
    return {"uint8": 255.0, "int16": 32768.0}.get(dtype.name, 1.0)


def blocks(features: np.ndarray, indices: np.ndarray) -> Iterator[tuple[int, Tensor]]:
    """The rows `features[indices]` as stored, in blocks: (place of the block's first row, rows)."""
    rows = max(1, BLOCK // max(1, features[:1].size))
    for at in range(0, len(indices), rows):
        yield at, torch.from_numpy(np.take(features, indices[at : at + rows], axis=0))


def moments(features: np.ndarray, indices: np.ndarray) -> Moments:
    """Moments of the stored values over `features[indices]`, accumulated in float64.

    Blocks are merged by their means and squared deviations (Chan, Golub and LeVeque, 1979), which stays exact where
    the mean of the squares minus the square of the mean cancels.
    """
    count = 0
    mean = torch.zeros(features.shape[1:], dtype=torch.float64)
    squares = torch.zeros_like(mean)  # sum of squared deviations from the mean
    for _, stored in blocks(features, indices):
        rows, size = stored.double(), len(stored)
        block_mean = rows.mean(0)
        step = block_mean - mean
        squares += rows.sub_(block_mean).square_().sum(0) + step.square() * (count * size / (count + size))
        mean += step * (size / (count + size))
        count += size
    return Moments(mean, (squares / max(count, 1)).sqrt())


def convert(
    features: np.ndarray, indices: np.ndarray, dtype: torch.dtype, divisor: float, fitted: Moments | None
) -> Tensor:
    """The rows `features[indices]` as floats `(n, *shape)`: divided by `divisor`, then normalised.

    Args:
        fitted: moments of the divided values that broadcast against one sample, or None to leave them alone.
    """
    out = torch.empty((len(indices), *features.shape[1:]), dtype=dtype)
    # (x / divisor - mean) / std = (x - divisor mean) / (divisor std): two passes over the block instead of three
    offset = None if fitted is None else (fitted.mean * divisor).to(dtype)
    factor = None if fitted is None else (1 / (divisor * fitted.std)).to(dtype)
    for at, stored in blocks(features, indices):
        block = out[at : at + len(stored)].copy_(stored)
        if offset is not None and factor is not None:
            block.sub_(offset).mul_(factor)
        elif divisor != 1:
            block.div_(divisor)
    return out
