"""Executions: the same training in other roundings, told in one line, refused where they do not fit.

It also covers block.py, beside the suites of the whole engine.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from labkit.config import ConfigError
from labkit.engine import execution as module
from labkit.engine.execution import Execution, changed, fits, large_weights, options, stated
from labkit.engine.loop import Progress, train
from labkit.engine.trainer import Trainer
from tests.engine.engine_cases import (
    EXECUTED,
    FAMILIES,
    OUT,
    TOLERANCE,
    Family,
    alone,
    assert_near,
    assert_same_outcome,
    executed,
    mixed,
    parts,
    recipe,
    rule,
    schedule,
    trainer,
    with_rate,
)

SEEDS = (3, 1, 4, 1)
LINEAR = FAMILIES["linear"]


@pytest.mark.usefixtures("every_weight")
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("name", "family"), EXECUTED)
def test_members_are_runs_of_their_own(name: str, family: str, dtype: torch.dtype) -> None:
    """Whatever the execution: members that differ in every number against single runs as they are stated."""
    data = parts(FAMILIES[family], dtype)
    members = mixed(FAMILIES[family], trainer(precision=str(dtype).removeprefix("torch.")), SEEDS)
    found = train(members, data, execution=executed(name, members, data))
    for one, other in zip(found, members, strict=True):
        assert_same_outcome(one, alone(other, data), TOLERANCE[dtype])


@pytest.mark.parametrize("block", [1, 2, 3], ids="blocks of {}".format)
def test_blocks_end_as_the_whole(block: int) -> None:
    """One member diverges, one is stopped by its observer, early stop watches all: in blocks as in one."""
    data, how = parts(LINEAR), trainer(epochs=6, patience=3)
    members = [with_rate(one, 1e30) if m == 1 else one for m, one in enumerate(mixed(LINEAR, how, SEEDS))]

    def stop_the_third(progress: Progress) -> list[int]:
        assert progress.classify(data.test.features).shape == (4, len(data.test))
        return [2] if progress.rows and progress.step >= 8 else []

    given = stated(members, len(data.train))
    whole, split = (train(members, data, stop_the_third, changed(given, {"block": size})) for size in (4, block))
    assert [one.diverged for one in split] == [False, True, False, False]
    for one, other in zip(split, whole, strict=True):
        assert (one.stopped_at, one.steps) == (other.stopped_at, other.steps)
        assert [step for step, _ in one.history] == [step for step, _ in other.history]
        if not one.diverged:
            assert_same_outcome(one, other, 1e-10)


def test_the_count_of_updates_grows_evenly_over_blocks() -> None:
    data, seen = parts(LINEAR), []
    members = mixed(LINEAR, trainer(epochs=2), SEEDS)
    train(members, data, lambda step: seen.append((step.step, len(step.rows))), changed(_stated(members), {"block": 2}))
    steps = [step for step, _ in seen]
    assert steps == sorted(steps)
    assert [step for step, rows in seen if rows] == [0, 4, 8]
    assert len(steps) == 2 * 8 + 3  # both blocks' updates, and the evaluations


@pytest.mark.parametrize("family", ["conv1d", "conv2d", "pooling", "batch norm"])
@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_low_precision_between_convolutions_is_near_float32(family: str, layout: str) -> None:
    data = parts(FAMILIES[family], torch.float32)
    update = rule("sgd", lr=0.05)
    low, full = (
        [recipe(FAMILIES[family], seed=seed, update=update, how=trainer(precision=precision)) for seed in (1, 2)]
        for precision in ("bfloat16", "float32")
    )
    between = changed(_stated(low), {"between": "bfloat16"})
    if layout == "channels_last" and family != "conv1d":
        between = changed(between, {"convolutions": layout})
    for found, expected in zip(train(low, data, execution=between), train(full, data), strict=True):
        assert found.metrics["val/loss"] == pytest.approx(expected.metrics["val/loss"], rel=5e-2)
        assert_near([*found.parameters.values()], [*expected.parameters.values()], 2e-2)
        assert {value.dtype for value in found.parameters.values()} == {torch.float32}


def test_an_execution_is_told_in_one_line_and_read_back() -> None:
    one = _stated([recipe(LINEAR)])
    assert str(one) == (
        "threads=1 workers=1 convolutions=channels_first products=float64 between=float64 update=gradient block=1"
    )
    pairs = dict(word.split("=") for word in str(one).split())
    told = {name: int(value) if value.isdecimal() else value for name, value in pairs.items()}
    assert changed(one, told) == one


@pytest.mark.parametrize(
    ("parts_of", "sentence"),
    [
        ({"blok": 1}, "trainer.execution: unknown key 'blok', did you mean 'block'?"),
        ({"threads": 0}, "trainer.execution.threads: expected at least 1, got 0."),
        ({"update": "fused"}, "trainer.execution.update: expected"),
        ({"products": "bfloat16"}, "products=bfloat16 contradicts trainer.precision=float64."),
        ({"between": "bfloat16"}, "between=bfloat16 does not go with products=float64."),
        ({"update": "factors"}, "update=factors needs a linear weight of at least 100,000 numbers"),
        ({"convolutions": "channels_last"}, "channels_last needs a network with conv2d; valid: channels_first."),
        ({"threads": 2}, "threads=2 contradicts trainer.threads=1."),
    ],
    ids=str,
)
def test_what_a_training_cannot_do_is_refused(parts_of: dict[str, Any], sentence: str) -> None:
    members = [recipe(LINEAR)]
    with pytest.raises(ConfigError) as refused:
        fits(changed(_stated(members), parts_of), members)
    assert sentence in str(refused.value)


@pytest.mark.usefixtures("every_weight")
def test_options_are_what_fits() -> None:
    """Every value that timing may try is one that the training takes."""
    for family in FAMILIES.values():
        for precision in ("float32", "bfloat16"):
            members = mixed(family, trainer(precision=precision, threads="auto"), SEEDS)
            found = options(members, 28, cores=6)
            for change in found:
                fits(changed(_stated(members), change), members)
            assert [change["block"] for change in found if "block" in change] == [1, 4]
            assert [change["workers"] for change in found if "workers" in change] == [4, 2, 1]
            assert [change["threads"] for change in found if len(change) == 1 and "threads" in change] == [1, 2, 4, 6]
            assert ({"convolutions": "channels_last"} in found) == (family.kind == "image")
            assert ({"between": "bfloat16"} in found) == (precision == "bfloat16" and family.kind in ("image", "sound"))
    single = [recipe(LINEAR)]
    assert {"update": "factors"} in options(single, 28, 1)
    assert {"update": "factors"} not in options(single, 20 * 8, 1), "all of it is epoch 1"
    assert [change["block"] for change in options([recipe(LINEAR)] * 20, 28, 1) if "block" in change] == [1, 8]


def test_wide_networks_are_stated_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_CORES", "3")
    wide = Family((600,), ({"linear": {"units": 900}}, OUT))
    members = [recipe(wide, how=trainer(threads="auto", batch_size=28))] * 2
    assert (_stated(members).workers, _stated(members).threads, _stated(members).block) == (2, 1, 1)
    small_batch = [recipe(wide, how=trainer(threads="auto", batch_size=8))] * 2
    assert (_stated(small_batch).workers, _stated(small_batch).block) == (1, 2)


def test_a_gpu_gets_one_stacked_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_CORES", "8")
    monkeypatch.setattr(Trainer, "chosen_device", lambda self: torch.device("cuda"))
    wide = Family((600,), ({"linear": {"units": 900}}, OUT))
    given = _stated([recipe(wide, how=trainer(threads="auto", batch_size=28))] * 4)
    assert (given.workers, given.block, given.update) == (1, 4, "gradient")


def test_a_range_test_is_each_members_own() -> None:
    """Whoever shares its block: a member that stops early suggests by what it trained for."""
    data, how = parts(LINEAR), trainer(steps=40, patience=2, eval_every=2)
    rates = schedule("range_test", lr_min=1e-4, lr_max=10.0)
    members = [recipe(LINEAR, seed=seed, how=how, rates=rates) for seed in SEEDS]
    given = _stated(members)
    whole, apart = (train(members, data, execution=changed(given, {"block": size})) for size in (4, 1))
    assert len({one.steps for one in whole}) > 1, "they stop at different updates"
    for one, other in zip(whole, apart, strict=True):
        assert one.range_curve is not None
        assert len(one.range_curve[0]) == one.steps == other.steps
        assert one.suggested_range == pytest.approx(other.suggested_range)


def test_busy_convolutions_are_stated_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_CORES", "3")
    monkeypatch.setattr(module, "_BUSY_CONVOLUTION", 1)
    monkeypatch.setattr("labkit.engine.trainer._WORK_PER_THREAD", 1)
    members = [recipe(FAMILIES["conv2d"], how=trainer(threads="auto"))] * 5
    assert (_stated(members).workers, _stated(members).threads, _stated(members).block) == (3, 1, 1)
    alone = _stated(members[:1])
    assert (alone.workers, alone.threads, alone.block) == (1, 3, 1)
    fixed = [recipe(FAMILIES["conv2d"], how=trainer(threads=2))] * 5
    assert (_stated(fixed).workers, _stated(fixed).threads, _stated(fixed).block) == (1, 2, 5)


def test_no_more_members_share_a_step_than_there_are() -> None:
    members = [recipe(LINEAR)] * 3
    assert fits(changed(_stated(members), {"block": 8}), members).block == 3
    apart = fits(changed(_stated(members), {"workers": 2}), members)
    assert (apart.workers, apart.block) == (2, 2), "every worker has a block"
    many = fits(changed(_stated(members), {"workers": 9}), members)
    assert (many.workers, many.block) == (3, 1)
    assert large_weights(members[0]) == []


def _stated(members: Any) -> Execution:
    return stated(members, 28)
