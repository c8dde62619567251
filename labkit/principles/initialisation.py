"""Zero against random weights, with ReLU and with sigmoid (Caltech lab, section 1, A and B).

From zero a ReLU network learns nothing: its hidden outputs are 0, so no weight of the output has a gradient, and no
gradient passes those weights; only the output's bias moves. From zero a sigmoid network learns nothing different: all
units of a layer have equal inputs, equal outputs and equal gradients, and stay one unit, copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, log

import torch
from torch import Tensor

from labkit.data.circle import circle
from labkit.engine.evaluate import evaluate
from labkit.engine.population import Population
from labkit.metrics import classification, gradient_l1
from labkit.nn.initialise import glorot
from labkit.optim.rules import sgd
from labkit.preprocess.prepare import Parts, Preprocess, prepare
from labkit.preprocess.split import split
from labkit.principles.finding import Finding, MeasuredClaim, percent, sheet
from labkit.principles.training import follow, marks, network, recipe
from labkit.report.sheet import Sheet

RATE, BATCH, SEEDS = 0.03, 10, (0, 1, 2)  # rate and batch are the playground's own
EPOCHS = {"relu": 250, "sigmoid": 4000}  # the lab's "iterations", each a pass over the training part
_LEARNT, _REACHED = 0.95, 0.1  # accuracy of a network that has learnt the circle; loss on the way there


@dataclass(frozen=True)
class TrainingCourse:
    """The course of one network's training, looked at T times.

    Attributes:
        activation: Activation of the hidden layers, "relu" or "sigmoid".
        start: Weights at the start, "zero" or "random".
        seed: Seed of the run.
        updates: Updates done at each look, T numbers.
        loss: Training loss at each look, nats per sample.
        spread: Largest difference at each look between two units of one hidden layer, in any weight or bias.
        first_gradients: Layer -> L1 norm of the gradient of update 1.
        moved: Parameter -> largest change of any of its numbers since before training.
        accuracy: Accuracy on the training part at the end, a share.
    """

    activation: str
    start: str
    seed: int
    updates: list[int]
    loss: list[float]
    spread: list[float]
    first_gradients: dict[str, float]
    moved: dict[str, float]
    accuracy: float

    @property
    def name(self) -> str:
        """The activation and the start, as a legend has them."""
        return f"{self.activation}, {self.start}"


def measure(epochs: Mapping[str, int] = EPOCHS) -> list[TrainingCourse]:
    """Train for each activation one network from zero and three from random weights.

    Args:
        epochs: Activation -> passes over the training part.
    """
    stored = circle(samples=400)
    parts = prepare(stored, split(stored, validation=0, test=0.5), Preprocess())
    return [course for activation in epochs for course in _courses(parts, activation, epochs[activation])]


def _courses(parts: Parts, activation: str, epochs: int) -> list[TrainingCourse]:
    """Train the networks of one activation as one population.

    The member with gain 0 starts from zero: its weights are 0 times the random ones.
    """
    net = network([{"linear": {"units": [8, 8]}}, {"linear": {"units": "classes"}}], (2,), activation)
    updates = epochs * -(-len(parts.train) // BATCH)  # the last batch of an epoch may be smaller
    members = [(0.0, SEEDS[0]), *((1.0, seed) for seed in SEEDS)]
    recipes = [recipe(net, sgd(lr=RATE), updates, BATCH, seed, glorot(gain=gain)) for gain, seed in members]
    population = Population(recipes, parts)
    seen: list[int] = []
    losses, spreads, norms, accuracy = [], [], [], torch.zeros(len(recipes))
    for mark, stepper, state in follow(population, marks(updates, 60)):
        if not seen:
            begun = [tensor.clone() for tensor in stepper.parameters]
        if mark == 1:
            sizes = population.sizes_layout.rows(state.gradient_sizes)
            norms = gradient_l1(sizes, population.layers, state.gradient_steps)
        result = evaluate(net, [(stepper.parameters, stepper.buffers)], parts.train)
        seen.append(mark)
        losses.append(result.loss)
        spreads.append(unit_spread(stepper.parameters[:4]))
        accuracy = classification(result.confusion)["accuracy"]
        moved = [(now - then).abs().flatten(1).amax(1) for now, then in zip(stepper.parameters, begun, strict=True)]
    names = [name for name, _ in net.parameters]
    return [
        TrainingCourse(
            activation=activation,
            start="random" if gain else "zero",
            seed=seed,
            updates=seen,
            loss=torch.stack(losses)[:, m].tolist(),
            spread=torch.stack(spreads)[:, m].tolist(),
            first_gradients={layer: norms[m][layer] for layer in population.layers},
            moved={name: float(change[m]) for name, change in zip(names, moved, strict=True)},
            accuracy=float(accuracy[m]),
        )
        for m, (gain, seed) in enumerate(members)
    ]


def unit_spread(hidden: Sequence[Tensor]) -> Tensor:
    """Return the largest difference between two units of one layer in one number, for each member, shape (M,).

    Args:
        hidden: Weights (M, units, inputs) and biases (M, units) of hidden layers.
    """
    ranges = [(tensor.amax(1) - tensor.amin(1)).view(tensor.shape[0], -1).amax(1) for tensor in hidden]
    return torch.stack(ranges).amax(0)


def finding(courses: Sequence[TrainingCourse]) -> Finding:
    """Return tables and claims of what `measure` gave."""
    return Finding([_table(courses), _gradients(courses)], _claims(courses))


def _group(courses: Sequence[TrainingCourse], activation: str, start: str) -> list[TrainingCourse]:
    return [course for course in courses if (course.activation, course.start) == (activation, start)]


def _updates_to_loss(course: TrainingCourse) -> int | None:
    """Return the updates done at the first look that found the loss below `_REACHED`; None: never."""
    return next((step for step, loss in zip(course.updates, course.loss, strict=True) if loss < _REACHED), None)


def _table(courses: Sequence[TrainingCourse]) -> Sheet:
    rows = [
        (
            course.name,
            str(course.seed),
            f"{course.updates[-1]:,}",
            f"{course.loss[0]:.4f}",
            f"{course.loss[-1]:.4f}",
            percent([course.accuracy]),
            f"{course.spread[-1]:.3g}",
            "never" if (step := _updates_to_loss(course)) is None else f"{step:,}",
        )
        for course in courses
    ]
    heads = ("network", "seed", "updates", "loss before", "loss after", "accuracy", "spread of hidden units")
    return sheet("Zero and random weights", (*heads, f"updates to loss {_REACHED}"), rows)


def _gradients(courses: Sequence[TrainingCourse]) -> Sheet:
    shown = [course for course in courses if course.seed == SEEDS[0]]
    rows = [(course.name, *(f"{value:.3g}" for value in course.first_gradients.values())) for course in shown]
    return sheet("L1 norm of each layer's gradient in update 1", ("network", *shown[0].first_gradients), rows)


def _claims(courses: Sequence[TrainingCourse]) -> list[MeasuredClaim]:
    (dead,), (alike,) = _group(courses, "relu", "zero"), _group(courses, "sigmoid", "zero")
    bias = list(dead.moved)[-1]
    still = max(change for name, change in dead.moved.items() if name != bias)
    guessing = abs(dead.loss[-1] - log(2))
    learnt = _group(courses, "relu", "random")
    return [
        MeasuredClaim(
            "ReLU from zero: the gradients of all hidden layers are exactly 0 in update 1, the output's is not",
            list(dead.first_gradients.values())[:-1] == [0.0, 0.0] and dead.first_gradients[_last(dead)] > 0,
            ", ".join(f"{layer} {value:.3g}" for layer, value in dead.first_gradients.items()),
        ),
        MeasuredClaim(
            f"ReLU from zero: at the end nothing but {bias} has moved",
            still == 0 and dead.moved[bias] > 0,
            f"{bias} by {dead.moved[bias]:.3g}, everything else by {still:.3g}",
        ),
        MeasuredClaim(
            "ReLU from zero: the loss stays at ln 2, that of guessing",
            guessing < 0.02,
            f"{dead.loss[-1]:.4f} against {log(2):.4f}, accuracy {percent([dead.accuracy])}",
        ),
        MeasuredClaim(
            "ReLU from random weights: learnt with every seed",
            all(course.accuracy > _LEARNT for course in learnt),
            f"accuracy {percent([course.accuracy for course in learnt])}",
        ),
        MeasuredClaim(
            "sigmoid from zero: the hidden units do move, and their spread is exactly 0 at every look",
            max(alike.spread) == 0 and all(change > 0 for change in alike.moved.values()),
            f"largest spread {max(alike.spread):.3g}; "
            + ", ".join(f"{name} moved by {change:.2g}" for name, change in alike.moved.items() if "weight" in name),
        ),
        MeasuredClaim(
            "sigmoid from zero: eight equal units are one unit, and the circle is not learnt",
            alike.accuracy < 0.75,
            f"accuracy {percent([alike.accuracy])}, loss {alike.loss[-1]:.4f}",
        ),
        _speed_claim(courses),
    ]


def _last(course: TrainingCourse) -> str:
    return list(course.first_gradients)[-1]


def _speed_claim(courses: Sequence[TrainingCourse]) -> MeasuredClaim:
    slow, fast = _group(courses, "sigmoid", "random"), _group(courses, "relu", "random")
    late, early = ([_updates_to_loss(course) or inf for course in group] for group in (slow, fast))
    return MeasuredClaim(
        "sigmoid from random weights: learnt with every seed, after at least five times as many updates as ReLU",
        all(course.accuracy > _LEARNT for course in slow) and inf > min(late) > 5 * max(early),
        f"loss {_REACHED} after {min(late):,} to {max(late):,} updates against {min(early):,} to {max(early):,}",
    )
