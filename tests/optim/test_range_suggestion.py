"""What a range test suggests on curves whose shape is known."""

from __future__ import annotations

import numpy as np
import pytest

from labkit.optim.range_test import suggest

LR = np.geomspace(1e-5, 10, 400)


def valley(low: float, high: float) -> np.ndarray:
    """Flat at 2.3 up to `low`, falling to 0.5 at `high`, rising after."""
    x = np.log(LR)
    fall = np.clip((x - np.log(low)) / (np.log(high) - np.log(low)), 0, 1)
    rise = np.clip(x - np.log(high), 0, None)
    return 2.3 - 1.8 * fall + rise


@pytest.mark.parametrize(("low", "high"), [(1e-3, 1e-1), (1e-4, 1.0), (1e-2, 0.5)])
def test_from_the_start_of_the_fall_to_its_end(low: float, high: float) -> None:
    for noise in (0.0, 0.02):
        loss = valley(low, high) + noise * np.random.default_rng(0).standard_normal(len(LR))
        found_low, found_high = suggest(LR, loss)
        assert low <= found_low <= 3 * low  # a tenth of the fall is behind
        assert found_high == pytest.approx(high, rel=0.5)


def test_a_tail_that_is_not_finite_is_left_out() -> None:
    loss = valley(1e-3, 1e-1)
    expected = suggest(LR[:350], loss[:350])
    loss[350:] = np.nan
    loss[360] = np.inf
    assert suggest(LR, loss) == expected


def test_a_loss_that_only_rises_suggests_the_lowest_rate() -> None:
    low, high = suggest(LR, np.linspace(1, 2, len(LR)))
    assert low == high == LR[0]


@pytest.mark.parametrize("finite", [0, 1])
def test_nothing_to_go_by(finite: int) -> None:
    loss = np.full(len(LR), np.nan)
    loss[:finite] = 1.0
    assert suggest(LR, loss) == (LR[0], LR[0])
