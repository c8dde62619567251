"""2 x 2 pooling of the lab's four images, average and maximum (Caltech lab, section 3, D and E)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labkit.nn.layer import Context
from labkit.nn.pooling import AveragePool, MaxPool
from labkit.principles.finding import Finding, MeasuredClaim, sheet

SHIFTS = ((0, 0), (0, 1), (1, 1), (1, 0))  # rows down and columns right of the 3 x 3 square, image by image
_AVERAGES = (((1, 0.5), (0.5, 0.25)), ((0.5, 1), (0.25, 0.5)), ((0.25, 0.5), (0.5, 1)), ((0.5, 0.25), (1, 0.5)))


@dataclass(frozen=True)
class PooledImages:
    """The lab's four images, and what 2 x 2 pooling makes of them.

    Attributes:
        images: Images of 4 x 4 pixels, a square of 3 x 3 ones in another corner of each, shape (4, 4, 4).
        average: Average pooling of each, shape (4, 2, 2).
        maximum: Max pooling of each, shape (4, 2, 2).
    """

    images: Tensor
    average: Tensor
    maximum: Tensor


def measure() -> PooledImages:
    """Pool the images by labkit's own layers."""
    images = torch.zeros(4, 4, 4)
    for image, (down, right) in zip(images, SHIFTS, strict=True):
        image[down : down + 3, right : right + 3] = 1
    batch = images.unsqueeze(1).unsqueeze(0)  # (members, samples, channels, height, width)
    average, _ = AveragePool(2, kernel=2, stride=2).forward(batch, (), (), Context())
    maximum, _ = MaxPool(2, kernel=2, stride=2).forward(batch, (), (), Context())
    return PooledImages(images, average[0, :, 0], maximum[0, :, 0])


def matrix_text(matrix: Tensor) -> str:
    """Return a matrix with one row a line, its columns aligned.

    Args:
        matrix: Numbers, shape (rows, columns).
    """
    width = max(len(f"{value:g}") for value in matrix.flatten().tolist())
    return "\n".join("  ".join(f"{value:>{width}g}" for value in row) for row in matrix.tolist())


def finding(record: PooledImages) -> Finding:
    """Return a table and claims of what `measure` gave."""
    rows = [
        (str(i), *(matrix_text(matrix) for matrix in matrices))
        for i, matrices in enumerate(zip(record.images, record.average, record.maximum, strict=True), start=1)
    ]
    table = sheet("2 x 2 pooling, stride 2", ("image", "pixels", "average", "maximum"), rows)
    claims = [
        MeasuredClaim(
            "max pooling gives ones only, so the four places of the square can no longer be told apart",
            bool((record.maximum == 1).all()),
            f"smallest value {float(record.maximum.amin()):g}, largest {float(record.maximum.amax()):g}",
        ),
        MeasuredClaim(
            "average pooling gives 1, 1/2, 1/2 and 1/4, the 1 where the square is: the places stay apart",
            bool((record.average == torch.tensor(_AVERAGES)).all()),
            "; ".join(str(average.flatten().tolist()) for average in record.average),
        ),
        MeasuredClaim(
            "average pooling keeps the mean of an image, max pooling does not",
            bool((record.average.mean((1, 2)) == record.images.mean((1, 2))).all())
            and bool((record.maximum.mean((1, 2)) > record.images.mean((1, 2))).all()),
            f"mean {float(record.images[0].mean()):g} before, {float(record.average[0].mean()):g} after averages, "
            f"{float(record.maximum[0].mean()):g} after maxima",
        ),
    ]
    return Finding([table], claims)
