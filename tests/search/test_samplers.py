"""Samplers and pruners by name and by node; how many trials they propose at once."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import optuna
import pytest

from labkit.config import ConfigError
from labkit.search import samplers

TPE = {"_target_": "optuna.samplers.TPESampler", "n_startup_trials": 2}


@pytest.mark.parametrize("name", ["tpe", "gp", "nsgaii"])
def test_a_name_is_a_sampler_of_optunas(name: str) -> None:
    samplers.check_sampler(name, "s")
    assert type(samplers.sampler(name, 0, "a", 0)).__name__ == samplers.LEARNING[name]


@pytest.mark.parametrize("name", [name for name in samplers.PRUNERS if name != "threshold"])
def test_a_name_is_a_pruner_of_optunas(name: str) -> None:
    samplers.check_pruner(name, "p")
    assert type(samplers.pruner(name)).__name__ == samplers.PRUNERS[name][0]


def test_a_sampler_is_a_function_of_seed_stage_and_place() -> None:
    def draw(*key: Any) -> float:
        study = optuna.create_study(sampler=samplers.sampler(TPE, *key))
        return study.ask().suggest_float("x", 0, 1)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    assert draw(0, "a", 3) == draw(0, "a", 3)
    assert len({draw(0, "a", 3), draw(1, "a", 3), draw(0, "b", 3), draw(0, "a", 4)}) == 4


def test_a_seed_inside_a_node_counts_and_a_plain_node_is_ours() -> None:
    assert samplers.seed_of({**TPE, "seed": 5}, 1) == 5
    assert samplers.seed_of(TPE, 1) == 1
    assert samplers.kind({"_target_": "optuna.samplers.RandomSampler", "seed": 5}) == "random"
    assert samplers.kind({"_target_": "optuna.samplers.GridSampler"}) == "grid"
    assert samplers.kind({"_target_": "optuna.samplers.QMCSampler", "qmc_type": "halton"}) == ""


def test_a_sequence_keeps_its_seed_over_its_trials() -> None:
    node = {"_target_": "optuna.samplers.QMCSampler", "scramble": True}
    assert samplers.sampler(node, 0, "a", 0)._seed == samplers.sampler(node, 0, "a", 9)._seed


def test_nodes_inside_nodes_are_built() -> None:
    inner = {"_target_": "optuna.pruners.PercentilePruner", "percentile": 10.0}
    node = {"_target_": "optuna.pruners.PatientPruner", "wrapped_pruner": inner, "patience": 1}
    assert type(samplers.pruner(node)._wrapped_pruner).__name__ == "PercentilePruner"


@pytest.mark.parametrize(
    ("sampler", "pruner", "n_jobs", "size"),
    [
        ("random", None, None, 30),
        ("grid", None, 8, 8),
        ("tpe", None, None, 4),
        ("tpe", None, 16, 16),
        ("tpe", None, 100, 30),
        ("random", "median", None, 4),
        ("random", "successive_halving", None, 30),
    ],
)
def test_how_many_at_once(sampler: str, pruner: str | None, n_jobs: int | None, size: int) -> None:
    assert samplers.batch(sampler, pruner, n_jobs, 30) == size


WRONG = [
    ("rndom", "s: there is no sampler 'rndom', did you mean 'random'?"),
    (3, "s: expected the name of a sampler or a node with _target_, got 3."),
    ({"_target_": "os.system"}, "s._target_: 'os.system' is not one of Optuna's samplers, valid: "),
    (
        {"_target_": "optuna.samplers.TPESample"},
        "s._target_: 'optuna.samplers.TPESample' is not one of Optuna's samplers, did you mean "
        "'optuna.samplers.TPESampler'?",
    ),
    ({**TPE, "n_startup": 2}, "s: TPESampler has no key 'n_startup', did you mean 'n_startup_trials'?"),
    ({**TPE, "group": True, "multivariate": False}, "s: TPESampler: ``group`` option can only be enabled when"),
    ({**TPE, "seed": "a"}, "s.seed: expected a whole number of at least 0, got 'a'."),
]


@pytest.mark.parametrize(("node", "sentence"), WRONG, ids=[sentence for _, sentence in WRONG])
def test_a_wrong_sampler_is_refused(node: Any, sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        samplers.check_sampler(node, "s")
    assert str(raised.value).startswith(sentence)


def test_a_wrong_pruner_is_refused() -> None:
    with pytest.raises(ConfigError, match="p: there is no pruner 'meadian', did you mean 'median'"):
        samplers.check_pruner("meadian", "p")
    with pytest.raises(ConfigError, match="p: ThresholdPruner: Either lower or upper must be specified"):
        samplers.check_pruner("threshold", "p")
    with pytest.raises(ConfigError, match=r"p._target_: 'optuna.samplers.TPESampler' is not one of Optuna's pruners"):
        samplers.check_pruner(TPE, "p")


def test_a_sampler_whose_package_is_missing_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(**_: Any) -> None:
        raise ModuleNotFoundError("No module named 'cmaes'", name="cmaes")

    monkeypatch.setattr(
        optuna.samplers, "CmaEsSampler", type("CmaEsSampler", (), {"__new__": lambda c, **k: missing()})
    )
    with pytest.raises(ConfigError, match="s: CmaEsSampler needs the package 'cmaes', which is missing"):
        samplers.check_sampler("cmaes", "s")


def test_importing_the_search_loads_nothing_heavy() -> None:
    script = "import sys, labkit.search.search, labkit.search.live; print(*{n.partition('.')[0] for n in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"optuna", "scipy", "numpy", "torch", "sqlalchemy", "hydra"} & set(done.stdout.split())


HALVING = "optuna.pruners.SuccessiveHalvingPruner"
PATIENT = "optuna.pruners.PatientPruner"
HYPERBAND = "optuna.pruners.HyperbandPruner"


@pytest.mark.parametrize(
    ("pruner", "size"),
    [
        ({"_target_": HALVING, "min_resource": 60}, 30),
        ({"_target_": HALVING, "min_resource": "auto"}, 4),
        ({"_target_": HALVING}, 4),
        ({"_target_": "optuna.pruners.NopPruner"}, 30),
        ({"_target_": "optuna.pruners.MedianPruner"}, 4),
        ({"_target_": PATIENT, "patience": 1, "wrapped_pruner": {"_target_": HALVING, "min_resource": 60}}, 30),
        ({"_target_": PATIENT, "patience": 1, "wrapped_pruner": {"_target_": "optuna.pruners.MedianPruner"}}, 4),
        ({"_target_": HYPERBAND, "max_resource": 100}, 30),
        ({"_target_": HYPERBAND}, 4),
    ],
    ids=str,
)
def test_a_pruner_that_compares_with_nothing_finished_gets_all_trials_at_once(pruner: Any, size: int) -> None:
    assert samplers.batch("random", pruner, None, 30) == size


def test_hyperband_says_that_the_name_decides() -> None:
    wrapped = {"_target_": PATIENT, "patience": 1, "wrapped_pruner": {"_target_": HYPERBAND}}
    for node in ("hyperband", {"_target_": HYPERBAND}, wrapped):
        assert "from the study's name and the trial's number" in samplers.remark(node)
    for node in ("successive_halving", {"_target_": HALVING}):
        assert "nothing before a trial has finished" in samplers.remark(node)
    assert samplers.remark("median") == samplers.remark(None) == ""
    assert samplers.remark({"_target_": HALVING, "min_resource": 60}) == ""
