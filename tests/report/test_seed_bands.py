"""Means and ranges of learning curves over seeds, against numpy, and seeds that end at different updates."""

from __future__ import annotations

import math

import numpy as np
import pytest

from labkit.report.seed_bands import Band, band, caption, mean_history

STEPS = [0, 10, 20, 30]
VALUES = np.random.default_rng(0).normal(size=(5, 4))
SEEDS = [{"val/loss": list(zip(STEPS, row.tolist(), strict=True))} for row in VALUES]


def test_mean_and_range_are_numpys():
    found = band(SEEDS, "val/loss")
    assert (found.n, found.steps, found.broken) == (5, tuple(STEPS), False)
    assert found.mean == pytest.approx(VALUES.mean(0))
    assert found.low == pytest.approx(VALUES.min(0))
    assert found.high == pytest.approx(VALUES.max(0))
    assert mean_history({"val/loss": found})[1] == (10, {"val/loss": pytest.approx(VALUES[:, 1].mean())})


def test_one_seed_is_its_own_mean():
    found = band(SEEDS[:1], "val/loss")
    assert found.mean == found.low == found.high == pytest.approx(VALUES[0])


def test_a_seed_that_ended_early_ends_the_band():
    early = {"val/loss": [*SEEDS[0]["val/loss"][:2], (17, 1.0)]}
    found = band([early, *SEEDS[1:]], "val/loss")
    assert found.steps == (0, 10)
    assert found.mean == pytest.approx(VALUES[:, :2].mean(0))
    assert caption([[early, *SEEDS[1:]]]) == (
        "mean of n = 5 seeds, band from the lowest to the highest seed; "
        "seeds ended after 17 to 30 updates, and a curve ends with the first of its seeds"
    )


def test_a_seed_that_stops_being_finite_ends_the_band_and_is_told():
    broken = {"val/loss": [(0, 1.0), (10, 2.0), (20, math.nan), (30, math.inf)]}
    found = band([SEEDS[0], broken], "val/loss")
    assert (found.steps, found.broken) == ((0, 10), True)


def test_a_metric_that_no_seed_has():
    assert band(SEEDS, "train/loss") == Band(0)
    assert band([], "val/loss") == Band(0)


def test_captions_say_how_many_seeds():
    assert caption([SEEDS, SEEDS[:3]]) == "mean of n = 3 to 5 seeds, band from the lowest to the highest seed"
    assert caption([SEEDS[:1], SEEDS[1:2]]) == caption([]) == ""
