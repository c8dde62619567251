"""The arithmetic of convolutions: parameters and shapes, and what zero padding gains and costs (Caltech lab, 3 A to C).

Every number comes from labkit's own layer. How many outputs a pixel contributes to is the gradient of the sum of all
outputs with respect to that pixel when every weight of the kernel is 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import torch

from labkit.models.network import Network
from labkit.nn.layer import Context
from labkit.principles.finding import Finding, MeasuredClaim, sheet
from labkit.principles.training import network

SIDE, KERNEL = 20, 8  # the lab's patches of 8 x 8 on an image of 20 x 20
PADDINGS = {0: "none", 3: "half", 7: "full"}  # 3: as near the input's size as an even kernel comes; 7: every overlap
_STACK_SIDE, _STACK_KERNEL = 32, 5


@dataclass(frozen=True)
class Padding:
    """One convolution of an image with one kernel.

    Attributes:
        zeros: Number of zeros on each side.
        side: Side of the output, pixels.
        contributions: Number of outputs that each pixel contributes to, shape (SIDE, SIDE).
        multiply_adds: Multiply-adds of one image, those with a padded zero included.
    """

    zeros: int
    side: int
    contributions: np.ndarray
    multiply_adds: int

    @property
    def border_share(self) -> float:
        """The border pixels' share of all contributions."""
        return 1 - float(self.contributions[1:-1, 1:-1].sum() / self.contributions.sum())

    @property
    def wasted_share(self) -> float:
        """The share of multiply-adds whose pixel is a padded zero."""
        return 1 - float(self.contributions.sum()) / self.multiply_adds


@dataclass(frozen=True)
class ConvolutionArithmetic:
    """The numbers that the lab asks for, and those behind its claims.

    Attributes:
        parameters: Parameters of the lab's layer, 8 filters of 5 x 5 x 3 on 3 x 32 x 32.
        output_shape: Shape of its output, (channels, height, width).
        multiply_adds: Multiply-adds of that layer for one image.
        paddings: Patches of 8 x 8 with each number of zeros in `PADDINGS`.
        sides: Padding -> side of the image after 0, 1, ... convolutions of 5 x 5, without padding and with 2 zeros.
    """

    parameters: int
    output_shape: tuple[int, ...]
    multiply_adds: int
    paddings: list[Padding]
    sides: dict[str, list[int]]


def convolution(channels: int, kernel: int, padding: int, shape: tuple[int, ...], repeat: int = 1) -> Network:
    """Return a network of convolutions and nothing else.

    Args:
        channels: Number of filters.
        kernel: Side of a filter, pixels.
        padding: Zeros on each side.
        shape: Shape of an image, (channels, height, width).
        repeat: Number of convolutions, one after another.
    """
    entry = {"channels": channels, "kernel": kernel, "padding": padding, "repeat": repeat}
    return network([{"conv2d": entry}], shape, "identity")


def measure() -> ConvolutionArithmetic:
    """Compute everything."""
    layer = convolution(8, 5, 0, (3, 32, 32))
    shape = (1, _STACK_SIDE, _STACK_SIDE)
    depth = (_STACK_SIDE - 1) // (_STACK_KERNEL - 1)
    sides = {
        name: [_STACK_SIDE, *(stage.output_shape[1] for stage in convolution(1, 5, zeros, shape, depth).stages)]
        for name, zeros in (("no padding", 0), ("2 zeros", 2))
    }
    paddings = [measure_padding(zeros) for zeros in PADDINGS]
    return ConvolutionArithmetic(layer.parameter_count, layer.output_shape, layer.multiply_adds, paddings, sides)


def measure_padding(zeros: int) -> Padding:
    """Count what each pixel contributes to: patches of 8 x 8 on an image of 20 x 20.

    Args:
        zeros: Zeros on each side.
    """
    net = convolution(1, KERNEL, zeros, (1, SIDE, SIDE))
    stage = net.stages[0]
    parameters = [torch.ones(1, *p.shape) for _, p in net.parameters]
    image = torch.ones(1, 1, 1, SIDE, SIDE)
    output, saved = stage.layer.forward(image, parameters, (), Context())
    gradients = [torch.zeros_like(p) for p in parameters]
    counts = stage.layer.backward(torch.ones_like(output), saved, parameters, gradients, True)
    assert counts is not None
    return Padding(zeros, output.shape[-1], counts[0, 0, 0].double().numpy(), net.multiply_adds)


def finding(record: ConvolutionArithmetic) -> Finding:
    """Return tables and claims of what `measure` gave."""
    shape = " x ".join(map(str, (*record.output_shape[1:], record.output_shape[0])))
    layer = sheet(
        "8 filters of 5 x 5 x 3 on 32 x 32 x 3, stride 1, no padding",
        ("parameters", "output", "multiply-adds"),
        [(f"{record.parameters}", shape, f"{record.multiply_adds:,}")],
    )
    rows = [
        (
            f"{padding.zeros} ({PADDINGS[padding.zeros]})",
            f"{padding.side} x {padding.side}",
            f"{padding.contributions[0, 0]:g}",
            f"{padding.contributions[SIDE // 2, SIDE // 2]:g}",
            f"{padding.border_share:.1%}",
            f"{padding.multiply_adds:,}",
            f"{padding.wasted_share:.1%}",
        )
        for padding in record.paddings
    ]
    heads = ("zeros on each side", "output", "outputs of a corner pixel", "of a middle pixel", "share of border pixels")
    padding = sheet("Patches of 8 x 8 on 20 x 20", (*heads, "multiply-adds", "multiply-adds with a padded zero"), rows)
    stack = sheet(
        f"Side of a {_STACK_SIDE} x {_STACK_SIDE} image after convolutions of 5 x 5",
        ("padding", *map(str, range(len(record.sides["no padding"])))),
        [(name, *map(str, sides)) for name, sides in record.sides.items()],
    )
    return Finding([layer, padding, stack], _claims(record), (_note(),))


def _note() -> str:
    border = 1 - prod((SIDE - 2, SIDE - 2)) / SIDE**2
    return f"The border, one pixel wide, is {border:.1%} of the image: its fair share of the contributions."


def _claims(record: ConvolutionArithmetic) -> list[MeasuredClaim]:
    none, half, full = record.paddings
    return [
        MeasuredClaim("the layer has 608 parameters", record.parameters == 608, f"{record.parameters}"),
        MeasuredClaim(
            "its output is 28 x 28 x 8",
            record.output_shape == (8, 28, 28),
            f"(channels, height, width) {record.output_shape}",
        ),
        MeasuredClaim(
            "without padding a corner pixel contributes to 1 output and a middle pixel to 64",
            (none.contributions[0, 0], none.contributions[10, 10]) == (1, 64),
            f"{none.contributions[0, 0]:g} and {none.contributions[10, 10]:g}",
        ),
        MeasuredClaim(
            "zero padding gains size and the border's part in the output",
            none.side < half.side < full.side and none.border_share < half.border_share < full.border_share,
            _series_text("output side", [p.side for p in record.paddings])
            + "; "
            + _series_text("border share", [round(p.border_share, 3) for p in record.paddings]),
        ),
        MeasuredClaim(
            "it costs multiply-adds, a growing share of them with zeros",
            none.multiply_adds < half.multiply_adds < full.multiply_adds
            and none.wasted_share == 0 < half.wasted_share < full.wasted_share,
            _series_text("multiply-adds", [p.multiply_adds for p in record.paddings])
            + "; "
            + _series_text("with a zero", [round(p.wasted_share, 3) for p in record.paddings]),
        ),
        MeasuredClaim(
            "after seven convolutions of 5 x 5 without padding a 32 x 32 image is 4 pixels wide; with 2 zeros it is 32",
            record.sides["no padding"][-1] == 4 and set(record.sides["2 zeros"]) == {32},
            f"{record.sides['no padding']}",
        ),
    ]


def _series_text(name: str, values: Sequence[float]) -> str:
    return f"{name} {', '.join(f'{value:,}' for value in values)}"
