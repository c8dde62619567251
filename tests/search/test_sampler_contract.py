"""One contract for every sampler and pruner of Optuna's: it is refused in a sentence, or searches, resumes and ends.

It also covers listed.py, quiet.py and rehearsal.py.
"""

from __future__ import annotations

import importlib.util
import inspect
import itertools
from pathlib import Path
from typing import Any

import optuna
import pytest

from labkit.config import ConfigError
from labkit.search import listed, samplers
from labkit.search.search import Definition, SearchResult, search
from labkit.search.space import Dimension, Space
from tests.search.search_cases import Evaluator, definition
from tests.search.test_search_loop import Killed, killed_after

MIXED = Space(
    (
        Dimension("optimizer.lr", 1e-3, 1.0, log=True),
        Dimension("model.width", 4, 16, integer=True, step=4),
        Dimension("model.activation", choices=("relu", "tanh")),
        Dimension("optimizer.momentum", 0.0, 0.9, when={"model.activation": ("relu",)}),
    )
)
FINITE = Space(
    (
        Dimension("model.width", 4, 12, integer=True, step=4),
        Dimension("optimizer.lr", choices=("0.1", "1")),
    )
)
GRID = {"model.width": [4, 8, 12], "optimizer.lr": [0.1, 1]}


def node(name: str, **keys: Any) -> dict[str, Any]:
    return {"_target_": f"optuna.samplers.{name}", **keys}


# name -> (node, whether it needs a finite space)
NODES: dict[str, tuple[Any, bool]] = {
    "BruteForceSampler": (node("BruteForceSampler"), True),
    "CmaEsSampler": (node("CmaEsSampler", warn_independent_sampling=False), False),
    "GridSampler": (node("GridSampler", search_space=GRID), True),
    "NSGAIISampler": (node("NSGAIISampler", population_size=4), False),
    "NSGAIIISampler": (node("NSGAIIISampler", population_size=4), False),
    "PartialFixedSampler": (
        node("PartialFixedSampler", fixed_params={"model.width": 8}, base_sampler=node("TPESampler")),
        False,
    ),
    "QMCSampler": (node("QMCSampler", qmc_type="halton", warn_independent_sampling=False), False),
    "RandomSampler": (node("RandomSampler"), False),
    "TPESampler": (node("TPESampler", n_startup_trials=2), False),
    "GPSampler": (node("GPSampler", n_startup_trials=5), False),
}
FIXED_BRUTE = node("PartialFixedSampler", fixed_params={"optimizer.lr": 1}, base_sampler=node("BruteForceSampler"))
MISSING = {"CmaEsSampler"} - ({"CmaEsSampler"} if importlib.util.find_spec("cmaes") else set())


def value(params: Any) -> float:
    return float(params["model.width"]) - abs(float(params["optimizer.lr"]) - 0.1)


def one(sampler: Any, space: Space, n_trials: int = 6) -> Definition:
    return definition({"s": {"sampler": sampler, "n_trials": n_trials, "n_jobs": 3}}, space)


def run(search_of: Definition, folder: Path, evaluator: Any) -> SearchResult:
    return search(search_of, evaluator, "journal", folder)


def test_every_class_of_optunas_is_here_or_refused() -> None:
    for family, refuse in (("samplers", samplers.check_sampler), ("pruners", samplers.check_pruner)):
        home = getattr(optuna, family)
        for name in home.__all__:
            if name in NODES or (family == "pruners" and not inspect.isabstract(getattr(home, name))):
                continue  # pruners: tests/search/test_judging.py
            with pytest.raises(ConfigError, match=f"'optuna.{family}.{name}' is not one of Optuna's {family}, "):
                refuse({"_target_": f"optuna.{family}.{name}"}, "s")


@pytest.mark.parametrize("name", sorted(MISSING))
def test_a_missing_package_is_one_sentence(name: str) -> None:
    with pytest.raises(ConfigError, match=r"s: CmaEsSampler needs the package 'cmaes', which is missing\."):
        samplers.check_sampler(NODES[name][0], "s")


@pytest.mark.parametrize("name", [name for name in NODES if name not in MISSING])
def test_ask_tell_batch_and_resume(tmp_path: Path, name: str) -> None:
    sampler, finite = NODES[name]
    space = FINITE if finite else MIXED
    asked = Evaluator(value)
    whole = run(one(sampler, space), tmp_path / "whole", asked)
    assert [trial.state for trial in whole.stages[0].trials] == ["complete"] * 6
    for trial in whole.stages[0].trials:
        assert space.complete(trial.params)
        assert all(
            space[key].distribution()._contains(space[key].distribution().to_internal_repr(v))
            for key, v in trial.params.items()
        )
    killed = Evaluator(value)
    with pytest.raises(Killed):
        run(one(sampler, space), tmp_path / "killed", killed_after(killed, 1))
    resumed = Evaluator(value)
    again = run(one(sampler, space), tmp_path / "killed", resumed)
    assert len(resumed.asked) == 6 - len(killed.asked) == 3
    assert [t.params for t in again.stages[0].trials] == [t.params for t in whole.stages[0].trials]
    nothing = Evaluator(value)
    assert run(one(sampler, space), tmp_path / "killed", nothing).evaluated == 0
    more = Evaluator(value)
    assert run(one(sampler, space, 6 if finite else 8), tmp_path / "killed", more).evaluated == (0 if finite else 2)


@pytest.mark.parametrize("name", [name for name in NODES if name not in MISSING])
def test_a_space_that_is_used_up_ends_the_stage_in_order(tmp_path: Path, name: str) -> None:
    """Six points, a budget of nine: who lists them says why it asked for six; the others try some again."""
    sampler, finite = NODES[name]
    asked = Evaluator(value)
    result = run(one(sampler, FINITE, 9), tmp_path, asked)
    tried = {tuple(point.items()) for point in asked.points("s")}
    if finite:
        assert len(asked.asked) == len(tried) == 6
        assert result.stages[0].note.startswith("6 of n_trials=9 trials: there are no more points")
    else:
        assert len(asked.asked) == 9
        assert "n_trials" not in result.stages[0].note


def test_a_listed_sampler_asks_for_every_point_once_and_begins_a_larger_budget_with_a_smaller(tmp_path: Path) -> None:
    for k, sampler in enumerate((NODES["BruteForceSampler"][0], NODES["GridSampler"][0])):
        few, all_ = Evaluator(value), Evaluator(value)
        run(one(sampler, FINITE, 4), tmp_path / f"{k}few", few)
        run(one(sampler, FINITE, 6), tmp_path / f"{k}all", all_)
        assert all_.points("s")[:4] == few.points("s")
        expected = {(("model.width", w), ("optimizer.lr", r)) for w, r in itertools.product((4, 8, 12), ("0.1", "1"))}
        assert {tuple(point.items()) for point in all_.points("s")} == expected


def test_what_is_fixed_is_fixed(tmp_path: Path) -> None:
    asked = Evaluator(value)
    result = run(one(FIXED_BRUTE, FINITE, 9), tmp_path, asked)
    assert sorted(point["model.width"] for point in asked.points("s")) == [4, 8, 12]  # type: ignore[type-var]
    assert {point["optimizer.lr"] for point in asked.points("s")} == {"1"}
    assert result.stages[0].note.startswith("3 of n_trials=9 trials: there are no more points")
    partial = Evaluator(value)
    fixed = node("PartialFixedSampler", fixed_params={"optimizer.lr": 0.1}, base_sampler="tpe")
    run(one(fixed, FINITE), tmp_path / "tpe", partial)
    assert {point["optimizer.lr"] for point in partial.points("s")} == {"0.1"}


def test_a_failed_trial_of_a_listed_sampler_is_run_again_at_its_point(tmp_path: Path) -> None:
    from labkit.search.search import TrialAnswer

    bad = Evaluator(value, {("s", 1): TrialAnswer(None, "failed", note="no")})
    first = definition({"s": {"sampler": node("BruteForceSampler"), "n_trials": 6}}, FINITE, max_failure_rate=1.0)
    result = run(first, tmp_path, bad)
    again = Evaluator(value)
    run(first, tmp_path, again)
    assert again.points("s") == [result.stages[0].trials[1].params]


REFUSED: list[tuple[Any, Space, str]] = [
    (
        node("BruteForceSampler"),
        MIXED,
        "BruteForceSampler tries every value, and optimizer.lr has no end of them in 0.001..1 (log); expected choices",
    ),
    (
        node("BruteForceSampler"),
        Space((Dimension("a", 0, 10**6, integer=True),)),
        "expected at most 100,000 points, got 100,001.",
    ),
    (node("GridSampler", search_space={"model.width": [4]}), FINITE, "optimizer.lr is searched over, expected its"),
    (node("GridSampler", search_space={**GRID, "x": [1]}), FINITE, "'x' is not searched over, valid: model.width"),
    (
        node("GridSampler", search_space={**GRID, "model.width": [5]}),
        FINITE,
        "model.width: expected a value of 4..12 (whole, step 4), got 5.",
    ),
    (
        node("GridSampler", search_space={**GRID, "optimizer.lr": [0.2]}),
        FINITE,
        "optimizer.lr: expected a value of 0.1, 1, got 0.2.",
    ),
    (node("GridSampler", search_space={**GRID, "model.width": 4}), FINITE, "model.width: expected a list of values"),
    (node("PartialFixedSampler", fixed_params={"y": 1}, base_sampler="tpe"), FINITE, "'y' is not searched over"),
    (node("TPESampler", n_ei_candidates="many"), MIXED, "TPESampler: "),
]


@pytest.mark.parametrize(("sampler", "space", "sentence"), REFUSED, ids=[row[2] for row in REFUSED])
def test_what_could_not_go_on_is_refused_before_training(sampler: Any, space: Space, sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        one(sampler, space)
    assert str(raised.value).startswith("hydra.sweeper.stages.s.sampler")
    assert sentence in str(raised.value)


def test_a_pruner_that_could_not_judge_is_refused() -> None:
    wrong = {"_target_": "optuna.pruners.HyperbandPruner", "min_resource": "a", "max_resource": 9}
    with pytest.raises(ConfigError, match=r"stages\.s\.pruner: HyperbandPruner: "):
        definition({"s": {"pruner": wrong}})


def test_written_values_have_nothing_to_zoom() -> None:
    stages = {"a": {"sampler": "grid"}, "b": {"sampler": NODES["GridSampler"][0], "zoom": True}}
    with pytest.raises(ConfigError, match=r"stages\.b\.zoom: the values of its sampler's search_space are written"):
        definition(stages, FINITE)


def test_the_size_of_a_space() -> None:
    assert listed.size(FINITE) == 6
    assert listed.size(MIXED) is None
    conditional = Space((Dimension("a", choices=("x", "y")), Dimension("b", 1, 3, integer=True, when={"a": ("x",)})))
    assert listed.size(conditional) == 4  # three with b, one without


def test_our_own_grid_says_why_it_asked_for_fewer(tmp_path: Path) -> None:
    all_of_them = run(one("grid", FINITE, 20), tmp_path / "all", Evaluator(value))
    assert all_of_them.stages[0].note.startswith("6 of n_trials=20 trials: there are no more points")
    even = run(one("grid", MIXED, 30), tmp_path / "even", Evaluator(value))
    assert "it is the largest grid with equally many values of every range" in even.stages[0].note
