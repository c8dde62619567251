"""Zero against random weights: the exact zeros, on a short run."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from labkit.principles.initialisation import TrainingCourse, finding, measure, unit_spread


@pytest.fixture(scope="module")
def courses() -> list[TrainingCourse]:
    return measure({"relu": 40, "sigmoid": 10})


def test_from_zero_a_relu_network_moves_its_output_bias_and_nothing_else(courses: list[TrainingCourse]) -> None:
    course = courses[0]
    assert course.name == "relu, zero"
    assert [name for name, change in course.moved.items() if change] == ["linear_3.bias"]
    assert [layer for layer, norm in course.first_gradients.items() if norm] == ["linear_3"]
    assert set(course.spread) == {0.0}


def test_from_zero_a_sigmoid_network_moves_and_its_units_stay_equal(courses: list[TrainingCourse]) -> None:
    course = next(course for course in courses if course.name == "sigmoid, zero")
    assert all(course.moved.values())
    assert set(course.spread) == {0.0}


def test_the_claims_on_exact_zeros_hold_on_a_short_run_and_the_slow_one_does_not(courses: list[TrainingCourse]) -> None:
    verdicts = {claim.sentence: claim.holds for claim in finding(courses).claims}
    assert [sentence for sentence, holds in verdicts.items() if not holds] == [list(verdicts)[-1]]


def test_a_claim_is_false_when_its_numbers_are(courses: list[TrainingCourse]) -> None:
    moved = {**courses[0].moved, "linear_1.weight": 1e-9}
    spread = [*courses[4].spread[:-1], 1e-7]
    wrong = [
        dataclasses.replace(courses[0], moved=moved),
        *courses[1:4],
        dataclasses.replace(courses[4], spread=spread),
    ]
    false = [claim.sentence for claim in finding([*wrong, *courses[5:]]).claims if not claim.holds]
    assert len(false) == 3


def test_the_spread_is_the_largest_difference_of_two_units() -> None:
    weight = torch.tensor([[[1.0, 5.0], [2.0, 5.0], [1.5, 5.0]]])
    bias = torch.tensor([[0.0, 3.0, 1.0]])
    assert unit_spread([weight]).tolist() == [1.0]
    assert unit_spread([weight, bias]).tolist() == [3.0]
