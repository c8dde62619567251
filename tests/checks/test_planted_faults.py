"""Every fault in every layer, in the loss, in L2 and in the skips is caught; the matrix says by which tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from labkit.checks.layers import LAYERS, layer_map
from labkit.checks.maps import ALL, Map
from labkit.checks.network_maps import cost_map, problem, scores_map
from labkit.checks.networks import Subject, lab_subjects, layer_subjects
from labkit.checks.relative_error import relative_error_test
from labkit.checks.taylor import taylor_test
from labkit.checks.transpose import transpose_test
from labkit.engine import step
from labkit.models.network import Network
from tests.checks.planted_faults import FAULTS, Planted, not_applicable

SUBJECTS = {subject.name: subject for subject in [*layer_subjects(), *lab_subjects()]}
LETTERS = {"gradient": "G", "jacobian": "J", "transpose": "T", "relative_error": "R"}


def taylor(test: str, name: str, f: Map) -> set[str]:
    """The name of the Taylor test, if it fails in all variables jointly: one of the lines that the command has."""
    joint = replace(f, groups=dict.fromkeys(f.point, ALL))
    return {v.test for v, _ in taylor_test(test, name, joint).values() if not v.passed}


def caught_in_layer(name: str) -> set[str]:
    """The tests of a layer by itself that fail."""
    f = layer_map(LAYERS[name])
    return taylor("jacobian", name, f) | {v.test for v in transpose_test(name, f).values() if not v.passed}


def caught_in_network(subject: Subject) -> set[str]:
    """The tests of a network's loss that fail."""
    f = cost_map(problem(subject))
    return taylor("gradient", subject.name, f) | {v.test for v in relative_error_test(subject.name, f) if not v.passed}


def cell(name: str, fault: str) -> str:
    """The letters of the tests that caught the fault, or why it is none."""
    case = LAYERS[name]
    if reason := not_applicable(fault, case):
        return f"({reason})"
    with pytest.MonkeyPatch.context() as patch:
        Planted(FAULTS[fault], type(case.layer))(patch)
        caught = caught_in_layer(name)
        if name in SUBJECTS:
            caught |= caught_in_network(SUBJECTS[name])
    return "".join(letter for test, letter in LETTERS.items() if test in caught)


def test_the_right_backward_passes_of_all_layers_are_not_suspected() -> None:
    for name in LAYERS:
        assert not caught_in_layer(name), name
        if name in SUBJECTS:
            assert not caught_in_network(SUBJECTS[name]), name


def test_every_fault_in_every_layer_is_caught() -> None:
    matrix = {name: {fault: cell(name, fault) for fault in FAULTS} for name in LAYERS}
    width = max(map(len, LAYERS))
    print("", " " * width + "".join(f"  {fault:>20}" for fault in FAULTS), sep="\n")
    for name, row in matrix.items():
        print(f"{name:<{width}}" + "".join(f"  {text:>20}" for text in row.values()))
    missed = [(name, fault) for name, row in matrix.items() for fault, text in row.items() if not text]
    assert not missed
    for name, row in matrix.items():  # what changes a number is seen by every test that looks at the layer
        letters = "GJTR" if name in SUBJECTS else "JT"
        assert {text for text in row.values() if not text.startswith("(")} == {letters}, name


def test_every_fault_is_planted_somewhere() -> None:
    for fault in FAULTS:
        assert any(not not_applicable(fault, case) for case in LAYERS.values()), fault


right_loss = step.cross_entropy_backward
right_decay = step.decay_gradient


def wrong_loss(change: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda saved, labels: change(right_loss(saved, labels))


def forgotten_label(saved: tuple[Tensor, Tensor], labels: Tensor) -> Tensor:
    exponentials, sums = saved
    return exponentials / sums / exponentials.shape[1]


def wrong_decay(factor: float) -> Callable[..., None]:
    return lambda theta, gradient, decay: right_decay(theta, gradient, factor * decay)


LOSS_FAULTS = {
    "wrong sign": wrong_loss(lambda g: -g),
    "sum for mean": wrong_loss(lambda g: g * g.shape[1]),
    "forgotten label": forgotten_label,
    "samples shifted by one": wrong_loss(lambda g: torch.stack([g[:, i - 1] for i in range(g.shape[1])], 1)),
}
L2_FAULTS = {
    "wrong sign": wrong_decay(-1.0),
    "missing factor 2": wrong_decay(0.5),
    "forgotten": lambda theta, gradient, decay: None,
    "on biases too": lambda theta, gradient, decay: right_decay(theta, gradient, torch.full_like(decay, 0.2)),
}


@pytest.mark.parametrize("name", [subject.name for subject in lab_subjects()])
@pytest.mark.parametrize("fault", LOSS_FAULTS)
def test_a_fault_in_the_loss_is_caught(name: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "cross_entropy_backward", LOSS_FAULTS[fault])
    assert caught_in_network(SUBJECTS[name]) == {"gradient", "relative_error"}


@pytest.mark.parametrize("name", [name for name, subject in SUBJECTS.items() if subject.l2])
@pytest.mark.parametrize("fault", L2_FAULTS)
def test_a_fault_in_the_l2_gradient_is_caught(name: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "decay_gradient", L2_FAULTS[fault])
    assert caught_in_network(SUBJECTS[name]) == {"gradient", "relative_error"}


def test_l2_faults_need_a_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "decay_gradient", L2_FAULTS["forgotten"])
    assert not caught_in_network(SUBJECTS["softmax loss"])


def test_a_forgotten_skip_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Network.backward

    def forgetful(self: Network, *args: object) -> None:
        sources, self._sources = self._sources, set()
        right(self, *args)  # type: ignore[arg-type]
        self._sources = sources

    monkeypatch.setattr(Network, "backward", forgetful)
    residual = SUBJECTS["residual network, 3 blocks"]
    assert caught_in_network(residual) == {"gradient", "relative_error"}
    assert not all(v.passed for v in transpose_test(residual.name, scores_map(problem(residual))).values())
    assert not caught_in_network(SUBJECTS["standard network, 4 layers"])
