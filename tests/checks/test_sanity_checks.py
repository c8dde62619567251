"""The sanity checks pass on what is shipped, and fail on networks that cannot start, move or learn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from labkit.checks import sanity
from labkit.checks.data import small_parts
from labkit.checks.lab_problems import KTH, kth_map, montreal_map
from labkit.checks.sanity import initial_loss_test, movement_test, overfit, overfit_test, without_gradient
from labkit.engine import evaluate, step
from labkit.models.network import Model
from labkit.nn.linear import Linear
from labkit.optim.rules import sgd
from labkit.tasks.check import shipped_models

MODELS = shipped_models()


@pytest.mark.parametrize("name", MODELS)
def test_every_model_starts_at_chance_and_moves(name: str) -> None:
    assert initial_loss_test(name, MODELS[name]).passed
    assert movement_test(name, MODELS[name]).passed


def test_a_loss_that_is_no_mean_does_not_start_at_ln_k(monkeypatch: pytest.MonkeyPatch) -> None:
    right = evaluate.cross_entropy
    monkeypatch.setattr(evaluate, "cross_entropy", lambda s, y, clip: (right(s, y, clip)[0] * y.shape[1], None))
    assert not initial_loss_test("mlp", MODELS["mlp"]).passed


def test_a_parameter_that_stands_still_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Linear.backward

    def forgetful(self: Linear, dy: Any, saved: Any, parameters: Any, gradients: Any, need_dx: bool) -> Any:
        dx = right(self, dy, saved, parameters, gradients, need_dx)
        gradients[1].zero_()
        return dx

    monkeypatch.setattr(Linear, "backward", forgetful)
    verdict = movement_test("mlp", MODELS["mlp"])
    assert not verdict.passed
    assert "linear_1.bias, linear_2.bias, linear_3.bias" in verdict.measured
    assert verdict.brief == "3 of 6"


def test_only_biases_right_before_a_batch_norm_are_excused() -> None:
    parts = small_parts(MODELS["audio_cnn"])
    with_norm = sanity.recipe_for(MODELS["audio_cnn"], parts, sanity.trainer(9, steps=1), sgd(lr=1.0), sanity.he())
    assert without_gradient(with_norm.network) == {"conv1d_1.bias", "conv1d_2.bias", "conv1d_3.bias"}


def test_a_network_that_does_not_learn_does_not_memorise(monkeypatch: pytest.MonkeyPatch) -> None:
    small = Model("relu", [{"linear": {"units": 40}}, {"linear": {"units": "classes"}}], [])
    assert overfit_test("small", overfit(small)).passed
    right = step.cross_entropy_backward
    monkeypatch.setattr(step, "cross_entropy_backward", lambda saved, labels: -right(saved, labels))
    assert not overfit_test("small", overfit(small)).passed


def test_the_reduced_problem_is_the_labs() -> None:
    f = kth_map(0.1)
    shapes = [tuple(value.shape) for value in f.point.values()]
    assert shapes == [(1, KTH["m"], KTH["d"]), (1, KTH["m"]), (1, KTH["K"], KTH["m"]), (1, KTH["K"])]
    assert all(bool((f.point[name] == 0).all()) for name in f.point if name.endswith("bias"))
    penalty = f.value(f.point) - kth_map(0.0).value(f.point)
    squares = sum(float(f.point[name].square().sum()) for name in f.point if name.endswith("weight"))
    assert float(penalty) == pytest.approx(0.1 * squares), "lambda ||W||^2, no biases, no 1/2"


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_one_sample_is_one_that_tells_something(activation: str) -> None:
    f = montreal_map(activation)
    entries = f.pullback(torch.ones(1, dtype=torch.float64))["linear_2.weight"].flatten()[:10]
    assert float(entries.abs().max()) > 1e-3
    assert f.point["linear_2.weight"].shape == (1, 16, 32)


def test_a_verdict_of_nan_has_failed() -> None:
    verdict = movement_test("softmax", MODELS["softmax"])
    assert verdict.passed
    assert not replace(verdict, share=float("nan")).passed
    assert replace(verdict, share=1.0).passed
    assert not replace(verdict, share=1.0001).passed
