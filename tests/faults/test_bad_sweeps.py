"""Bad sweeps, in one table: exit code 2, one sentence that helps, and nothing written."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

OPTUNA = "hydra/sweeper=optuna 'loss.l2=tag(log,interval(1e-4,1e-1))' "
STAGES = "'+hydra.sweeper.stages={one: {sampler: random, n_trials: 2}, two: {sampler: random, n_trials: 2%s}}'"

# Words after `labkit -m` -> what the sentence must contain, in this order.
BAD = {
    # grids
    "optimizer.lrr=0.1,0.2": ["job 0", "'optimizer.lrr'", "did you mean 'optimizer.lr'?"],
    "optimizer.lr=0.1,-1": ["job 1", "optimizer.lr", "at least 0", "-1"],
    "optimizer.lr='interval(0.1,1)'": ["optimizer.lr", "no grid", "hydra.sweeper.samples=20", "hydra/sweeper=optuna"],
    "optimizer.lr='interval(0.1,1)' hydra.sweeper.samples=0": ["hydra.sweeper.samples", "at least 1", "got 0"],
    "optimizer.lr=0.1,0.2 hydra.sweeper.sample=3": ["'hydra.sweeper.sample'", "labkit --cfg hydra"],
    "seed=0,1 seeds=0": ["seeds", "at least 1", "got 0"],
    "seed=0,1 objective=val/acc": ["objective", "'val/acc'", "did you mean 'val/accuracy'?"],
    "seed=0,1 objective=test/accuracy": ["objective", "'test/accuracy'"],
    "seed=0,1 hydra.launcher.most_members=0": ["hydra.launcher", "most_members", "at least 1"],
    "seed=0,1 hydra.sweeper.baseline=optimizer.lr=0.1": ["needs quotes", "hydra.sweeper.baseline='optimizer.lr=0.1'"],
    # spaces
    "hydra/sweeper=optuna": ["hydra.sweeper.params", "the space is empty", "interval"],
    "hydra/sweeper=optuna 'optimizer.lr=tag(log,interval(0,1))'": ["optimizer.lr", "above 0", "0..1"],
    "hydra/sweeper=optuna 'optimizer.lr=interval(1,0.1)'": ["optimizer.lr", "low end comes first", "1..0.1"],
    "hydra/sweeper=optuna 'optimizer.lr=tag(lgo,interval(0.1,1))'": ["optimizer.lr", "'lgo'", "did you mean 'log'?"],
    "hydra/sweeper=optuna 'optimizer.lr=tag(log,choice(0.1,1))'": ["optimizer.lr", "'log'", "interval"],
    "hydra/sweeper=optuna 'optimizer.lrr=interval(0.1,1)'": ["'optimizer.lrr'", "did you mean 'optimizer.lr'?"],
    "hydra/sweeper=optuna 'optimizer.lr=interval(-1,1)'": ["optimizer.lr", "at least 0", "-1"],
    OPTUNA + "'+hydra.sweeper.conditions={optimizer.lr: {loss.l2: 1}}'": ["conditions", "'optimizer.lr'"],
    # samplers, pruners, stages
    OPTUNA + "hydra.sweeper.sampler=tpee": ["hydra.sweeper.sampler", "'tpee'", "did you mean 'tpe'?"],
    OPTUNA + "'hydra.sweeper.sampler={_target_: os.system}'": ["hydra.sweeper.sampler", "'os.system'"],
    OPTUNA + "hydra.sweeper.pruner=medium": ["pruner", "'medium'", "did you mean 'median'?"],
    OPTUNA + "hydra.sweeper.n_trials=0": ["n_trials", "at least 1", "0"],
    OPTUNA + "hydra.sweeper.direction=up": ["direction", "'up'"],
    OPTUNA + "'objective=[val/accuracy,val/loss]' hydra.sweeper.pruner=median": ["objectives", "prune"],
    OPTUNA + STAGES % ", zoom: {arond: 2}": ["stages.two.zoom", "'arond'", "did you mean 'around'?"],
    OPTUNA + STAGES % ", n_trails: 2": ["stages.two", "'n_trails'", "did you mean 'n_trials'?"],
    "hydra/sweeper=optuna model.activation=relu,tanh " + STAGES % ", zoom: {around: 2}": ["zoom", "choice"],
    OPTUNA + "model.activation=relu,tanh " + STAGES % ", zoom: {keys: [model.activation]}": [
        "zoom.keys",
        "model.activation",
        "choice",
    ],
    OPTUNA + "hydra.sweeper.storage=nowhere": ["hydra.sweeper.storage", "'nowhere'"],
    OPTUNA + "hydra.sweeper.storage=postgresql://me:secret@127.0.0.1:1/none": ["storage", "127.0.0.1"],
    # launchers
    "hydra/launcher=popolation seed=0,1": ["hydra/launcher", "'popolation'", "did you mean 'population'?"],
}


@pytest.mark.parametrize("words", BAD)
def test_a_bad_sweep_is_answered_in_one_sentence(labkit: Any, words: str) -> None:
    answer = labkit("-m", *shlex.split(words))
    assert answer.code == 2, (answer.err, answer.out)
    (sentence,) = [line for line in answer.err.splitlines() if line.startswith("labkit: ")]
    place = -1
    for part in BAD[words]:
        assert part in sentence[place + 1 :], (part, sentence)
        place = sentence.index(part, place + 1)
    assert "secret" not in sentence
    assert answer.files == []


def test_a_launcher_that_is_not_installed_names_its_extra(labkit: Any) -> None:
    from importlib.util import find_spec

    if find_spec("hydra_plugins.hydra_ray_launcher") is not None:
        pytest.skip("the ray launcher is installed here")
    answer = labkit("-m", "hydra/launcher=ray", "seed=0,1")
    assert answer.code == 2
    assert "labkit[ray]" in answer.err
    assert answer.files == []
