"""Relative errors, finite differences and the transpose test on functions whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from labkit.checks.differences import COUNTS, central_differences, difference_tests, differences
from labkit.checks.layers import LAYERS, layer_map
from labkit.checks.maps import Map
from labkit.checks.relative_error import band, relative_error
from labkit.checks.transpose import push, transpose_test


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


# --- relative error (KTH): |g - g'| / max(1e-6, |g| + |g'|)


@pytest.mark.parametrize(
    ("one", "other", "error"),
    [
        (tensor(1.0, 0.0), tensor(1.0, 0.0), 0.0),
        (tensor(1.0), tensor(-1.0), 1.0),
        (tensor(3.0), tensor(1.0), 0.5),
        (tensor(0.0), tensor(1e-7), 0.1),  # the floor of 1e-6
        (tensor(1.0, math.nan), tensor(1.0, 1.0), math.nan),
    ],
)
def test_relative_error_by_hand(one: Tensor, other: Tensor, error: float) -> None:
    assert relative_error(one, other) == pytest.approx(error, nan_ok=True)


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (0.0, "good"),
        (1e-7, "good"),
        (1.1e-7, "acceptable only with kinks"),
        (1e-3, "uncomfortable"),
        (0.02, "wrong"),
        (math.nan, "wrong"),
    ],
)
def test_bands(error: float, name: str) -> None:
    assert band(error) == name


# --- finite differences (Montreal)


def cubic(gradient: Tensor | None = None) -> Map:
    """`sum(theta^3)` of 4 x 3 numbers; the difference of a cube is off by exactly the squared step."""
    theta = torch.arange(1, 13, dtype=torch.float64).view(4, 3) / 10
    right = 3 * theta**2
    return Map(
        {"theta": theta},
        {"theta": "W"},
        lambda v: (v["theta"] ** 3).sum().view(1),
        lambda u: {"theta": right if gradient is None else gradient},
        lambda v: [],
    )


def test_the_counts_are_those_of_the_lab() -> None:
    assert COUNTS == (1, 5, 10, 50, 100, 500, 1000, 5000, 10_000, 50_000, 100_000, 500_000)


@pytest.mark.parametrize("count", [1, 10, 100])
def test_the_first_ten_entries_row_major(count: int) -> None:
    f = cubic()
    before = f.point["theta"].clone()
    found = central_differences(f, "theta", count)
    assert found == pytest.approx(3 * before.flatten()[:10].numpy() ** 2 + 1 / count**2, rel=1e-9)
    assert torch.equal(f.point["theta"], before), "restored, or never touched"


def test_the_error_falls_as_the_square_until_rounding() -> None:
    found = differences(cubic(), "theta")
    assert found.slope == pytest.approx(-2, abs=0.01)
    assert found.errors[0] == pytest.approx(1.0)
    assert found.errors.argmin() not in (0, len(COUNTS) - 1), "rounding brings it up again"
    assert all(verdict.passed for verdict in difference_tests("f", "theta", found, smooth=True))


def test_a_wrong_entry_is_found_and_a_wrong_eleventh_is_not_looked_at() -> None:
    theta = cubic().point["theta"]
    for entry, expected in ((9, False), (10, True)):
        wrong = 3 * theta**2
        wrong.view(-1)[entry] += 1e-4
        verdicts = difference_tests("f", "theta", differences(cubic(wrong), "theta"), smooth=True)
        assert all(verdict.passed for verdict in verdicts) == expected


def test_a_gradient_of_dead_units_is_no_proof() -> None:
    flat = cubic()
    dead = Map(flat.point, flat.groups, lambda v: torch.zeros(1).double(), flat.pullback, flat.pieces)
    dead = Map(dead.point, dead.groups, dead.value, lambda u: {"theta": torch.zeros(4, 3).double()}, dead.pieces)
    (verdict,) = difference_tests("f", "theta", differences(dead, "theta"), smooth=False)
    assert not verdict.passed
    assert "10 of 10 entries exactly 0" in verdict.note


# --- the transpose test


def test_jv_is_the_directional_derivative() -> None:
    f = layer_map(LAYERS["rnn"])
    direction = {name: torch.ones_like(value) for name, value in f.point.items()}
    step = 1e-5
    ends = [f.value({n: v + sign * step * direction[n] for n, v in f.point.items()}) for sign in (1, -1)]
    torch.testing.assert_close(push(f, direction), (ends[0] - ends[1]) / (2 * step), rtol=1e-8, atol=1e-8)


def test_jv_knows_nothing_of_the_backward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    f = layer_map(LAYERS["linear"])
    blind = Map(f.point, f.groups, f.value, lambda u: pytest.fail("asked"), f.pieces)
    assert push(blind, {"x": f.point["x"]}).shape == (1, 4, 4)


def test_an_error_of_a_billionth_is_seen() -> None:
    f = layer_map(LAYERS["tanh"])
    off = Map(f.point, f.groups, f.value, lambda u: {n: g * (1 + 1e-9) for n, g in f.pullback(u).items()}, f.pieces)
    assert not transpose_test("tanh", off)["x"].passed
    assert transpose_test("tanh", f)["x"].passed
    nan = Map(f.point, f.groups, f.value, lambda u: {"x": f.point["x"] * np.nan}, f.pieces)
    assert not transpose_test("tanh", nan)["x"].passed
