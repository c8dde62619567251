"""When a run is evaluated, when it ends, what it may see, and that its seed decides it.

It also covers trainer.py.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from labkit.config import ConfigError
from labkit.engine import block
from labkit.engine import evaluate as evaluation
from labkit.engine.loop import Progress, train
from labkit.engine.population import Population
from labkit.preprocess.prepare import Part
from tests.engine.engine_cases import (
    FAMILIES,
    Family,
    alone,
    assert_bit_equal,
    mixed,
    parts,
    recipe,
    rule,
    schedule,
    trainer,
    with_rate,
)

LINEAR = FAMILIES["linear"]
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))

# schedule, keys of the trainer, updates after which the run is evaluated (28 samples in batches of 8: 4 an epoch)
CADENCES: dict[str, tuple[Any, dict[str, Any], list[int]]] = {
    "once an epoch by default": (schedule(), {"epochs": 2}, [0, 4, 8]),
    "and after the last update": (schedule(), {"steps": 10}, [0, 4, 8, 10]),
    "twice an epoch": (schedule(), {"epochs": 2, "eval_every": "2/epoch"}, [0, 2, 4, 6, 8]),
    "ten times a cycle by default": (schedule("cyclic", step_size=10), {"steps": None}, [0, *range(2, 21, 2)]),
    "four times a cycle": (
        schedule("cyclic", step_size=4, cycles=2),
        {"steps": None, "eval_every": "4/cycle"},
        [0, *range(2, 17, 2)],
    ),
    "five times a run": (schedule(), {"steps": 20, "eval_every": "5/run"}, [0, 4, 8, 12, 16, 20]),
    "every three updates": (schedule(), {"steps": 8, "eval_every": 3}, [0, 3, 6, 8]),
    "more often than there are updates": (schedule(), {"steps": 3, "eval_every": "9/run"}, [0, 1, 2, 3]),
    "in parts of an update": (schedule(), {"epochs": 1, "eval_every": "3/epoch"}, [0, 1, 3, 4]),
    "half an epoch": (schedule(), {"epochs": 0.5}, [0, 2]),
}


@pytest.mark.parametrize(("rates", "keys", "expected"), CADENCES.values(), ids=list(CADENCES))
def test_evaluations_are_where_they_should_be(rates: Any, keys: dict[str, Any], expected: list[int]) -> None:
    outcome = alone(recipe(LINEAR, rates=rates, how=trainer(**keys), open_test=False), parts(LINEAR))
    assert [step for step, _ in outcome.history] == expected
    assert outcome.steps == expected[-1]
    for _, row in outcome.history:
        kinds = ("loss", "cost", "accuracy", "precision", "recall")
        assert set(row) == {"lr", *(f"{part}/{kind}" for part in ("train", "val") for kind in kinds)}


LENGTHS = [({"epochs": 2}, 8), ({"epochs": 1.5}, 6), ({"steps": 7}, 7), ({"epochs": None}, 40), ({"batch_size": 1}, 20)]


@pytest.mark.parametrize(("keys", "updates"), LENGTHS)
def test_a_run_ends_at_its_budget(keys: dict[str, Any], updates: int) -> None:
    seen: list[Progress] = []
    outcome = train([recipe(LINEAR, how=trainer(**keys, eval_train=False))], parts(LINEAR), seen.append)[0]
    assert outcome.steps == updates
    assert outcome.stopped_at is None
    assert seen[-1].step == seen[-1].total == updates
    assert sorted({progress.step for progress in seen}) == list(range(updates + 1))


WRONG = [
    (schedule("cyclic"), {"epochs": 3}, "trainer.epochs: schedule=cyclic sets the run's length"),
    (schedule("cyclic"), {"steps": 3}, "trainer.steps: schedule=cyclic sets the run's length"),
    (schedule(), {"eval_every": "3/cycle"}, "'3/cycle' needs a schedule with cycles, got constant"),
    (schedule(), {"eval_every": "0/epoch"}, "asks for no evaluation at all"),
]


@pytest.mark.parametrize(("rates", "keys", "complaint"), WRONG)
def test_contradictions(rates: Any, keys: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        alone(recipe(LINEAR, rates=rates, how=trainer(**keys)), parts(LINEAR))


def test_early_stop_freezes_a_member_and_nobody_else() -> None:
    data, how = parts(LINEAR), trainer(steps=24, patience=2, eval_every=3)
    idle, busy = (
        recipe(LINEAR, update=rule("sgd", lr=0.0), how=how),
        recipe(LINEAR, update=rule("sgd", lr=0.01), how=how),
    )
    stopped, other = train([idle, busy], data)
    assert (stopped.stopped_at, stopped.steps, stopped.diverged) == (6, 6, False)
    assert [step for step, _ in stopped.history] == [0, 3, 6, 6]  # the last row is the test part's
    assert (other.stopped_at, other.steps) == (None, 24)
    for found, one in ((stopped, idle), (other, busy)):
        single = alone(one, data)
        assert found.steps == single.steps
        for name, value in single.parameters.items():
            torch.testing.assert_close(found.parameters[name], value, rtol=1e-10, atol=1e-12)


def test_the_test_part_stays_shut_unless_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Part] = []
    measure = block.evaluate

    def watched(network: Any, networks: Any, part: Part, *rest: Any) -> Any:
        seen.append(part)
        return measure(network, networks, part, *rest)

    monkeypatch.setattr(block, "evaluate", watched)
    data = parts(LINEAR)
    for open_test, part in ((False, "validation"), (True, "test")):
        seen.clear()
        outcome = alone(recipe(LINEAR, open_test=open_test), data)
        assert sum(one is data.test for one in seen) == int(open_test)
        assert outcome.confusion_part == part
        assert outcome.confusion.sum() == len(getattr(data, part))
        assert any(key.startswith("test/") for key in outcome.metrics) == open_test
        tested = [any(key.startswith("test/") for key in row) for _, row in outcome.history]
        assert tested == [False] * 6 + [True] * open_test


def test_metrics_do_not_depend_on_the_portions_they_are_computed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    family = FAMILIES["recurrent"]
    data, one = parts(family), recipe(family)
    whole = alone(one, data)
    monkeypatch.setattr(evaluation, "_CHUNK_NUMBERS", 5 * family.shape[0] * 3)  # five texts, of 28, 13 and 11
    in_portions = alone(one, data)
    for (_, row), (_, other) in zip(whole.history, in_portions.history, strict=True):
        assert row == pytest.approx(other, rel=1e-12)
    assert (whole.confusion == in_portions.confusion).all()


@every_family
def test_one_seed_gives_one_run_and_another_another(family: Family) -> None:
    data = parts(family, torch.float32)
    how = trainer(precision="float32")
    first, again, other = (
        train(mixed(family, how, seeds), data) for seeds in ((1, 2, 3, 4), (1, 2, 3, 4), (9, 2, 3, 4))
    )
    for one, same in zip(first, again, strict=True):
        assert_bit_equal(one, same)
    for name, value in first[0].parameters.items():
        assert not torch.equal(value, other[0].parameters[name])


def test_equal_seeds_start_from_equal_draws() -> None:
    family = FAMILIES["conv2d"]
    members = [recipe(family, seed=seed, gain=gain) for seed, gain in ((3, 1.0), (4, 1.0), (3, 1.0), (3, 2.0))]
    population = Population(members, parts(family))
    for view in population.layout.views(population.initial_state().parameters):
        assert torch.equal(view[0], view[2])
        torch.testing.assert_close(view[3], 2 * view[0])  # biases are 0
        assert not view.any() or not torch.equal(view[0], view[1])


@every_family
def test_bfloat16_products_keep_float32_weights_and_train_nearly_alike(family: Family) -> None:
    data = parts(family, torch.float32)
    low, full = (
        alone(recipe(family, seed=1, update=rule("sgd", lr=0.05), how=trainer(precision=precision)), data)
        for precision in ("bfloat16", "float32")
    )
    assert low.history != full.history
    assert low.metrics["val/loss"] == pytest.approx(full.metrics["val/loss"], rel=2e-2)
    for name, value in full.parameters.items():
        assert low.parameters[name].dtype == torch.float32
        torch.testing.assert_close(low.parameters[name], value, rtol=2e-2, atol=2e-2)


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    outcome = alone(recipe(LINEAR, how=trainer(threads=before + 1)), parts(LINEAR))
    assert outcome.execution.threads == before + 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("name", ["linear", "batch norm"])
@pytest.mark.parametrize("spacing", ["linear", "exponential"])
def test_a_range_test_gives_the_curve_and_restores_the_weights(name: str, spacing: str) -> None:
    family = FAMILIES[name]
    data = parts(family)
    rates = schedule("range_test", lr_min=1e-4, lr_max=5.0, spacing=spacing)
    members = [recipe(family, rates=rates, how=trainer(steps=60), seed=seed) for seed in (1, 2)]
    population = Population(members, data)
    start = population.initial_state()
    views = [*population.layout.views(start.parameters), *population.buffer_layout.views(start.buffers)]
    for m, outcome in enumerate(train(members, data)):
        for view, value in zip(views, outcome.parameters.values(), strict=True):
            assert torch.equal(view[m], value)
        assert outcome.range_curve is not None
        assert outcome.suggested_range is not None
        lr, loss = outcome.range_curve
        assert lr.shape == loss.shape == (60,)
        assert (lr[0], lr[-1]) == pytest.approx((1e-4, 5.0))
        low, high = outcome.suggested_range
        assert 1e-4 <= low <= high <= 5.0
        assert low in lr
        assert high in lr


def test_100_samples_are_learnt_by_heart() -> None:
    """KTH lab, exercise 2: without regularisation the training loss goes to nothing."""
    data = parts(LINEAR, samples=100)
    wide = Family((6,), ({"linear": {"units": 60}}, {"linear": {"units": "classes"}}))
    how = trainer(epochs=150, batch_size=10, eval_every="2/run")
    outcome = alone(recipe(wide, update=rule("adam", lr=0.02), how=how), data)
    assert outcome.metrics["train/loss"] < 0.01
    assert outcome.metrics["train/accuracy"] == 1.0


def test_a_diverged_run_ends_early_and_says_where() -> None:
    outcome = alone(with_rate(recipe(LINEAR, how=trainer(steps=2000, eval_train=False)), float("inf")), parts(LINEAR))
    assert outcome.diverged
    assert outcome.stopped_at is not None
    assert outcome.stopped_at < 20
    assert outcome.history[0][0] == 0
