"""Means, intervals and paired differences against scipy.stats, then what must hold for any values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from labkit.report.statistics import Paired, Summary, paired, summarise

numbers = st.floats(-1e3, 1e3).map(lambda value: round(value, 6))
samples = st.lists(numbers, min_size=2, max_size=30).filter(lambda values: np.std(values) > 1e-6)


@given(samples)
def test_a_summary_is_what_scipy_says(values):
    found = summarise(values)
    low, high = scipy.stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=scipy.stats.sem(values))
    assert found.n == len(values)
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert found.deviation == pytest.approx(np.std(values, ddof=1))
    assert found.mean - found.half_width == pytest.approx(low, rel=1e-7, abs=1e-7)
    assert found.mean + found.half_width == pytest.approx(high, rel=1e-7, abs=1e-7)


def test_five_seeds_by_hand():
    found = summarise([0.51, 0.52, 0.53, 0.52, 0.52])
    assert found.half_width == pytest.approx(2.776445 * found.deviation / math.sqrt(5), rel=1e-6)


def _spread(pairs):
    """More than rounding: scipy warns of nearly identical differences."""
    gains = np.array([a - b for a, b in pairs])
    return np.ptp(gains) > 1e-6 * np.abs(gains).max()


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=20).filter(_spread))
def test_a_paired_difference_is_what_scipy_says(pairs):
    ours, theirs = (dict(enumerate(column)) for column in zip(*pairs, strict=True))
    found, expected = paired(ours, theirs), scipy.stats.ttest_rel(list(ours.values()), list(theirs.values()))
    interval = expected.confidence_interval(0.95)
    assert found.n == len(pairs)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    assert found.difference - found.half_width == pytest.approx(interval.low, rel=1e-6, abs=1e-6)
    assert found.difference + found.half_width == pytest.approx(interval.high, rel=1e-6, abs=1e-6)


def test_only_common_seeds_are_compared_whatever_their_order():
    found = paired({"2": 0.6, "9": 0.1, "1": 0.4}, {"1": 0.3, "2": 0.4, "7": 0.9})
    assert (found.n, found.difference) == (2, pytest.approx(0.15))


@pytest.mark.parametrize("values", [[], [0.5]])
def test_too_few_values_have_no_spread(values):
    found = summarise(values)
    assert (found.n, found.deviation, found.half_width) == (len(values), None, None)
    assert found.mean == 0.5 if values else math.isnan(found.mean)


def test_too_few_pairs_have_no_interval():
    assert paired({1: 0.5}, {1: 0.25}) == Paired(1, 0.25, None, None)
    assert paired({1: 0.5}, {2: 0.25}) == Paired(0, None, None, None)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_diverged_is_not_averaged_away(bad):
    found = summarise([0.5, bad, 0.7])
    assert math.isnan(found.mean)
    assert (found.n, found.deviation, found.half_width) == (3, None, None)
    assert paired({1: 0.5, 2: bad}, {1: 0.4, 2: 0.4}) == Paired(2, None, None, None)


def test_equal_and_evenly_shifted_values():
    assert summarise([0.5, 0.5, 0.5]) == Summary(3, 0.5, 0.0, 0.0)
    assert paired({1: 0.5, 2: 0.7}, {1: 0.5, 2: 0.7}) == Paired(2, 0.0, 0.0, 1.0)
    assert paired({1: 0.75, 2: 1.0}, {1: 0.5, 2: 0.75}) == Paired(2, 0.25, 0.0, 0.0)


@given(samples, st.floats(0.1, 10))
def test_a_difference_changes_sign_with_its_sides_and_scales_with_its_unit(values, scale):
    ours, theirs = dict(enumerate(values)), dict(enumerate(values[::-1]))
    there, back = paired(ours, theirs), paired(theirs, ours)
    assert there.difference == pytest.approx(-back.difference, abs=1e-12)
    assert there.p_value == pytest.approx(back.p_value)
    assert summarise(v * scale for v in values).half_width == pytest.approx(scale * summarise(values).half_width)
