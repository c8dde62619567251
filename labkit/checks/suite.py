"""All tests by name, over every layer, loss and model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from labkit.checks.check_verdict import CheckVerdict
from labkit.checks.differences import Differences, difference_tests, differences
from labkit.checks.lab_problems import LAMBDAS, SECOND, kth_map, montreal_map
from labkit.checks.layers import LAYERS, layer_map
from labkit.checks.network_maps import cost_map, problem, scores_map
from labkit.checks.networks import Subject, lab_subjects, layer_subjects, model_subjects
from labkit.checks.relative_error import BANDS, relative_error_test
from labkit.checks.sanity import MEMORISING, initial_loss_test, movement_test, overfit, overfit_test
from labkit.checks.taylor import Remainders, taylor_test
from labkit.checks.transpose import transpose_test
from labkit.models.network import Model

Models = Mapping[str, Model]
_FEW = 3  # verdicts of a test that are told one by one


@dataclass
class Findings:
    """Verdicts, and the curves behind them that are drawn.

    Attributes:
        verdicts: Verdicts in the order of the table.
        remainders: Remainders of the lab's networks, by name and group of variables.
        differences: Network -> its finite differences.
        losses: Model that had to memorise -> pairs (updates done, training loss).
        numbers: Measurements on the problems that labs name: KTH's `relative_error/reduced_problem`, Montreal's
            `differences/smallest_error` (absolute) and the N it was found at, `differences/best_count`.
    """

    verdicts: list[CheckVerdict] = field(default_factory=list)
    remainders: dict[str, dict[str, Remainders]] = field(default_factory=dict)
    differences: dict[str, Differences] = field(default_factory=dict)
    losses: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)

    @property
    def sentences(self) -> list[str]:
        """A sentence for every verdict of a test that has few, else for the one that is closest to its tolerance."""
        said = []
        for test in dict.fromkeys(verdict.test for verdict in self.verdicts):
            own = [verdict for verdict in self.verdicts if verdict.test == test]
            few = own if len(own) <= _FEW else [max(own, key=lambda verdict: verdict.share)]
            closest = "" if few is own else f", closest of {len(own)} to its limit"
            said += [
                f"{test} of {one.subject}, {one.variable}{closest}: {one.measured} ({one.expected})" for one in few
            ]
        return said

    @property
    def failed(self) -> list[CheckVerdict]:
        """The verdicts whose tolerance was not kept."""
        return [verdict for verdict in self.verdicts if not verdict.passed]


def run(tests: Sequence[str], models: Models, announce: Callable[[str], None] = lambda test: None) -> Findings:
    """Do the named `TESTS` with torch on one thread; everything is small, and a second thread would only wait.

    Args:
        tests: Names of tests.
        models: Shipped models by name.
        announce: Function that is told the name of each test before it begins.
    """
    found = Findings()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for name in tests:
            announce(name)
            TESTS[name](found, models)
    finally:
        torch.set_num_threads(threads)
    return found


def subjects(models: Models) -> list[Subject]:
    """Return every network whose loss is tested."""
    return [*lab_subjects(), *layer_subjects(), *model_subjects(models)]


def plain_subjects() -> list[Subject]:
    """Return the lab's networks without L2."""
    return [subject for subject in lab_subjects() if not subject.l2]


# `task=check` prints the docstrings of the tests below under its table.


def gradient(found: Findings, models: Models) -> None:
    """Slopes 1 and 2 of the Taylor remainders of the loss; of a layer: in a network with a linear layer behind it."""
    labs = {subject.name for subject in plain_subjects()}
    for subject in subjects(models):
        results = taylor_test("gradient", subject.name, cost_map(problem(subject)))
        found.verdicts += [verdict for verdict, _ in results.values()]
        if subject.name in labs:
            found.remainders[subject.name] = {group: curve for group, (_, curve) in results.items()}


def jacobian(found: Findings, models: Models) -> None:
    """The same of outputs: each layer's by itself, the lab networks' scores; J is made of J'u with unit vectors u."""
    for name, case in LAYERS.items():
        for verdict, _ in taylor_test("jacobian", name, layer_map(case)).values():
            found.verdicts.append(replace(verdict, note="; ".join(filter(None, (case.note, verdict.note)))))
    for subject in plain_subjects():
        results = taylor_test("jacobian", subject.name, scores_map(problem(subject)))
        found.verdicts += [verdict for verdict, _ in results.values()]


def transpose(found: Findings, models: Models) -> None:
    """|u'(Jv) - v'(J'u)|, J'u by hand and Jv by transposing autograd twice; of a network: up to its scores."""
    for name, case in LAYERS.items():
        verdicts = transpose_test(name, layer_map(case)).values()
        found.verdicts += [replace(verdict, note=case.note) for verdict in verdicts]
    for subject in [*plain_subjects(), *model_subjects(models)]:
        found.verdicts += transpose_test(subject.name, scores_map(problem(subject))).values()


def finite_differences(found: Findings, models: Models) -> None:
    """Central differences with steps 1/N against the derivatives of one sample's loss, after training."""
    for activation, smooth in (("tanh", True), ("relu", False)):
        curve = differences(montreal_map(activation), SECOND)
        name = f"two hidden layers of {activation}, trained"
        found.differences[name] = curve
        found.verdicts += difference_tests(name, f"first {len(curve.gradient)} of W2", curve, smooth)
        if smooth:
            best = int(curve.errors.argmin())
            found.numbers["differences/smallest_error"] = float(curve.errors[best])
            found.numbers["differences/best_count"] = float(curve.counts[best])


def relative_error(found: Findings, models: Models) -> None:
    """max |g - g'| / max(1e-6, |g| + |g'|) of the gradients by hand and by float64 autograd, L2 included.

    Bands: up to 1e-7 good, up to 1e-4 acceptable only with kinks, up to 1e-2 uncomfortable, above wrong.
    """
    for l2 in LAMBDAS:
        name = f"KTH's reduced problem, lambda {l2:g}"
        reduced = relative_error_test(name, kth_map(l2))
        found.verdicts += reduced
        if not l2:
            worst = max(verdict.share for verdict in reduced) * BANDS[0][0]
            found.numbers["relative_error/reduced_problem"] = worst
    for subject in subjects(models):
        found.verdicts += relative_error_test(subject.name, cost_map(problem(subject)))


def initial_loss(found: Findings, models: Models) -> None:
    """The loss before training is ln K."""
    found.verdicts += [initial_loss_test(name, model) for name, model in models.items()]


def movement(found: Findings, models: Models) -> None:
    """One update moves every parameter tensor."""
    found.verdicts += [movement_test(name, model) for name, model in models.items()]


def memorise(found: Findings, models: Models) -> None:
    """100 examples are learnt by heart."""
    for name in MEMORISING:
        outcome = overfit(models[name])
        found.verdicts.append(overfit_test(name, outcome))
        found.losses[name] = [(step, row["train/loss"]) for step, row in outcome.history]


TESTS: dict[str, Callable[[Findings, Models], None]] = {
    "gradient": gradient,
    "jacobian": jacobian,
    "transpose": transpose,
    "differences": finite_differences,
    "relative_error": relative_error,
    "initial_loss": initial_loss,
    "movement": movement,
    "overfit": memorise,
}
