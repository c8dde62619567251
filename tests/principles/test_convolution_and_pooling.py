"""Convolution arithmetic against counting by hand, pooling against torch, and images that are distorted as said."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from labkit.preprocess.prepare import Part
from labkit.principles import convolution_arithmetic, pooling_arithmetic, pooling_robustness
from labkit.principles.training import network


def test_all_claims_of_the_two_exact_principles_hold() -> None:
    for principle in (convolution_arithmetic, pooling_arithmetic):
        result = principle.finding(principle.measure())
        assert all(claim.holds for claim in result.claims)
        for table in result.tables:
            assert {len(row) for row in table.rows} == {len(table.columns)}


@pytest.mark.parametrize("zeros", [0, 3, 7])
def test_contributions_are_what_counting_patches_gives(zeros: int) -> None:
    side, kernel = convolution_arithmetic.SIDE, convolution_arithmetic.KERNEL
    counts = np.zeros((side, side))
    outputs = side + 2 * zeros - kernel + 1
    for row in range(-zeros, outputs - zeros):
        for column in range(-zeros, outputs - zeros):
            counts[max(row, 0) : row + kernel, max(column, 0) : column + kernel] += 1
    found = convolution_arithmetic.measure_padding(zeros)
    np.testing.assert_array_equal(found.contributions, counts)
    assert (found.side, found.multiply_adds) == (outputs, outputs**2 * kernel**2)
    assert found.wasted_share == pytest.approx(1 - counts.sum() / found.multiply_adds)


def test_pooling_is_torch_s() -> None:
    record = pooling_arithmetic.measure()
    images = record.images.unsqueeze(1)
    assert record.images.sum((1, 2)).tolist() == [9.0] * 4
    torch.testing.assert_close(record.average, functional.avg_pool2d(images, 2)[:, 0])
    torch.testing.assert_close(record.maximum, functional.max_pool2d(images, 2)[:, 0])
    assert pooling_arithmetic.matrix_text(record.average[0]) == "   1   0.5\n 0.5  0.25"


def test_a_shift_moves_every_image_and_loses_no_ink() -> None:
    validation = pooling_robustness.images().validation
    whole = validation.features
    assert pooling_robustness.shifted_parts(validation, 0)[0] is validation
    moved = pooling_robustness.shifted_parts(validation, 3)
    assert len(moved) == 8
    torch.testing.assert_close(moved[1].features[:, :, :-3], whole[:, :, 3:])  # up
    for part in moved:
        assert part.features.shape == whole.shape
        torch.testing.assert_close(part.features.sum((1, 2, 3)), whole.sum((1, 2, 3)))


def test_missing_pixels_are_zeros_in_about_that_share() -> None:
    part = Part(torch.ones(50, 1, 16, 16), torch.zeros(50, dtype=torch.int64))
    lacking = pooling_robustness.without_pixels(part, 0.2).features
    assert set(lacking.unique().tolist()) == {0.0, 1.0}
    assert float((lacking == 0).float().mean()) == pytest.approx(0.2, abs=0.02)


def test_the_networks_have_nearly_one_number_of_parameters() -> None:
    counts = [
        network(entries, (1, 16, 16), classes=10).parameter_count for entries in pooling_robustness.networks().values()
    ]
    assert max(counts) / min(counts) < 1.01


def test_verdicts_on_distorted_images_follow_the_numbers() -> None:
    def result(name: str, near: float, lacking: float) -> pooling_robustness.Robustness:
        seeds = [0.0, 0.01, 0.02]
        shifted = [[level + s for s in seeds] for level in (0.9, near, 0.2, 0.1)]
        missing = [[0.9 + s for s in seeds], *[[lacking + s for s in seeds]] * 3]
        return pooling_robustness.Robustness(name, 1, 1, shifted, missing)

    def verdicts(gain: float, help_: float) -> list[bool]:
        pooled = [result(name, 0.5 + gain, 0.5 + help_) for name in ("max pooling", "average pooling")]
        rows = [*pooled, result("strides", 0.5, 0.5), result("no halving", 0.5, 0.5)]
        return [claim.holds for claim in pooling_robustness.finding(rows).claims]

    assert verdicts(0.1, 0.0) == [True] * 4
    assert verdicts(-0.1, 0.1) == [True, False, True, False]
