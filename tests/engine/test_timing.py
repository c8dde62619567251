"""What is timed and what is not, and that timing leaves no trace in the training.

It also covers processor.py.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from labkit.engine import timing
from labkit.engine.execution import Execution, stated
from labkit.engine.loop import train
from labkit.engine.processor import processor
from labkit.engine.recipe import Augmentation
from labkit.engine.timing import choose, ratio, work
from labkit.engine.trainer import most_threads
from tests.engine.engine_cases import FAMILIES, assert_same_outcome, mixed, parts, recipe, rule, trainer

SEEDS = (3, 1, 4, 1)
LINEAR = FAMILIES["linear"]


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch, every_weight: None) -> None:
    """Short trainings too, however long the choice takes of them."""
    monkeypatch.setattr(timing, "_UNTIMED_SECONDS", 0.0)
    monkeypatch.setattr(timing, "_SHARE", 1e9)
    monkeypatch.setattr(timing, "_SAMPLE_SECONDS", (0.0, 0.0))


def slow_unless(monkeypatch: pytest.MonkeyPatch, fast: Any) -> None:
    """An update takes a second where `fast` says no to its execution, half of one for every part that it likes."""

    def seconds(probe: Any, sample: float) -> float:
        return float(0.5 ** fast(probe.execution))

    monkeypatch.setattr(timing._Probe, "measure", seconds)


def test_a_short_training_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "_Probe", None)
    members = mixed(LINEAR, trainer(), SEEDS)
    found = choose(members, parts(LINEAR))
    assert found.execution == stated(members, 28)
    assert not found.seconds


@pytest.mark.usefixtures("always")
def test_the_choice_may_take_its_share_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    slow_unless(monkeypatch, lambda one: one.block == 1)
    members = mixed(LINEAR, trainer(), SEEDS)
    monkeypatch.setattr(timing, "_SHARE", 1e-3)
    none = choose(members, parts(LINEAR))  # 20 updates of a second each: not one comparison fits in
    assert (none.execution, none.complete, list(none.seconds)) == (stated(members, 28), False, [str(none.execution)])
    longer = choose(mixed(LINEAR, trainer(steps=1_000_000), SEEDS), parts(LINEAR))
    assert (longer.execution.block, longer.complete) == (1, True)


def test_a_measurement_is_as_long_as_the_share_allows() -> None:
    assert timing.sample_seconds(2.0) == 0.005, "all of them take longer than 2% here, so some are left out"
    assert timing.sample_seconds(100.0) == 0.01
    assert timing.sample_seconds(1e6) == 0.04


@pytest.mark.usefixtures("always")
def test_the_fastest_is_found_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    members = mixed(LINEAR, trainer(), SEEDS)

    def liked(one: Execution) -> int:
        return (one.block == 1) + 2 * (one.update == "factors")

    slow_unless(monkeypatch, liked)
    found = choose(members, parts(LINEAR))
    assert (found.execution.block, found.execution.update) == (1, "factors")
    assert found.why == "timed"
    assert found.seconds[str(found.execution)] == min(found.seconds.values()) == 0.125
    assert found.execution.workers == 1, "two are as fast, which is no gain"
    slow_unless(monkeypatch, lambda one: 0.05 * (one.block == 1))
    assert choose(members, parts(LINEAR)).execution.block == 4, "3% faster is no gain"


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("family", ["conv2d", "dropout", "recurrent"])
def test_timing_leaves_no_trace(family: str) -> None:
    """Real updates: neither draws of the training nor torch's threads know of them."""
    data = parts(FAMILIES[family])
    members = mixed(FAMILIES[family], trainer(epochs=2), SEEDS)
    expected = train(members, data)
    before = torch.get_num_threads()
    found = choose(members, data)
    assert found.seconds
    assert all(seconds > 0 for seconds in found.seconds.values())
    assert torch.get_num_threads() == before
    for one, other in zip(train(members, data), expected, strict=True):
        assert_same_outcome(one, other, 0)


@pytest.mark.usefixtures("always")
def test_a_training_of_a_few_updates_can_be_timed() -> None:
    data = parts(LINEAR)
    for steps in (1, 3, 5):  # within epoch 1, and one update behind it
        assert choose(mixed(LINEAR, trainer(steps=steps), SEEDS), data).seconds


def test_a_ratio_compares_two_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    data = parts(FAMILIES["conv2d"], torch.float32)
    low, full = (recipe(FAMILIES["conv2d"], how=trainer(precision=p)) for p in ("bfloat16", "float32"))
    assert ratio(low, full, data) > 0
    slow_unless(monkeypatch, lambda one: one.products == "bfloat16")
    monkeypatch.setattr(timing._Probe, "evaluate", lambda probe: 1.0)
    assert ratio(low, full, data) == 1, "updates of half the time, evaluations of the same"
    assert ratio(full, low, data) == 2
    monkeypatch.setattr(timing._Probe, "evaluate", lambda probe: 0.2 if probe.execution.products == "bfloat16" else 1.0)
    assert ratio(low, full, data) == 0.5
    assert ratio(full, low, data) == 5


def test_joblib_and_ray_say_how_many_threads_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert most_threads() == 1
    monkeypatch.setenv("LABKIT_CORES", "3")
    assert most_threads() == 3


def test_work_tells_apart_what_decides_the_time() -> None:
    data, one = parts(LINEAR), recipe(LINEAR)
    alike = recipe(LINEAR, seed=5, update=rule(lr=0.1, momentum=0.5), l2=0.1)
    assert work([one], data) == work([alike], data)
    others = [
        [one, one],
        [recipe(FAMILIES["skips"])],
        [recipe(LINEAR, update=rule("adam"))],
        [recipe(LINEAR, how=trainer(batch_size=4))],
        [recipe(LINEAR, how=trainer(precision="float32"))],
        [recipe(LINEAR, how=trainer(epochs=1))],
        [recipe(LINEAR, augmentation=Augmentation(noise=0.1))],
        [one, recipe(LINEAR, seed=1)],
    ]
    assert len({work([one], data), *(work(members, data) for members in others)}) == 1 + len(others)


def test_the_processor_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert processor().strip()
    assert "\n" not in processor()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    processor.cache_clear()
    assert processor().endswith("ONEDNN_MAX_CPU_ISA=AVX2")
    monkeypatch.undo()
    processor.cache_clear()
