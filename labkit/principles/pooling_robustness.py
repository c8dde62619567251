"""Pooling against none on shifted images and images with missing pixels, measured (Caltech lab, section 3, F).

Small convolutional networks learn scikit-learn's digits, centred and whole, and are then asked about validation images
that are moved, or lack pixels. They differ in how they halve the image twice: max pooling, average pooling, strides
(nothing is pooled), or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from labkit.data.digits import digits
from labkit.engine.block import Outcome
from labkit.engine.evaluate import evaluate
from labkit.engine.loop import train
from labkit.metrics import classification
from labkit.models.network import Network
from labkit.optim.rules import adam
from labkit.preprocess.prepare import Part, Parts, Preprocess, prepare
from labkit.preprocess.split import split
from labkit.principles.finding import SURE, Finding, MeasuredClaim, difference, percent, points, sheet
from labkit.principles.training import network, recipe

BORDER = 4  # empty pixels around a digit of 8 x 8: no shift below pushes ink out of the image
SEEDS = (0, 1, 2)
SHIFTS = (0, 1, 2, 3)  # pixels
MISSING = (0.0, 0.1, 0.2, 0.3)  # share of the pixels set to 0
EPOCHS, BATCH, RATE = 8, 32, 0.01
_POOLED = {"linear": {"units": "classes"}}


@dataclass(frozen=True)
class Robustness:
    """The accuracy on distorted images of networks that halve an image in one way.

    Attributes:
        name: Way to halve an image.
        parameters: Number of parameters of the network.
        multiply_adds: Multiply-adds of one image.
        shifted: Accuracy of every seed, a share, for each of `SHIFTS`: the mean over the directions of the shift.
        missing: Accuracy of every seed, a share, for each of `MISSING`.
    """

    name: str
    parameters: int
    multiply_adds: int
    shifted: list[list[float]]
    missing: list[list[float]]


def networks() -> dict[str, list[object]]:
    """Return the layer list of each way to halve an image, all with as nearly as possible one number of parameters."""

    def convolutions(channels: list[int], **keys: object) -> dict[str, object]:
        return {"conv2d": {"channels": channels, "kernel": 3, **keys}}

    average = [entry for c in (8, 16) for entry in (convolutions([c]), {"average_pool2d": {"kernel": 2}})]
    return {
        "max pooling": [convolutions([8, 16], downsample="maxpool"), _POOLED],
        "average pooling": [*average, _POOLED],
        "strides": [convolutions([8, 16], downsample="stride"), _POOLED],
        "no halving": [convolutions([64, 1]), _POOLED],
    }


def measure(epochs: int = EPOCHS) -> list[Robustness]:
    """Train every network from every seed, and try it on distorted validation images.

    Args:
        epochs: Passes over the training part.
    """
    parts = images()
    return [_measure_network(name, entries, parts, epochs) for name, entries in networks().items()]


def images() -> Parts:
    """Return the digits with an empty border, three quarters for training, one for validation."""
    stored = digits()
    parts = prepare(stored, split(stored, validation=0.25, test=0.0), Preprocess(normalise="none"))
    train_part, validation, test = (_with_border(part) for part in (parts.train, parts.validation, parts.test))
    shape = tuple(train_part.features.shape[1:])
    return replace(parts, train=train_part, validation=validation, test=test, shape=shape)


def _with_border(part: Part) -> Part:
    return Part(functional.pad(part.features, [BORDER] * 4), part.labels)


def _measure_network(name: str, entries: Sequence[object], parts: Parts, epochs: int) -> Robustness:
    net = network(entries, parts.shape, classes=parts.n_classes)
    updates = epochs * -(-len(parts.train) // BATCH)
    # One by one: as a population, the groups of one convolution, the network of 64 channels takes twice the time.
    outcomes = [train([recipe(net, adam(lr=RATE), updates, BATCH, seed)], parts)[0] for seed in SEEDS]
    whole = parts.validation
    return Robustness(
        name,
        net.parameter_count,
        net.multiply_adds,
        [_mean([_accuracy(net, outcomes, moved) for moved in shifted_parts(whole, pixels)]) for pixels in SHIFTS],
        [_accuracy(net, outcomes, without_pixels(whole, share)) for share in MISSING],
    )


def shifted_parts(part: Part, pixels: int) -> list[Part]:
    """Return the part moved up, down, left, right and along both diagonals; itself for no shift.

    Args:
        part: Images.
        pixels: Size of the shift, pixels.
    """
    if not pixels:
        return [part]
    moves = [(y, x) for y in (-pixels, 0, pixels) for x in (-pixels, 0, pixels) if (y, x) != (0, 0)]
    return [Part(_shift(part.features, y, x), part.labels) for y, x in moves]


def _shift(features: Tensor, down: int, right: int) -> Tensor:
    """Return images moved down and right, with zeros behind: a negative pad cuts."""
    return functional.pad(features, [right, -right, down, -down])


def without_pixels(part: Part, share: float) -> Part:
    """Return the part with some of its pixels set to 0, drawn for every image; equal for every network.

    Args:
        part: Images.
        share: Share of the pixels that are lost.
    """
    kept = torch.rand(part.features.shape, generator=torch.Generator().manual_seed(0)) >= share
    return Part(part.features * kept, part.labels)


def _accuracy(net: Network, outcomes: Sequence[Outcome], part: Part) -> list[float]:
    parameters = [torch.stack([outcome.parameters[name] for outcome in outcomes]) for name, _ in net.parameters]
    accuracy: list[float] = classification(evaluate(net, [(parameters, [])], part).confusion)["accuracy"].tolist()
    return accuracy


def _mean(rows: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean of each column."""
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]


def finding(results: Sequence[Robustness]) -> Finding:
    """Return tables and claims of what `measure` gave.

    Args:
        results: Results in the order of `networks`.
    """
    moved = [
        (r.name, f"{r.parameters:,}", f"{r.multiply_adds:,}", *(percent(values) for values in r.shifted))
        for r in results
    ]
    lacking = [(r.name, *(percent(values) for values in r.missing)) for r in results]
    title = f"validation accuracy, mean ± deviation of {len(SEEDS)} seeds"
    return Finding(
        [
            sheet(
                f"Shifted by so many pixels: {title}",
                ("halving", "parameters", "multiply-adds", *(f"{pixels} px" for pixels in SHIFTS)),
                moved,
            ),
            sheet(
                f"With missing pixels: {title}", ("halving", *(f"{share:.0%} missing" for share in MISSING)), lacking
            ),
        ],
        _claims(results),
        (
            "Trained on whole, centred images only; a shift of 1 to 3 pixels is the mean over eight directions, and "
            "a pixel is an eighth of a digit's width. Guessing is right for 10%.",
        ),
    )


def _claims(results: Sequence[Robustness]) -> list[MeasuredClaim]:
    maxima, _, strides, none = results
    whole, near, far = ({r.name: r.shifted[pixels] for r in results} for pixels in (0, 1, 2))
    gains = {other.name: difference(near[maxima.name], near[other.name]) for other in (strides, none)}
    lost = _average(far[maxima.name]) / _average(whole[maxima.name])
    lacking = [_best_pooled(results, i) for i in range(1, len(MISSING))]
    return [
        MeasuredClaim(
            "every network learns the whole, centred digits",
            all(_average(values) > 0.85 for values in whole.values()),
            ", ".join(f"{name} {percent(values)}" for name, values in whole.items()),
        ),
        MeasuredClaim(
            "shifted by 1 pixel: max pooling keeps more than strides and than no halving",
            all(middle > SURE * error for middle, error in gains.values()),
            "; ".join(f"against {name} {points(gain)}" for name, gain in gains.items()),
        ),
        MeasuredClaim(
            "shifted by 2 pixels, a quarter of a digit: pooling is no cure, max pooling has lost more than half",
            lost < 0.5,
            f"{percent(far[maxima.name])} of {percent(whole[maxima.name])} whole",
        ),
        MeasuredClaim(
            "missing pixels: at no share is the best pooled network surely better than the best unpooled one",
            all(middle <= SURE * error for middle, error in lacking),
            "; ".join(f"{share:.0%} {points(pair)}" for share, pair in zip(MISSING[1:], lacking, strict=True)),
        ),
    ]


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _best_pooled(results: Sequence[Robustness], place: int) -> tuple[float, float]:
    """Return the lead of the best pooled network over the best unpooled one at one share of missing pixels."""
    pooled, unpooled = (max((r.missing[place] for r in side), key=_average) for side in (results[:2], results[2:]))
    return difference(pooled, unpooled)
