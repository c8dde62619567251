"""The search: coarse to fine, budgets in all, failures, what is refused, and that a kill changes nothing.

It also covers outlook.py, plans.py, results.py, search.py, study.py and trials.py.
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import optuna
import pytest

from labkit.config import ConfigError
from labkit.search import storage
from labkit.search.search import Definition, SearchFailed, SearchResult, TrialAnswer, outlook, search
from labkit.search.space import Dimension, Space
from tests.search.search_cases import LAMBDA, OPTIMUM, Evaluator, definition, near_optimum

COARSE = {"sampler": "grid", "n_trials": 8, "overrides": ["schedule.cycles=2"]}
FINE = {"sampler": "random", "n_trials": 16, "zoom": {"around": 3}, "overrides": ["schedule.cycles=3"]}
KTH: dict[str, Any] = {
    "node": {"coarse": COARSE, "fine": FINE},
    "confirm": True,
    "final": {"seeds": 5, "overrides": ["split.val=1000"]},
}
SAMPLERS = ["grid", "random", "qmc", "tpe"]


class Killed(BaseException):
    """Stands for a kill: nothing after it is written down."""


def killed_after(evaluator: Evaluator, batches: int) -> Any:
    """An evaluator that is killed when it is asked for one batch more."""

    def evaluate(*request: Any) -> list[TrialAnswer]:
        if len(evaluator.calls) >= batches:
            raise Killed
        return evaluator(*request)

    return evaluate


def run(one: Definition, folder: Path, evaluator: Any = None) -> SearchResult:
    return search(one, evaluator or Evaluator(), "journal", folder)


def values(result: SearchResult) -> list[Any]:
    return [(s.name, [(t.index, t.params, t.values, t.state) for t in s.trials]) for s in result.stages]


def test_coarse_to_fine_to_the_winner(tmp_path: Path) -> None:
    asked = Evaluator()
    result = run(definition(**KTH), tmp_path, asked)
    words = ("schedule.cycles=3",)
    assert asked.calls == [
        ("coarse", ("schedule.cycles=2",), 8, "search"),
        ("fine", words, 16, "search"),
        ("confirm", words, 15, "search"),
        ("final", (*words, "split.val=1000"), 5, "comparison"),
    ]
    coarse, fine = result.stages
    assert coarse.space == LAMBDA
    assert fine.space is not None
    low, high = fine.space["loss.l2"].ends
    assert 1e-5 < low < OPTIMUM < high < 1e-1
    assert all(low <= p["loss.l2"] <= high for p in asked.points("fine"))
    best = sorted(fine.trials, key=lambda trial: -near_optimum(trial.params))
    assert [c.params for c in result.confirm] == [trial.params for trial in best[:3]]
    assert [(c.n, c.values, c.spread) for c in result.confirm] == [
        (5, pytest.approx((near_optimum(t.params),)), pytest.approx(0, abs=1e-12)) for t in best[:3]
    ]
    assert result.winner == result.confirm[0]
    assert {(params["loss.l2"], s) for n, _, params, s in asked.asked if n == "final"} == {
        (best[0].params["loss.l2"], (2000 + k,)) for k in range(5)
    }
    assert {s for n, _, _, s in asked.asked if n == "confirm"} == {(1000 + k,) for k in range(5)}
    assert result.evaluated == 8 + 16 + 15 + 5


def test_a_second_call_does_nothing_and_knows_the_same(tmp_path: Path) -> None:
    first = run(definition(**KTH), tmp_path)
    again = Evaluator()
    second = run(definition(**KTH), tmp_path, again)
    assert (second.evaluated, again.calls) == (0, [])
    assert (second.stages, second.confirm, second.winner, second.final) == (
        first.stages,
        first.confirm,
        first.winner,
        first.final,
    )


def test_nothing_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    node = {"a": {"sampler": "tpe", "n_trials": 12}, "b": {"sampler": "qmc", "n_trials": 3}}
    node["c"] = {"sampler": "gp", "n_trials": 3, "n_jobs": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(definition(node), tmp_path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("killed", [1, 3, 6])
def test_a_killed_search_goes_on_as_if_nothing_had_happened(tmp_path: Path, sampler: str, killed: int) -> None:
    space = Space((*LAMBDA.dimensions, Dimension("model.dropout", 0, 0.5)))
    stage = {"sampler": sampler, "n_trials": 16, "n_jobs": 4}
    one = definition({"a": stage, "b": {**stage, "zoom": True}}, space)
    whole = run(one, tmp_path / "whole")
    with pytest.raises(Killed):
        run(one, tmp_path / "killed", killed_after(Evaluator(), killed))
    asked = Evaluator()
    resumed = run(one, tmp_path / "killed", asked)
    assert values(resumed) == values(whole)
    assert len(asked.asked) == 32 - 4 * killed


def test_a_killed_batch_is_asked_for_again_at_the_same_places(tmp_path: Path) -> None:
    one = definition({"a": {"sampler": "tpe", "n_trials": 8}})
    begun = Evaluator()

    def evaluate(*request: Any) -> list[TrialAnswer]:
        begun(*request)
        raise Killed

    with pytest.raises(Killed):
        run(one, tmp_path, evaluate)
    again = Evaluator()
    run(one, tmp_path, again)
    assert again.asked[:4] == begun.asked
    assert begun.numbers == [0, 1, 2, 3]
    assert again.numbers == list(range(4, 12))


def test_an_answer_that_was_written_down_before_the_kill_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from labkit.search import study

    def kill(*_: Any) -> None:
        raise Killed

    one = definition({"a": {"sampler": "random", "n_trials": 4}})
    with monkeypatch.context() as patched:
        patched.setattr(study, "_end", kill)
        with pytest.raises(Killed):
            run(one, tmp_path)
    asked = Evaluator()
    result = run(one, tmp_path, asked)
    study = optuna.load_study(study_name="kth/lambda/a", storage=storage.open_storage(result.location))
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL", "FAIL", "FAIL", *["COMPLETE"] * 3]
    assert [index for _, index, _, _ in asked.asked] == [1, 2, 3]
    assert [trial.values for trial in result.stages[0].trials] == [
        (near_optimum(trial.params),) for trial in result.stages[0].trials
    ]


@pytest.mark.parametrize("sampler", ["random", "qmc", "tpe"])
def test_a_larger_budget_runs_what_is_missing(tmp_path: Path, sampler: str) -> None:
    small, large = (definition({"a": {"sampler": sampler, "n_trials": n}}) for n in (8, 20))
    run(small, tmp_path / "two")
    asked = Evaluator()
    extended = run(large, tmp_path / "two", asked)
    assert [index for _, index, _, _ in asked.asked] == list(range(8, 20))
    assert values(extended) == values(run(large, tmp_path / "one"))
    assert run(small, tmp_path / "two").evaluated == 0  # a smaller one is already done


def test_a_larger_budget_leaves_the_range_of_the_next_stage(tmp_path: Path) -> None:
    stages = {"a": {"sampler": "random", "n_trials": 4}, "b": {"sampler": "random", "n_trials": 4, "zoom": True}}
    before = run(definition(stages), tmp_path)
    stages["a"] = {"sampler": "random", "n_trials": 30}
    after = run(definition(stages), tmp_path)
    assert after.evaluated == 26
    assert after.stages[1] == before.stages[1]


def test_a_better_candidate_is_confirmed_and_the_others_are_not_run_again(tmp_path: Path) -> None:
    few = definition({"a": {"sampler": "random", "n_trials": 6}}, confirm={"top": 2, "seeds": 2}, final=True)
    run(few, tmp_path)
    asked = Evaluator()
    more = definition({"a": {"sampler": "random", "n_trials": 60}}, confirm={"top": 2, "seeds": 3}, final=True)
    result = run(more, tmp_path, asked)
    best = sorted(result.stages[0].trials, key=lambda trial: -near_optimum(trial.params))[:2]
    assert [c.index for c in result.confirm] == [trial.index for trial in best]
    assert all(index >= 6 for name, index, _, _ in asked.asked if name == "a")
    assert result.final is not None
    assert [trial.params for trial in result.final.trials] == [best[0].params]


DIVERGED = TrialAnswer((math.nan,), "complete")


def test_diverged_pruned_and_failed_trials_are_data(tmp_path: Path) -> None:
    answers = {
        ("a", 1): DIVERGED,
        ("a", 2): TrialAnswer(None, "diverged"),
        ("a", 3): TrialAnswer(None, "pruned", run_ids=("r",)),
    }
    node = {"a": {"sampler": "random", "n_trials": 8}, "b": {"sampler": "tpe", "n_trials": 16}}
    one = definition(node)
    result = run(one, tmp_path, Evaluator(answers=answers))
    trials = result.stages[0].trials
    assert [trial.state for trial in trials[:5]] == ["complete", "diverged", "diverged", "pruned", "complete"]
    assert [trial.values for trial in trials[1:4]] == [None, None, None]
    assert trials[3].run_ids == ("r",)
    study = optuna.load_study(study_name="kth/lambda/a", storage=storage.open_storage(result.location))
    assert [trial.state.name for trial in study.trials[:4]] == ["COMPLETE", *["PRUNED"] * 3]  # TPE ranks these last
    assert run(one, tmp_path).evaluated == 0  # they are results: they are not run again


def test_a_failure_ends_the_search_after_the_batch_is_told_and_is_run_again(tmp_path: Path) -> None:
    one = definition({"a": {"sampler": "random", "n_trials": 8}, "b": {"sampler": "tpe", "n_trials": 8}})
    failing = Evaluator(answers={("a", 2): TrialAnswer(None, "failed", note="ValueError: no room")})
    with pytest.raises(SearchFailed, match=r"stage 'a': 1 of 8 trials failed, the first now: ValueError: no room"):
        run(one, tmp_path, failing)
    asked = Evaluator()
    result = run(one, tmp_path, asked)
    assert asked.asked[0] == failing.asked[2]
    assert [name for name, *_ in asked.asked] == ["a", *["b"] * 8]
    assert values(result) == values(run(one, tmp_path / "whole"))


def test_allowed_failures_are_tried_once_per_call(tmp_path: Path) -> None:
    one = definition({"a": {"sampler": "tpe", "n_trials": 8}}, max_failure_rate=0.5)
    failing = Evaluator(answers={("a", 2): TrialAnswer(None, "failed")})
    for calls, again in ((2, 8), (1, 1)):
        failing.calls.clear()
        result = run(one, tmp_path, failing)
        assert (len(failing.calls), result.evaluated) == (calls, again)
        assert [trial.state for trial in result.stages[0].trials].count("failed") == 1
    assert run(one, tmp_path).evaluated == 1
    assert run(one, tmp_path).evaluated == 0


def test_what_failed_is_tried_again_at_the_same_point_whatever_was_learnt_since(tmp_path: Path) -> None:
    one = definition({"a": {"sampler": "tpe", "n_trials": 24}}, max_failure_rate=0.5)
    failing = Evaluator(answers={("a", 13): TrialAnswer(None, "failed")})
    run(one, tmp_path, failing)
    asked = Evaluator()
    run(one, tmp_path, asked)
    assert asked.asked == [failing.asked[13]]


def test_a_stage_without_any_value_says_why(tmp_path: Path) -> None:
    node = {"a": {"sampler": "random", "n_trials": 3}, "b": {"zoom": True}}
    answers = {("a", i): DIVERGED for i in range(2)} | {("a", 2): TrialAnswer(None, "pruned")}
    with pytest.raises(SearchFailed, match=r"stage 'a': no trial came to a value \(2 diverged, 1 pruned\)"):
        run(definition(node), tmp_path, Evaluator(answers=answers))


def test_a_candidate_that_diverges_on_a_seed_does_not_win(tmp_path: Path) -> None:
    one = definition({"a": {"sampler": "grid", "n_trials": 8}}, confirm={"top": 2, "seeds": 2})
    best = 4 if near_optimum({"loss.l2": LAMBDA.grid(8)[4]["loss.l2"]}) > near_optimum(LAMBDA.grid(8)[3]) else 3
    asked = Evaluator()

    def evaluate(stage: str, words: Any, proposals: Any, purpose: str) -> list[TrialAnswer]:
        answers = asked(stage, words, proposals, purpose)
        lost = [p.index == best and p.seeds == (1001,) for p in proposals]
        return [DIVERGED if gone else answer for gone, answer in zip(lost, answers, strict=True)]

    result = run(one, tmp_path, evaluate)
    assert [(c.index == best, c.n) for c in result.confirm] == [(False, 2), (True, 1)]
    assert result.winner is not None
    assert result.winner.index != best


def test_seeds_of_a_stage_are_handed_on_and_kept(tmp_path: Path) -> None:
    asked = Evaluator()
    one = definition({"a": {"sampler": "random", "n_trials": 2, "seeds": 3}}, base_seed=40)
    result = run(one, tmp_path, asked)
    assert {seeds for *_, seeds in asked.asked} == {(40, 41, 42)}
    assert result.winner is not None
    assert (result.winner.n, result.winner.trials[0].seeds) == (3, (40, 41, 42))


CHANGES: list[tuple[dict[str, Any], str]] = [
    (
        {"space": Space((Dimension("loss.l2", 1e-6, 1e-1, log=True),))},
        r"stage 'a' .*\(loss.l2 was 1e-05..0.1 \(log\), is 1e-06..0.1 \(log\)\)",
    ),
    ({"node": {"a": {"sampler": "qmc", "n_trials": 4}}}, r"stage 'a' .*\(sampler was 'random', is 'qmc'\)"),
    ({"directions": ("minimize",)}, r"stage 'a' .*\(directions was \['maximize'\], is \['minimize'\]\)"),
    ({"objectives": ("val/loss",)}, r"stage 'a' .*\(objectives was \['val/accuracy'\], is \['val/loss'\]\)"),
    ({"seed": 1}, r"stage 'a' .*\(seed was 0, is 1\)"),
    (
        {"fixed": {"optimizer.lr": 0.3, "model.hidden": [8], "added.since": 1}},
        r"stage 'a' .*\(optimizer.lr was 0.1, is 0.3\)",
    ),
    ({"confirm": {"overrides": ["x=1"]}}, r"stage 'confirm' .*\(overrides was \[\], is \['x=1'\]\)"),
    ({"node": {"a": {"sampler": "random", "overrides": ["x=1"]}}}, r"stage 'a' .*\(overrides was \[\], is \['x=1'\]\)"),
]


@pytest.mark.parametrize(("change", "said"), CHANGES, ids=[said for _, said in CHANGES])
def test_a_changed_search_is_refused_before_anything_runs(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    keys: dict[str, Any] = {"node": {"a": {"sampler": "random", "n_trials": 4}}, "confirm": True}
    keys["fixed"] = {"optimizer.lr": 0.1, "model.hidden": [8]}
    run(definition(**keys), tmp_path)
    asked = Evaluator()
    with pytest.raises(ConfigError, match=rf"study 'kth/lambda': its {said}.*hydra.sweeper.study_name") as raised:
        run(definition(**{**keys, **change}), tmp_path, asked)
    assert "\n" not in str(raised.value)
    assert asked.calls == []
    with pytest.raises(ConfigError):
        outlook(definition(**{**keys, **change}), "journal", tmp_path)


def test_a_search_of_a_version_that_kept_no_fixed_settings_goes_on(tmp_path: Path) -> None:
    node = {"a": {"sampler": "random", "n_trials": 4}}
    run(definition(node), tmp_path)
    now: dict[str, Any] = {"fixed": {"optimizer.lr": 0.1}, "objectives": ("val/loss",)}
    assert run(definition(node, **now), tmp_path).evaluated == 0  # its values are compared with the store instead


def test_a_grid_of_another_size_is_another_grid(tmp_path: Path) -> None:
    run(definition({"a": {"sampler": "grid", "n_trials": 8}}), tmp_path)
    with pytest.raises(ConfigError, match=r"\(points of the grid was 8, is 9\)"):
        run(definition({"a": {"sampler": "grid", "n_trials": 9}}), tmp_path)


def test_a_stage_more_goes_on_from_the_last(tmp_path: Path) -> None:
    run(definition({"coarse": COARSE}), tmp_path)
    asked = Evaluator()
    run(definition({"coarse": COARSE, "fine": FINE}), tmp_path, asked)
    assert [call[0] for call in asked.calls] == ["fine"]


def test_conditional_keys(tmp_path: Path) -> None:
    space = Space(
        (
            Dimension("rule", choices=("sgd", "momentum")),
            Dimension("alpha", 0.1, 0.9, when={"rule": ("momentum",)}),
            Dimension("lr", 1e-3, 1, log=True),
        )
    )
    asked = Evaluator(value=lambda p: -(math.log10(p["lr"]) ** 2) + float(p.get("alpha", 0)))
    node = {
        "a": {"sampler": "tpe", "n_trials": 20},
        "b": {"sampler": "random", "n_trials": 8, "zoom": True},
        "c": {"sampler": "grid", "n_trials": 8},
    }
    run(definition(node, space, confirm=True), tmp_path, asked)
    assert {("alpha" in params, params["rule"]) for _, _, params, _ in asked.asked} == {
        (False, "sgd"),
        (True, "momentum"),
    }


TWO = ("val/accuracy", "time/seconds")


def test_several_objectives(tmp_path: Path) -> None:
    def evaluate(stage: str, words: Any, proposals: Any, purpose: str) -> list[TrialAnswer]:
        return [TrialAnswer((near_optimum(p.params), math.log10(p.params["loss.l2"]))) for p in proposals]

    one = definition(
        {"a": {"sampler": "nsgaii", "n_trials": 12}, "b": {"sampler": "tpe", "n_trials": 12, "zoom": True}},
        confirm={"top": 3, "seeds": 2},
        objectives=TWO,
        directions=("maximize", "minimize"),
    )
    result = run(one, tmp_path, evaluate)
    assert result.winner is None
    assert len(result.confirm) == 3
    assert all(candidate.values is not None and len(candidate.values) == 2 for candidate in result.confirm)
    assert run(one, tmp_path, evaluate).evaluated == 0


def test_a_diverged_trial_of_several_objectives_is_no_obstacle(tmp_path: Path) -> None:
    def evaluate(stage: str, words: Any, proposals: Any, purpose: str) -> list[TrialAnswer]:
        return [TrialAnswer(None, "diverged") if p.index % 3 == 0 else TrialAnswer((1.0, p.index)) for p in proposals]

    keys: dict[str, Any] = {"objectives": TWO, "directions": ("maximize", "minimize")}
    result = run(definition({"a": {"sampler": "tpe", "n_trials": 16}}, **keys), tmp_path, evaluate)
    assert [trial.state for trial in result.stages[0].trials][:4] == ["diverged", "complete", "complete", "diverged"]


def test_the_outlook_says_what_is_done_and_writes_nothing(tmp_path: Path) -> None:
    one = definition(**KTH)
    fresh = outlook(one, "journal", tmp_path / "none")
    assert [(o.stage, o.trials, o.done, o.seeds) for o in fresh] == [
        ("coarse", 8, 0, None),
        ("fine", 16, 0, None),
        ("confirm", 15, 0, 1),
        ("final", 5, 0, 1),
    ]
    assert not (tmp_path / "none").exists()
    with pytest.raises(Killed):
        run(one, tmp_path, killed_after(Evaluator(), 2))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert [o.done for o in outlook(one, "journal", tmp_path)] == [8, 16, 0, 0]
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_sqlite_holds_a_search_as_well(tmp_path: Path) -> None:
    one, where = definition({"a": {"sampler": "tpe", "n_trials": 8}}), f"sqlite:///{tmp_path}/studies.db"
    assert outlook(one, where, tmp_path)[0].done == 0
    assert not (tmp_path / "studies.db").exists()
    result = search(one, Evaluator(), where, tmp_path)
    assert values(result) == values(run(one, tmp_path))
    assert search(one, Evaluator(), where, tmp_path).evaluated == 0
