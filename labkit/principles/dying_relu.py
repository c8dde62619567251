"""Dying ReLU: all negative samples before any positive one, against shuffled samples (Caltech lab, section 1, C).

A unit is dead when it gives 0 for every training sample: no gradient reaches its weights, and only a change in the
layers below can bring it back. The engine's loss is softmax cross-entropy, so two scores stand where the lab has one
output for -1 and +1. They are measured both as they are (linear) and with a ReLU of their own, which makes every unit
of the network one that can die.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from labkit.engine.population import Population
from labkit.engine.recipe import Recipe
from labkit.engine.step import Stepper
from labkit.models.network import Network
from labkit.nn.activation import Activation
from labkit.nn.layer import Context
from labkit.optim.rules import sgd
from labkit.principles.finding import SURE, Finding, MeasuredClaim, difference, percent, points, sheet
from labkit.principles.training import follow, network, only_training, recipe

SAMPLES, EPOCHS, SEEDS = 1000, 5, 20
RATES = (0.01, 0.1)
SCORES = ("linear", "relu")
ORDERS = ("negatives first", "shuffled")
_LOOKS = 20  # per epoch
Look = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class DeadUnitCourse:
    """The course of networks that differ in their seed only, looked at T times.

    Attributes:
        scores: Activation of the output layer, "linear" or "relu".
        rate: Learning rate.
        order: Order of the samples, one of `ORDERS`.
        updates: Updates done at each look, T numbers.
        hidden: Share of dead hidden units, shape (T, seeds).
        output: Share of dead score units, shape (T, seeds); 0 where the scores are linear.
        accuracy: Accuracy on all samples, a share, shape (T, seeds).
    """

    scores: str
    rate: float
    order: str
    updates: list[int]
    hidden: np.ndarray
    output: np.ndarray
    accuracy: np.ndarray


def measure(seeds: int = SEEDS, epochs: int = EPOCHS) -> list[DeadUnitCourse]:
    """Train every network in both orders, batch size 1; the seeds and rates of one kind are one population.

    Args:
        seeds: Networks of each kind, rate and order.
        epochs: Passes over the samples.
    """
    features, labels = clouds(SAMPLES)
    courses = []
    for scores in SCORES:
        last = {"linear": {"units": 2, "activation": "identity" if scores == "linear" else "relu"}}
        net = network([{"linear": {"units": [8, 8]}}, last], (2,))
        updates = epochs * SAMPLES
        recipes = [recipe(net, sgd(lr=rate), updates, 1, seed) for rate in RATES for seed in range(seeds)]
        for order in ORDERS:
            train = _train_negatives_first if order == ORDERS[0] else _train_shuffled
            looks = [
                (step, *_look(net, stepper, features, labels)) for step, stepper in train(recipes, features, labels)
            ]
            courses += _courses(scores, order, looks, seeds)
    return courses


def clouds(samples: int) -> tuple[Tensor, Tensor]:
    """Return two round Gaussian clouds in the plane, centres 2 standard deviations apart; half the samples are class 1.

    Args:
        samples: Number of samples n; the features have shape (n, 2), the classes shape (n,).
    """
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(samples) % 2
    features = torch.randn(samples, 2, generator=draw)
    features[:, 0] += 2 * labels - 1
    return features, labels


def _train_shuffled(recipes: Sequence[Recipe], features: Tensor, labels: Tensor) -> Iterator[tuple[int, Stepper]]:
    population = Population(recipes, only_training(features, labels))
    steps = range(0, population.length.total + 1, len(labels) // _LOOKS)
    return ((step, stepper) for step, stepper, _ in follow(population, steps))


def _train_negatives_first(
    recipes: Sequence[Recipe], features: Tensor, labels: Tensor
) -> Iterator[tuple[int, Stepper]]:
    """Yield the updates done and the stepper whose network they made.

    The engine shuffles its training part, so each class is one of its own; the two hand over their parameters.
    """
    sides = [Population(recipes, only_training(features[labels == k], labels[labels == k])) for k in (0, 1)]
    states = [side.initial_state() for side in sides]
    steppers = [Stepper(side, state) for side, state in zip(sides, states, strict=True)]
    half, every = len(labels) // 2, len(labels) // _LOOKS
    yield 0, steppers[0]
    for done in range(every, sides[0].length.total + 1, every):
        k = (done - every) // half % 2
        if (done - every) % half == 0 and done > every:
            states[k].parameters.copy_(states[1 - k].parameters)
        for _ in range(every):
            steppers[k].step(states[k])
        yield done, steppers[k]


@torch.no_grad()
def _look(
    net: Network, stepper: Stepper, features: Tensor, labels: Tensor
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return shares of dead hidden units, of dead scores, and of samples classified correctly, each of shape (M,)."""
    tensors = net.by_stage(stepper.parameters, stepper.buffers)
    scores, tape = net.forward(features.unsqueeze(0), tensors, Context())
    outputs = [saved for stage, saved in zip(net.stages, tape, strict=True) if isinstance(stage.layer, Activation)]
    dead = [(~(y > 0).any(1)).double() for y in outputs]  # each (M, units)
    hidden = torch.cat(dead[:2], 1).mean(1)
    output = dead[2].mean(1) if len(dead) > 2 else torch.zeros_like(hidden)
    correct = (scores.argmax(-1) == labels).double().mean(1)
    return hidden.numpy(), output.numpy(), correct.numpy()


def _courses(
    scores: str, order: str, looks: Sequence[tuple[int, np.ndarray, np.ndarray, np.ndarray]], seeds: int
) -> list[DeadUnitCourse]:
    steps = [step for step, *_ in looks]
    columns = [np.stack(values) for values in list(zip(*looks, strict=True))[1:]]
    own = [slice(i * seeds, (i + 1) * seeds) for i in range(len(RATES))]
    return [
        DeadUnitCourse(scores, rate, order, steps, *(column[:, which] for column in columns))
        for rate, which in zip(RATES, own, strict=True)
    ]


def finding(courses: Sequence[DeadUnitCourse]) -> Finding:
    """Return a table and claims of what `measure` gave.

    Args:
        courses: Courses of every kind of scores, rate and order.
    """
    rows = [
        (
            course.scores,
            f"{course.rate:g}",
            course.order,
            percent(course.hidden[0].tolist()),
            percent(course.hidden[-1].tolist()),
            percent(course.output[-1].tolist()) if course.scores == "relu" else "-",
            percent(course.accuracy[-1].tolist()),
        )
        for course in courses
    ]
    heads = ("scores", "learning rate", "order", "dead hidden units before", "dead hidden units after")
    seeds, epochs = courses[0].hidden.shape[1], courses[0].updates[-1] // SAMPLES
    title = (
        f"Dead units after {epochs} epochs of {SAMPLES:,} samples in batches of 1: mean ± deviation of {seeds} seeds"
    )
    return Finding([sheet(title, (*heads, "dead scores after", "accuracy"), rows)], _claims(courses), _NOTES)


_NOTES = (
    "A score that is dead takes no further part; with both dead there is no gradient at all, and the loss stays ln 2.",
    "With linear scores shuffling kills more hidden units, likely because the loss of one class alone soon vanishes.",
    "The clouds overlap: no classifier is right for more than 84.1% of fresh samples; these are the training samples.",
)


def _pair(courses: Sequence[DeadUnitCourse], scores: str, rate: float) -> tuple[DeadUnitCourse, DeadUnitCourse]:
    first, second = (
        next(c for c in courses if (c.scores, c.rate, c.order) == (scores, rate, order)) for order in ORDERS
    )
    return first, second


def _claims(courses: Sequence[DeadUnitCourse]) -> list[MeasuredClaim]:
    slow, fast = RATES
    scores_fast = difference(*(c.output[-1] for c in _pair(courses, "relu", fast)))
    scores_slow = difference(*(c.output[-1] for c in _pair(courses, "relu", slow)))
    hidden = [difference(*(c.hidden[-1] for c in _pair(courses, kind, fast))) for kind in SCORES]
    first, second = _pair(courses, "linear", slow)
    return [
        MeasuredClaim(
            f"ReLU scores, rate {fast:g}: with the negatives first more scores die",
            scores_fast[0] > SURE * scores_fast[1],
            points(scores_fast),
        ),
        MeasuredClaim(
            f"ReLU scores, rate {slow:g}: it does not show, the difference is within {SURE:g} standard errors",
            abs(scores_slow[0]) <= SURE * scores_slow[1],
            points(scores_slow),
        ),
        MeasuredClaim(
            f"hidden units, rate {fast:g}: with the negatives first no more of them die than with shuffled samples",
            all(middle <= SURE * error for middle, error in hidden),
            "; ".join(f"{kind} scores {points(pair)}" for kind, pair in zip(SCORES, hidden, strict=True)),
        ),
        MeasuredClaim(
            f"linear scores, rate {slow:g}: after the positives nearly everything is called positive, unlike shuffled",
            float(first.accuracy[-1].mean()) < 0.6 < 0.8 < float(second.accuracy[-1].mean()),
            f"accuracy {percent(first.accuracy[-1].tolist())} against {percent(second.accuracy[-1].tolist())}",
        ),
    ]
