"""Numbers as tables write them: a mean and its deviation in one unit, with digits that mean something."""

from __future__ import annotations

import pytest

from labkit.report.cells import brief, count, parameter, spread


@pytest.mark.parametrize(
    ("metric", "mean", "deviation", "written"),
    [
        ("test/accuracy", 0.975, 0.0123, "97.50 ± 1.23"),
        ("test/accuracy", 0.975, 4.5e-5, "97.50 ± 0.005"),  # one image of ten thousand, on one seed of five
        ("test/accuracy", 0.975, 0.0, "97.50 ± 0.00"),
        ("val/loss", 2.0, 0.6, "2.000 ± 0.600"),
        ("val/loss", 0.216, 0.0018, "0.2160 ± 0.0018"),
        ("val/loss", 1.5, 5e-6, "1.500 ± 5e-06"),
        ("val/loss", 1234.0, 2.4, "1234 ± 2"),
        ("val/loss", 1.5e-7, 2.5e-8, "1.5e-07 ± 2.5e-08"),
        ("val/loss", 1.5, None, "1.5"),
        ("val/loss", float("nan"), 1.0, "-"),
    ],
)
def test_a_mean_and_its_deviation(metric: str, mean: float, deviation: float | None, written: str) -> None:
    assert spread(metric, mean, deviation) == written


def test_seeds_that_were_lost_are_told() -> None:
    assert (count(5, 5), count(4, 5)) == ("5", "4 of 5")


@pytest.mark.parametrize("value", ["0.04511934405241331", "0.001", "0.0010000000000000002", "1e-05", "512", "relu"])
def test_a_setting_is_written_as_it_can_be_given_back(value: str) -> None:
    assert parameter(value) == value
    assert brief(value) == (value if len(value) <= 8 else f"{float(value):.4g}")
