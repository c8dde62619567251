"""Trials whose results are gone are run again at their points, in every stage, and the search comes to the same end.

It also covers lost.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from labkit.search.search import SearchResult, StoredTrial, TrialAnswer, outlook, search
from tests.search.search_cases import LAMBDA, Evaluator, definition

STAGES: dict[str, Any] = {
    "node": {
        "coarse": {"sampler": "tpe", "n_trials": 8, "n_jobs": 4},
        "fine": {"sampler": "random", "n_trials": 6, "zoom": True},
    },
    "confirm": {"top": 2, "seeds": 2},
    "final": {"seeds": 2},
}


class Store:
    """Answers of an evaluator under ids of their own, some of which are deleted later."""

    def __init__(self) -> None:
        self.asked, self.made, self.deleted = Evaluator(), 0, set[str]()

    def __call__(self, stage: str, words: Any, proposals: Any, purpose: str) -> list[TrialAnswer]:
        answers = self.asked(stage, words, proposals, purpose)
        self.made += len(answers)
        ids = range(self.made - len(answers), self.made)
        return [TrialAnswer(one.values, one.state, run_ids=(str(i),)) for i, one in zip(ids, answers, strict=True)]

    def lost(self, stage: str, words: Any, trials: Sequence[StoredTrial], purpose: str) -> dict[str, str]:
        assert purpose == ("comparison" if stage == "final" else "search")
        return {trial.key: "deleted" for trial in trials if self.deleted & {*trial.run_ids}}


def run(folder: Path, store: Store, told: list[str] | None = None, **keys: Any) -> SearchResult:
    say = (lambda line: None) if told is None else told.append
    return search(definition(**{**STAGES, **keys}), store, "journal", folder, say, store.lost)


def results(result: SearchResult) -> list[Any]:
    """All that a search came to, but for whose runs they are."""
    points = [(stage.name, stage.space, [(t.key, t.params, t.values) for t in stage.trials]) for stage in result.known]
    return [points, [(c.index, c.values, c.n) for c in result.confirm], result.winner and result.winner.params]


@pytest.mark.parametrize("stage", ["coarse", "fine", "confirm", "final", None])
def test_lost_trials_are_run_again_and_nothing_else_changes(tmp_path: Path, stage: str | None) -> None:
    store = Store()
    first = run(tmp_path, store)
    lost = [t for one in first.known if stage in (None, one.name) for t in one.trials]
    lost = lost if stage is None else lost[:2]
    store.deleted = {run_id for trial in lost for run_id in trial.run_ids}
    store.asked.asked.clear()
    second = run(tmp_path, store)
    assert results(second) == results(first)
    assert second.evaluated == len(lost)
    assert [params for _, _, params, _ in store.asked.asked] == [trial.params for trial in lost]
    assert [seeds for *_, seeds in store.asked.asked] == [trial.seeds for trial in lost]
    assert not store.deleted & {run_id for one in second.known for t in one.trials for run_id in t.run_ids}
    assert run(tmp_path, store).evaluated == 0


def test_the_best_trial_is_no_longer_the_winner_where_it_fails_now(tmp_path: Path) -> None:
    keys = {"node": {"only": {"sampler": "random", "n_trials": 6}}, "confirm": None, "final": None}
    store = Store()
    best = run(tmp_path, store, **keys).winner
    assert best is not None
    store.deleted = set(best.trials[0].run_ids)
    store.asked.answers = {("only", best.index): TrialAnswer(None, "failed")}
    second = run(tmp_path, store, **keys, max_failure_rate=0.5)
    assert second.winner is not None
    assert second.winner.index != best.index
    assert [trial.state for trial in second.stages[0].trials].count("failed") == 1


def test_trials_are_judged_on_the_seeds_that_are_wanted_now(tmp_path: Path) -> None:
    """A study of a version that kept no number of seeds with its definition may have been run on others."""
    asked: list[tuple[int, ...]] = []

    def lost(stage: str, words: Any, trials: Sequence[StoredTrial], purpose: str) -> dict[str, str]:
        asked.extend(trial.seeds for trial in trials)
        return {trial.key: "on other seeds" for trial in trials}

    node: dict[str, Any] = {"only": {"sampler": "random", "n_trials": 2}}
    search(definition(node), Evaluator(), "journal", tmp_path)
    node["only"]["seeds"] = 2
    now = definition(node, fixed={"optimizer.lr": 0.1})
    outlook(now, "journal", tmp_path, lost)
    again = Evaluator()
    search(now, again, "journal", tmp_path, lost=lost)
    assert asked == [(0, 1)] * 4
    assert [seeds for *_, seeds in again.asked] == [(0, 1)] * 2


def test_trials_of_a_former_larger_budget_are_run_again_too(tmp_path: Path) -> None:
    keys = {"confirm": None, "final": None}
    store = Store()
    run(tmp_path, store, node={"only": {"sampler": "random", "n_trials": 6}}, **keys)
    store.deleted = {"5"}
    second = run(tmp_path, store, node={"only": {"sampler": "random", "n_trials": 3}}, **keys)
    assert second.evaluated == 1
    assert second.stages[0].trials[5].run_ids == ("6",)


def test_one_sentence_says_which_how_many_and_why(tmp_path: Path) -> None:
    store = Store()
    first = run(tmp_path, store)
    store.deleted = {"1", "3", first.known[2].trials[3].run_ids[0]}
    told: list[str] = []
    seed, index = first.known[2].trials[3].seeds[0], first.known[2].trials[3].index
    expected = [
        "coarse: 2 of 8 finished trials no longer count and are run again: trial 1, 3 (deleted)",
        f"confirm: 1 of 4 finished trials no longer counts and is run again: trial {index} on seed {seed} (deleted)",
    ]
    ahead = outlook(definition(**STAGES), "journal", tmp_path, store.lost)
    assert [(one.done, one.lost) for one in ahead] == [(6, expected[0]), (6, ""), (3, expected[1]), (2, "")]
    run(tmp_path, store, told)
    assert [line for line in told if "no longer" in line] == expected


def test_candidates_that_are_no_longer_among_the_best_are_counted_apart(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"confirm": {"top": 1, "seeds": 2}, "final": True}
    run(tmp_path, Store(), node={"only": {"sampler": "random", "n_trials": 3}}, **keys)
    more = run(tmp_path, Store(), node={"only": {"sampler": "random", "n_trials": 60}}, **keys)
    _, confirm, final = more.known
    assert (confirm.former, final.former) == (2, 1)
    assert more.winner is not None
    assert {trial.index for trial in (*confirm.trials, *final.trials)} == {more.winner.index}
    assert LAMBDA.complete(more.winner.params)
