"""Dying ReLU: what counts as dead, the order of the samples, and verdicts from numbers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from labkit.principles.dying_relu import ORDERS, RATES, SAMPLES, SCORES, DeadUnitCourse, clouds, finding, measure


@pytest.fixture(scope="module")
def courses() -> list[DeadUnitCourse]:
    return measure(seeds=3, epochs=1)


def test_every_kind_rate_and_order_is_there_from_the_same_start(courses: list[DeadUnitCourse]) -> None:
    assert len(courses) == len(SCORES) * len(RATES) * len(ORDERS)
    for course in courses:
        assert (course.updates[0], course.updates[-1]) == (0, SAMPLES)
        assert course.hidden.shape == course.accuracy.shape == (len(course.updates), 3)
        assert ((course.hidden >= 0) & (course.hidden <= 1)).all()
        np.testing.assert_array_equal(course.hidden[0], courses[0].hidden[0])
    assert not any(course.output.any() for course in courses if course.scores == "linear")


def test_after_the_negatives_everything_is_called_negative(courses: list[DeadUnitCourse]) -> None:
    """Half the samples are then right, and half again after the positives."""
    course = next(c for c in courses if (c.scores, c.rate, c.order) == ("linear", 0.1, ORDERS[0]))
    half = course.updates.index(SAMPLES // 2)
    np.testing.assert_allclose(course.accuracy[half], 0.5, atol=0.02)


def test_the_samples_are_a_thousand_half_of_them_positive() -> None:
    features, labels = clouds(SAMPLES)
    assert (features.shape, int(labels.sum())) == ((1000, 2), 500)
    assert torch.equal(features, clouds(SAMPLES)[0])


def test_verdicts_follow_the_numbers(courses: list[DeadUnitCourse]) -> None:
    def dead_scores(ordered: float) -> bool:
        """The first verdict where that share of scores is dead with the negatives first, and none shuffled."""
        shares = [np.full_like(c.output, ordered if c.order == ORDERS[0] else 0.0) for c in courses]
        changed = [dataclasses.replace(c, output=share) for c, share in zip(courses, shares, strict=True)]
        return finding(changed).claims[0].holds

    assert dead_scores(0.5)
    assert not dead_scores(0.0)
