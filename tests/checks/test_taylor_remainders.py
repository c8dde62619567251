"""Taylor remainders of functions whose derivatives are known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from labkit.checks.maps import Map, unit_direction
from labkit.checks.taylor import HALVINGS, Remainders, taylor_test

X = torch.linspace(0.3, 2.0, 6, dtype=torch.float64)


def scalar(value: Callable[[Tensor], Tensor], gradient: Callable[[Tensor], Tensor], at: Tensor = X) -> Map:
    return Map(
        {"x": at},
        {"x": "x"},
        lambda v: value(v["x"]).view(1),
        lambda u: {"x": u * gradient(at)},
        lambda v: [],
    )


def outcome(f: Map) -> tuple[bool, Remainders]:
    verdict, curve = taylor_test("gradient", "f", f)["x"]
    return verdict.passed, curve


def test_a_right_gradient_has_slopes_1_and_2() -> None:
    passed, curve = outcome(scalar(lambda x: x.sin().sum(), lambda x: x.cos()))
    assert passed
    assert curve.slopes == pytest.approx((1, 2), abs=0.01)
    assert curve.ratios == pytest.approx((0.5, 0.25), abs=0.01)
    assert curve.middle.sum() in (3, 4)
    assert len(curve.steps) == HALVINGS + 1


@pytest.mark.parametrize("factor", [-1.0, 0.0, 0.5, 0.999, 1.001, 2.0, math.nan])
def test_a_wrong_gradient_has_not(factor: float) -> None:
    passed, curve = outcome(scalar(lambda x: x.sin().sum(), lambda x: factor * x.cos()))
    assert not passed
    if factor in (-1.0, 0.5, 2.0):
        assert curve.slopes[1] == pytest.approx(1, abs=0.05)


def test_a_linear_function_leaves_rounding_only() -> None:
    weights = torch.arange(6, dtype=torch.float64) - 2.2
    passed, curve = outcome(scalar(lambda x: (weights * x).sum(), lambda x: weights))
    assert passed
    assert curve.linear
    passed, curve = outcome(scalar(lambda x: (weights * x).sum(), lambda x: weights.flip(0)))
    assert not passed
    assert not curve.linear


def test_a_variable_without_influence_tests_nothing_and_fails() -> None:
    passed, _ = outcome(scalar(lambda x: torch.ones(1, dtype=torch.float64), torch.zeros_like))
    assert not passed


def kinked(at: Tensor) -> Map:
    """`sum |x|`, whose pieces are the signs."""
    f = scalar(lambda x: x.abs().sum(), lambda x: torch.where(x > 0, 1.0, -1.0).double(), at)
    return Map(f.point, f.groups, f.value, f.pullback, lambda v: [v["x"] > 0])


def test_steps_shrink_until_they_cross_no_kink() -> None:
    near = X.clone()
    near[2] = -1e-4
    passed, curve = outcome(kinked(near))
    assert passed
    towards = max(float(unit_direction({"x": near}, ("x",), seed)["x"][2]) for seed in range(3))  # the kink
    assert curve.steps[0] * towards < 1e-4 <= 2 * curve.steps[0] * towards
    blind = kinked(near)
    passed, _ = outcome(Map(blind.point, blind.groups, blind.value, blind.pullback, lambda v: []))
    assert not passed, "without pieces the kink is crossed, and seen"


def test_a_point_on_a_kink_is_refused() -> None:
    on = X.clone()
    on[2] = 0
    with pytest.raises(AssertionError, match="kink"):
        outcome(kinked(on))


def test_a_vector_function_is_tested_with_its_whole_jacobian() -> None:
    matrix = torch.randn(3, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def f(transposed: Callable[[Tensor], Tensor]) -> Map:
        return Map({"x": X}, {"x": "x"}, lambda v: matrix @ v["x"].exp(), lambda u: {"x": transposed(u)}, lambda v: [])

    assert outcome(f(lambda u: (matrix.T @ u) * X.exp()))[0]
    assert not outcome(f(lambda u: matrix.T @ u))[0]


def test_groups_are_tested_separately_and_jointly() -> None:
    point = {"a": X, "b": X.flip(0)}
    f = Map(
        point,
        {"a": "W", "b": "b"},
        lambda v: (v["a"].sin() * v["b"].exp()).sum().view(1),
        lambda u: {"a": X.cos() * X.flip(0).exp(), "b": torch.zeros(6, dtype=torch.float64)},
        lambda v: [],
    )
    verdicts = {group: verdict.passed for group, (verdict, _) in taylor_test("gradient", "f", f).items()}
    assert verdicts == {"W": True, "b": False, "all": False}


def test_middle_decade_lies_between_the_first_step_and_rounding() -> None:
    steps = 0.1 * 0.5 ** np.arange(19)
    curve = Remainders(steps, steps, np.maximum(steps**2, 1e-16), 1.0)
    fitted = steps[curve.middle]
    assert fitted.max() / fitted.min() <= 10
    centre = math.sqrt(0.1 * steps[steps**2 > 2.3e-14][-1])
    assert fitted.min() < centre < fitted.max()
