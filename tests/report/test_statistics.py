"""Means, intervals and paired differences against scipy.stats, then what must hold for any values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from labkit.report.statistics import Paired, Summary, paired_difference, summarise

numbers = st.floats(-1e3, 1e3).map(lambda value: round(value, 6))
samples = st.lists(numbers, min_size=3, max_size=30).filter(lambda values: np.std(values) > 1e-6)


@given(samples)
def test_a_summary_is_what_scipy_says(values):
    found = summarise(values)
    low, high = scipy.stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=scipy.stats.sem(values))
    assert found.n == len(values)
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert found.deviation == pytest.approx(np.std(values, ddof=1))
    assert found.interval == pytest.approx((low, high), rel=1e-7, abs=1e-7)


def test_five_seeds_by_hand():
    found = summarise([0.51, 0.52, 0.53, 0.52, 0.52])
    half = 2.776445 * found.deviation / math.sqrt(5)
    assert found.interval == pytest.approx((found.mean - half, found.mean + half), rel=1e-6)


def _spread(pairs):
    """More than rounding: scipy warns of nearly identical differences."""
    gains = np.array([a - b for a, b in pairs])
    return np.ptp(gains) > 1e-6 * np.abs(gains).max()


@given(st.lists(st.tuples(numbers, numbers), min_size=3, max_size=20).filter(_spread))
def test_a_paired_difference_is_what_scipy_says(pairs):
    ours, theirs = (dict(enumerate(column)) for column in zip(*pairs, strict=True))
    found, expected = paired_difference(ours, theirs), scipy.stats.ttest_rel(list(ours.values()), list(theirs.values()))
    interval = expected.confidence_interval(0.95)
    assert found.n == len(pairs)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    assert found.interval == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-6)


def test_only_common_seeds_are_compared_whatever_their_order():
    found = paired_difference({"2": 0.6, "9": 0.1, "1": 0.4}, {"1": 0.3, "2": 0.4, "7": 0.9})
    assert (found.n, found.difference) == (2, pytest.approx(0.15))


@pytest.mark.parametrize("values", [[], [0.5]])
def test_too_few_values_have_no_spread(values):
    found = summarise(values)
    assert (found.n, found.deviation, found.interval) == (len(values), None, None)
    assert found.mean == 0.5 if values else math.isnan(found.mean)


def test_two_values_have_a_deviation_and_no_interval():
    assert summarise([0.25, 0.75]) == Summary(2, 0.5, pytest.approx(math.sqrt(0.125)), None)


def test_too_few_pairs_have_no_interval():
    assert paired_difference({1: 0.5}, {1: 0.25}) == Paired(1, 0.25, None, None)
    assert paired_difference({1: 0.5, 2: 0.75}, {1: 0.25, 2: 0.25}) == Paired(2, 0.375, None, None)
    assert paired_difference({1: 0.5}, {2: 0.25}) == Paired(0, None, None, None)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_diverged_is_not_averaged_away(bad):
    found = summarise([0.5, bad, 0.7])
    assert math.isnan(found.mean)
    assert (found.n, found.deviation, found.interval) == (3, None, None)
    assert paired_difference({1: 0.5, 2: bad}, {1: 0.4, 2: 0.4}) == Paired(2, None, None, None)


def test_equal_and_evenly_shifted_values_have_no_interval():
    assert summarise([0.5, 0.5, 0.5]) == Summary(3, 0.5, 0.0, None)
    assert summarise([1.0, 1.0, 1.0], "share") == Summary(3, 1.0, 0.0, None)
    same, shifted = {1: 0.5, 2: 0.7, 3: 0.1}, {1: 0.6, 2: 0.8, 3: 0.2}
    assert paired_difference(same, same) == Paired(3, 0.0, None, None)
    assert paired_difference(shifted, same) == Paired(3, pytest.approx(0.1), None, None)  # rounding is no spread


@pytest.mark.parametrize(("more", "told"), [([1, 1, 1], False), ([1, 1, 2], False), ([1, 2, 3], True)])
def test_differences_within_one_sample_of_each_other_have_neither_interval_nor_p_value(more, told):
    """70 validation samples: one of them is 1.43 points, and moves by rounding of the shares."""
    before = dict(enumerate([61, 63, 64]))
    ours = {seed: (count + more[seed]) / 70 for seed, count in before.items()}
    found = paired_difference(ours, {seed: count / 70 for seed, count in before.items()}, "share", 1 / 70)
    assert found.difference == pytest.approx(sum(more) / 210)
    assert (found.interval is not None, found.p_value is not None) == (told, told)


def test_values_within_one_sample_of_each_other_have_no_interval():
    assert summarise([66 / 70, 67 / 70, 66 / 70], "share", 1 / 70).interval is None
    assert summarise([66 / 70, 68 / 70, 66 / 70], "share", 1 / 70).interval is not None
    assert summarise([0.25, 0.5, 0.25]).interval is not None  # of unknown resolution


shares = st.lists(st.integers(0, 70).map(lambda count: count / 70), min_size=3, max_size=12).filter(
    lambda values: np.ptp(values) > 0
)


@given(shares)
def test_the_interval_of_a_share_is_scipys_on_the_logit_scale(values):
    mean = np.mean(values)
    slope = 1 / (mean * (1 - mean))  # of the logit
    middle, size = scipy.special.logit(mean), scipy.stats.sem(values) * slope
    expected = scipy.special.expit(scipy.stats.t.interval(0.95, len(values) - 1, loc=middle, scale=size))
    low, high = summarise(values, "share").interval
    assert (low, high) == pytest.approx(tuple(expected), rel=1e-6)
    assert 0 <= low < mean < high <= 1
    assert summarise([1 - value for value in values], "share").interval == pytest.approx((1 - high, 1 - low), abs=1e-9)


@given(samples.map(lambda values: [abs(value) for value in values]).filter(lambda values: np.std(values) > 1e-6))
def test_the_interval_of_what_is_never_negative_is_scipys_on_the_log_scale(values):
    mean = np.mean(values)
    ends = scipy.stats.t.interval(0.95, len(values) - 1, loc=np.log(mean), scale=scipy.stats.sem(values) / mean)
    low, high = summarise(values, "positive").interval
    assert (low, high) == pytest.approx(tuple(np.exp(ends)), rel=1e-6)
    assert 0 <= low < mean < high


def test_values_that_contradict_their_scale_are_taken_as_any_numbers():
    """Somebody's own loss may be negative."""
    assert summarise([-1.0, 0.5, 1.5], "positive") == summarise([-1.0, 0.5, 1.5])
    assert summarise([0.5, 0.7, 1.5], "share") == summarise([0.5, 0.7, 1.5])


def test_differences_of_shares_end_where_no_difference_can_be():
    ours, theirs = {1: 0.95, 2: 1.0, 3: 0.9}, {1: 0.1, 2: 0.1, 3: 0.7}
    free, bounded = paired_difference(ours, theirs), paired_difference(ours, theirs, "share")
    assert free.interval[1] > 1
    assert bounded == Paired(3, free.difference, (free.interval[0], 1.0), free.p_value)


@pytest.mark.parametrize(("middle", "spread", "size"), [(0.0, 0.2, 100), (3.0, 0.5, 1000), (5.0, 0.5, 1000)])
@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_interval_of_a_share_covers_what_it_says(middle, spread, size, n):
    """4,000 experiments of n seeds: accuracies whose logits are normal, counted on `size` samples."""
    draw = np.random.default_rng([n, size])
    chances = scipy.special.expit(draw.normal(middle, spread, (4000, n)))
    truth = scipy.special.expit(draw.normal(middle, spread, 400_000)).mean()
    ends = [summarise(row, "share").interval for row in draw.binomial(size, chances) / size]
    known = [low <= truth <= high for low, high in filter(None, ends)]
    assert 0.93 <= np.mean(known) <= 0.975


@given(samples, st.floats(0.1, 10))
def test_a_difference_changes_sign_with_its_sides_and_scales_with_its_unit(values, scale):
    ours, theirs = dict(enumerate(values)), dict(enumerate(values[::-1]))
    there, back = paired_difference(ours, theirs), paired_difference(theirs, ours)
    assert there.difference == pytest.approx(-back.difference, abs=1e-12)
    assert there.p_value == pytest.approx(back.p_value)
    scaled = [scale * end for end in summarise(values).interval]
    assert summarise(v * scale for v in values).interval == pytest.approx(scaled, rel=1e-6, abs=1e-9)
