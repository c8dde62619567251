"""Members that train in step are judged together: the same ones are given up, in whatever order they are asked."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest

from labkit.search import live, samplers
from labkit.search.search import TrialAnswer, search
from tests.search.search_cases import definition

HALVING = {"_target_": "optuna.pruners.SuccessiveHalvingPruner", "min_resource": 2, "reduction_factor": 2}
HYPERBAND = {"_target_": "optuna.pruners.HyperbandPruner", "min_resource": 1, "max_resource": 9, "reduction_factor": 2}
MEDIAN = {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 2, "n_warmup_steps": 1}
PERCENTILE = {"_target_": "optuna.pruners.PercentilePruner", "percentile": 40.0, "n_startup_trials": 2}
THRESHOLD = {"_target_": "optuna.pruners.ThresholdPruner", "lower": 2.0, "n_warmup_steps": 2}
WILCOXON = {"_target_": "optuna.pruners.WilcoxonPruner", "p_threshold": 0.3}


def patient(inner: Any) -> dict[str, Any]:
    return {"_target_": "optuna.pruners.PatientPruner", "wrapped_pruner": inner, "patience": 1}


PRUNERS: dict[str, Any] = {
    "nop": {"_target_": "optuna.pruners.NopPruner"},
    "median": MEDIAN,
    "percentile": PERCENTILE,
    "hyperband": HYPERBAND,
    "successive_halving": HALVING,
    "successive_halving auto": "successive_halving",
    "threshold": THRESHOLD,
    "wilcoxon": WILCOXON,
    **{f"patient {name}": patient(inner) for name, inner in (("median", MEDIAN), ("halving", HALVING))},
    "patient hyperband": patient(HYPERBAND),
}
STEPS = 9


def value(quality: float, step: int) -> float:
    """Rises to the quality, with a fall from the third step to the fifth."""
    return quality * (1 - 0.5**step) - (0.4 * quality if 3 <= step <= 5 else 0.0)


def trained(pruner: Any, qualities: Sequence[float], order: Any, early: int = 0) -> dict[float, int]:
    """Members of the given qualities, of which `early` train before all others; where each was stopped.

    Args:
        pruner: A node.
        qualities: One per trial.
        order: Sorts the positions of those that are alive: the order in which they report and are asked.
        early: How many train first, one after the other.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name="s", direction="maximize", pruner=samplers.pruner(pruner))
    stopped: dict[float, int] = {}
    for batch in [*([i] for i in range(early)), list(range(early, len(qualities)))]:
        handles = {i: live.Handle(study, study.ask()._trial_id) for i in batch}
        for step in range(1, STEPS):
            alive = order([i for i in batch if qualities[i] not in stopped])
            own = [handles[i] for i in alive]
            live.report(own, step, [value(qualities[i], step) for i in alive])
            stopped |= {qualities[i]: step for i, over in zip(alive, live.verdicts(own), strict=True) if over}
        for i in batch:
            pruned = optuna.trial.TrialState.PRUNED
            study.tell(i, state=pruned) if qualities[i] in stopped else study.tell(i, value(qualities[i], STEPS))
    return stopped


QUALITIES = [5.0, 1.0, 7.0, 3.0, 6.0, 2.0, 4.0]


def orders() -> dict[str, Any]:
    rng = random.Random(0)
    shuffles = {f"shuffled {k}": lambda alive: rng.sample(alive, len(alive)) for k in range(3)}
    by_quality = {"worst first": 1, "best first": -1}
    return {
        **{
            name: lambda alive, s=sign: sorted(alive, key=lambda i: s * QUALITIES[i])
            for name, sign in by_quality.items()
        },
        **shuffles,
    }


@pytest.mark.parametrize("early", [0, 3])
@pytest.mark.parametrize("name", PRUNERS)
def test_the_order_of_asking_decides_nothing(name: str, early: int) -> None:
    found = {order: trained(PRUNERS[name], QUALITIES, by, early) for order, by in orders().items()}
    assert len({tuple(sorted(stopped.items())) for stopped in found.values()}) == 1, found
    if name in ("successive_halving", "hyperband", "threshold", "patient halving"):
        assert found["worst first"], "it gives somebody up"


def test_every_pruner_that_is_accepted_by_name_or_by_node_is_asked_here() -> None:
    classes = {name for name in optuna.pruners.__all__ if name != "BasePruner"}
    told = [str(node) for node in PRUNERS.values()]
    assert all(any(name in one for one in told) or name == "PatientPruner" for name in classes)
    assert {samplers.PRUNERS[name][0] for name in samplers.PRUNERS} <= classes


def halved(qualities: Sequence[float], first: int, factor: int) -> dict[float, int]:
    """Synchronous successive halving by its textbook: at each rung the best 1/factor go on, at least one."""
    alive, stopped, rung = list(qualities), {}, first
    while rung < STEPS:
        ranked = sorted(alive, key=lambda q: -value(q, rung))
        kept = ranked[: max(len(ranked) // factor, 1)]
        stopped |= {q: rung for q in alive if q not in kept}
        alive, rung = kept, rung * factor
    return stopped


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("count", [2, 5, 7])
def test_halving_is_the_textbooks(factor: int, count: int) -> None:
    own = QUALITIES[:count]
    node = {**HALVING, "reduction_factor": factor}
    assert trained(node, own, lambda alive: alive) == halved(own, 2, factor)


def test_the_numbers_of_the_trials_decide_nothing_in_halving() -> None:
    """The same rates, written in another order, are other trials; those of one value stay and go together."""
    rows = itertools.islice(itertools.permutations([1.0, 2.0, 3.0, 4.0]), 0, 24, 5)
    found = [trained(HALVING, row, lambda alive: alive) for row in rows]
    assert all(one == found[0] for one in found)


def test_members_of_one_value_stay_and_go_together() -> None:
    study = optuna.create_study(direction="maximize", pruner=samplers.pruner(HALVING))
    handles = [live.Handle(study, study.ask()._trial_id) for _ in range(4)]
    live.report(handles, 2, [1.0, 2.0, 2.0, 2.0])
    assert live.verdicts(handles) == [True, False, False, False]


def test_rungs_between_two_evaluations_are_judged_one_after_the_other(tmp_path: Path) -> None:
    """Members that report at step 8 only pass the rungs 2, 4 and 8 at once: of eight one is left."""
    heard: dict[int, bool] = {}

    def evaluate(stage: str, words: Any, proposals: Sequence[Any], purpose: str) -> list[TrialAnswer]:
        handles = [live.handle(*p.trial) for p in proposals]
        live.report(handles, 8, [float(p.index) for p in proposals])
        heard.update(enumerate(live.verdicts(handles)))
        return [TrialAnswer((float(p.index),)) for p in proposals]

    stage = {"sampler": "random", "n_trials": 8, "pruner": HALVING}
    search(definition({"s": stage}), evaluate, "journal", tmp_path)
    assert [i for i, over in heard.items() if not over] == [7]


def test_seeds_of_one_trial_report_their_mean_and_stop_together(tmp_path: Path) -> None:
    values = [[0.0, 10.0], [4.0, 5.0], [4.8, 5.3]]  # means 5, 4.5, 5.05
    heard: list[bool] = []

    def evaluate(stage: str, words: Any, proposals: Sequence[Any], purpose: str) -> list[TrialAnswer]:
        handles = [live.handle(*p.trial) for p in proposals for _ in range(2)]
        live.report(handles, 2, [v for p in proposals for v in values[p.index]])
        heard.extend(live.verdicts(handles))
        return [TrialAnswer((1.0,))] * len(proposals)

    stage = {"sampler": "random", "n_trials": 3, "pruner": HALVING, "seeds": 2}
    result = search(definition({"s": stage}), evaluate, "journal", tmp_path)
    assert heard == [True, True, True, True, False, False]
    study = optuna.load_study(study_name="kth/lambda/s", storage=live.storage.open_storage(result.location))
    assert [trial.intermediate_values for trial in study.trials] == [{2: 5.0}, {2: 4.5}, {2: pytest.approx(5.05)}]


def test_a_run_that_was_trained_before_takes_part_until_it_would_have_been_given_up(tmp_path: Path) -> None:
    """Trials 1 and 3 are reused: the verdicts on the others are those of all four training now."""
    qualities = [3.0, 4.0, 2.0, 1.0]

    def verdicts(reused: set[int], folder: Path) -> Mapping[int, int]:
        stopped: dict[int, int] = {}

        def evaluate(stage: str, words: Any, proposals: Sequence[Any], purpose: str) -> list[TrialAnswer]:
            handles = {p.index: live.handle(*p.trial) for p in proposals}
            for i in reused:
                handles[i].follow({step: value(qualities[i], step) for step in range(1, STEPS)})
            for step in range(1, STEPS):
                alive = [i for i in handles if i not in stopped and i not in reused]
                live.report([handles[i] for i in alive], step, [value(qualities[i], step) for i in alive])
                told = live.verdicts([handles[i] for i in alive])
                stopped.update({i: step for i, over in zip(alive, told, strict=True) if over})
            return [TrialAnswer((value(q, STEPS),)) for q in qualities]

        stage = {"sampler": "random", "n_trials": 4, "pruner": HALVING}
        search(definition({"s": stage}), evaluate, "journal", folder)
        return stopped

    together = verdicts(set(), tmp_path / "all")
    assert together == {0: 4, 2: 2, 3: 2}
    assert verdicts({1, 3}, tmp_path / "some") == {0: 4, 2: 2}


def test_attempts_that_failed_have_no_say(tmp_path: Path) -> None:
    """A killed search goes on: its first attempts at the same points are not counted a second time."""

    class Killed(BaseException):
        pass

    heard: list[bool] = []

    def evaluate(stage: str, words: Any, proposals: Sequence[Any], purpose: str) -> list[TrialAnswer]:
        handles = [live.handle(*p.trial) for p in proposals]
        live.report(handles, 2, [float(p.index) for p in proposals])
        heard[:] = live.verdicts(handles)
        if proposals[0].number == 0:
            raise Killed
        return [TrialAnswer((1.0,))] * len(proposals)

    one = definition({"s": {"sampler": "random", "n_trials": 6, "pruner": HALVING}})
    with pytest.raises(Killed):
        search(one, evaluate, "journal", tmp_path)
    first = list(heard)
    search(one, evaluate, "journal", tmp_path)
    assert heard == first == [True, True, True, False, False, False]
