"""Conversion of stored features to floats, in blocks that fit the cache, and statistics of the training part.

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
    """Moments per feature over some samples.

    Attributes:
        mean: Mean, float64, in a sample's shape or one that broadcasts to it.
        std: Standard deviation with divisor n, float64, of the same shape.
    """

    mean: Tensor
    std: Tensor

    def with_constants_at_one(self) -> Moments:
        """Return the moments with standard deviation 1 for constant features, so that dividing leaves those alone."""
        constant = self.std <= CONSTANT * self.mean.abs()
        return Moments(self.mean, torch.where(constant, torch.ones_like(self.std), self.std))

    def per_channel(self) -> Moments:
        """Return the moments of all values of each channel, shape (channels, 1, ...), from those of its places."""
        places = tuple(range(1, self.mean.ndim))
        mean = self.mean.mean(places, keepdim=True)
        # The law of total variance: the mean variance within places plus the variance of their means.
        variance = (self.std.square() + (self.mean - mean).square()).mean(places, keepdim=True)
        return Moments(mean, variance.sqrt())


def full_scale(dtype: np.dtype) -> float:
    """Return the divisor of `scale`: 255 for uint8, 32768 for int16, 1 for other types."""
    return {"uint8": 255.0, "int16": 32768.0}.get(dtype.name, 1.0)


def blocks(features: np.ndarray, indices: np.ndarray) -> Iterator[tuple[int, Tensor]]:
    """Yield the rows `features[indices]` as stored, in blocks: the place of the first row, and the rows.

    Args:
        features: Stored features, shape (N, *shape).
        indices: Positions of samples, shape (n,).
    """
    rows = max(1, BLOCK // max(1, features[:1].size))
    for at in range(0, len(indices), rows):
        yield at, torch.from_numpy(np.take(features, indices[at : at + rows], axis=0))


def moments(features: np.ndarray, indices: np.ndarray) -> Moments:
    """Return the moments of the stored values over `features[indices]`, accumulated in float64.

    Blocks are merged by their means and squared deviations (Chan, Golub and LeVeque 1979). That stays exact where the
    usual formula, the mean of the squares minus the square of the mean, would lose all digits.

    Args:
        features: Stored features, shape (N, *shape).
        indices: Positions of samples, shape (n,).
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
    """Return the rows `features[indices]` as floats, shape (n, *shape): divided by `divisor`, then normalised.

    Args:
        features: Stored features, shape (N, *shape).
        indices: Positions of samples, shape (n,).
        dtype: Dtype of the result.
        divisor: Number to divide by first.
        fitted: Moments of the divided values, which broadcast against one sample; None to leave the values alone.
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
