"""A population of M is M runs: every family of layers, members with numbers of their own, one that turns NaN.

It also covers recipe.py, streams.py and vector.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from labkit.config import ConfigError
from labkit.engine.loop import train
from labkit.engine.population import Population
from labkit.engine.recipe import Recipe
from labkit.engine.state import RunState
from labkit.engine.step import Stepper
from labkit.preprocess.prepare import Parts
from tests.engine.engine_cases import (
    FAMILIES,
    TOLERANCE,
    Family,
    alone,
    assert_bit_equal,
    assert_same_outcome,
    mixed,
    parts,
    recipe,
    rule,
    schedule,
    trainer,
    with_rate,
)

every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
PRECISIONS = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
SEEDS = [pytest.param((3, 1, 4, 1), id="mixed seeds"), pytest.param((5, 5, 5, 5), id="equal seeds")]


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many members each step of the test trained at once."""
    sizes: list[int] = []
    step = Stepper.step

    def counted(self: Stepper, state: RunState) -> RunState:
        sizes.append(len(self._population))
        return step(self, state)

    monkeypatch.setattr(Stepper, "step", counted)
    return sizes


@every_family
@PRECISIONS
@pytest.mark.parametrize("seeds", SEEDS)
def test_m_members_are_m_runs(family: Family, dtype: torch.dtype, seeds: tuple[int, ...], groups: list[int]) -> None:
    data = parts(family, dtype)
    members = mixed(family, trainer(precision=str(dtype).removeprefix("torch.")), seeds)
    together = train(members, data)
    assert groups == [4] * 20  # one program trained all four
    for found, one in zip(together, members, strict=True):
        assert_same_outcome(found, alone(one, data), TOLERANCE[dtype])
    assert groups == [4] * 20 + [1] * 80


RULES = [
    ("sgd", {"lr": 0.1}, {"lr": 0.02, "weight_decay": 0.1}),
    ("nesterov", {"lr": 0.05, "momentum": 0.9}, {"lr": 0.02, "momentum": 0.5}),
    ("adam", {"lr": 0.01, "beta1": 0.8}, {"lr": 0.002, "beta2": 0.9, "epsilon": 1e-4}),
    ("adamw", {"lr": 0.01, "weight_decay": 0.0}, {"lr": 0.002, "beta2": 0.9, "weight_decay": 2.0}),
    ("lion", {"lr": 0.001, "weight_decay": 0.0}, {"lr": 0.003, "beta1": 0.5, "beta2": 0.9, "weight_decay": 2.0}),
    ("rmsprop", {"lr": 0.01, "momentum": 0.5}, {"lr": 0.002, "momentum": 0.9, "decay": 0.9}),
]


@pytest.mark.parametrize(("name", "one", "other"), RULES, ids=[row[0] for row in RULES])
def test_every_rule_keeps_members_apart(name: str, one: dict[str, float], other: dict[str, float]) -> None:
    family = FAMILIES["linear"]
    data = parts(family)
    members = [recipe(family, update=rule(name, **numbers), seed=seed) for seed, numbers in enumerate((one, other))]
    for found, own in zip(train(members, data), members, strict=True):
        assert_same_outcome(found, alone(own, data), 1e-10)


def test_bounds_of_a_schedule_are_a_members_own() -> None:
    family = FAMILIES["linear"]
    data, how = parts(family), trainer(steps=None)
    bounds = [{"lr_max": 0.1}, {"lr_max": 0.4, "peak_decay": 0.5}, {"lr_min": 0.01, "lr_max": 0.2}]
    members = [recipe(family, rates=schedule("cyclic", step_size=5, cycles=2, **keys), how=how) for keys in bounds]
    for found, own in zip(train(members, data), members, strict=True):
        assert_same_outcome(found, alone(own, data), 1e-10)


@every_family
@PRECISIONS
def test_a_member_that_turns_nan_keeps_it_to_itself(family: Family, dtype: torch.dtype, groups: list[int]) -> None:
    data = parts(family, dtype)
    tame = mixed(family, trainer(precision=str(dtype).removeprefix("torch."), eval_every=5), (3, 1, 4, 1))
    wild = [tame[0], with_rate(tame[1], 1e30 if dtype == torch.float32 else 1e300), *tame[2:]]
    together, undisturbed = train(wild, data), train(tame, data)
    assert groups == [4] * 40
    for m in (0, 2, 3):
        assert_bit_equal(together[m], undisturbed[m])
        assert_same_outcome(together[m], alone(wild[m], data), TOLERANCE[dtype])
    diverged = together[1]
    losses = losses_of(wild[1], data)
    first_bad = int((~torch.isfinite(losses)).int().argmax()) + 1
    assert not torch.isfinite(losses).all()
    assert diverged.diverged
    assert diverged.stopped_at == diverged.steps == first_bad
    assert not any(outcome.diverged for outcome in (together[0], together[2], together[3]))


def losses_of(one: Recipe, data: Parts) -> torch.Tensor:
    """The batch losses of a run of one, by stepping alone."""
    population = Population([one], data)
    state = population.initial_state()
    stepper = Stepper(population, state)
    for _ in range(population.length.total):
        state = stepper.step(state)
    return state.losses[:, 0]


def test_a_run_whose_last_update_ruins_it_is_diverged() -> None:
    family = FAMILIES["linear"]
    ruined = with_rate(recipe(family, how=trainer(steps=1)), float("inf"))
    for open_test in (True, False):
        outcome = alone(replace(ruined, open_test=open_test), parts(family))
        assert outcome.diverged


DIFFERENT = [
    {"how": trainer(steps=21)},
    {"how": trainer(batch_size=4)},
    {"how": trainer(precision="float32")},
    {"update": rule("nesterov")},
    {"rates": schedule("cosine")},
    {"init": "he"},
    {"open_test": False},
]


@pytest.mark.parametrize("keys", DIFFERENT, ids=lambda keys: next(iter(keys)))
def test_what_is_structural_cannot_share_a_population(keys: dict[str, Any]) -> None:
    family = FAMILIES["linear"]
    with pytest.raises(ConfigError, match="members must share"):
        Population([recipe(family), recipe(family, **keys)], parts(family))


def test_schedules_of_other_lengths_cannot_share_a_population() -> None:
    family, how = FAMILIES["linear"], trainer(steps=None)
    members = [recipe(family, rates=schedule("cyclic", step_size=n), how=how) for n in (5, 6)]
    with pytest.raises(ConfigError, match="members must share"):
        Population(members, parts(family))
