"""Jobs trained as one population end as they do alone, whatever they differ in; and who may train together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from labkit.compose import CONF, register_resolvers
from labkit.config import ConfigError
from labkit.multirun.composer import Composer
from labkit.multirun.grouping import Limits, groups
from labkit.multirun.processes import execute_side_by_side
from labkit.multirun.together import programs
from labkit.runs.plan import plan
from labkit.runs.record import Job
from labkit.runs.result import Result
from labkit.runs.training_run import execute_all
from tests.conf.memberwise_keys import MEMBERWISE

SHORT = ("trainer.steps=20", "trainer.threads=1", "trainer.eval_every=10", "tracker=none")
FLAT = ("data=peaks_generated", "data.samples=300", "model.hidden=[8,8]")
# One row of jobs per member-wise number, and rows that mix them.
FAMILIES: dict[str, tuple[tuple[str, ...], Sequence[str]]] = {
    "seed": (FLAT, ("seed=0", "seed=1", "seed=2")),
    "learning rate": (FLAT, ("optimizer.lr=0.1", "optimizer.lr=0.01", "optimizer.lr=0.3")),
    "momentum": ((*FLAT, "optimizer=momentum"), ("optimizer.momentum=0.9", "optimizer.momentum=0.0")),
    "weight decay": (FLAT, ("optimizer.weight_decay=0", "optimizer.weight_decay=0.01")),
    "adam": ((*FLAT, "optimizer=adam"), ("optimizer.beta1=0.8", "optimizer.beta2=0.9", "optimizer.epsilon=0.1")),
    "adamw": ((*FLAT, "optimizer=adamw"), ("optimizer.weight_decay=0", "optimizer.weight_decay=2.0")),
    "lion": ((*FLAT, "optimizer=lion"), ("optimizer.weight_decay=0", "optimizer.weight_decay=2.0 optimizer.beta1=0.8")),
    "rmsprop": ((*FLAT, "optimizer=rmsprop"), ("optimizer.decay=0.8", "optimizer.lr=0.002")),
    "l2": (FLAT, ("loss.l2=0", "loss.l2=0.1", "loss.l2={linear_1: 0.5}")),
    "gain": (FLAT, ("init.gain=1", "init.gain=0.5")),
    "dropout": ((*FLAT, "model.dropout=0.2"), ("model.dropout=0.1", "model.dropout=0.5", "model.dropout=1.0")),
    "augmentation": (("data=digits",), ("preprocess.noise=0", "preprocess.noise=0.5", "preprocess.shift=1")),
    "cyclic": (
        (*FLAT, "schedule=cyclic", "schedule.step_size=5", "schedule.cycles=2", "trainer.steps=null"),
        ("schedule.lr_max=0.1", "schedule.lr_min=0.001", "schedule.peak_decay=0.5"),
    ),
    "several at once": (FLAT, ("optimizer.lr=0.1 seed=3", "loss.l2=0.01", "init.gain=2 seed=3")),
    "convolutions": (
        ("data=cluttered_digits", "data.samples=200", "model=cnn", "trainer.batch_size=2"),
        ("optimizer.lr=0.1", "optimizer.lr=0.01"),
    ),
}


@pytest.fixture(scope="module")
def compose_jobs() -> Any:
    """`compose_jobs(words, rows)`: the configurations of a multirun's jobs."""
    register_resolvers()
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=str(CONF), version_base="1.3", job_name="labkit"):
        loader = GlobalHydra.instance().config_loader()

        def composed(words: Sequence[str], rows: Sequence[str]) -> list[DictConfig]:
            master = loader.load_configuration("config", list(words), run_mode=RunMode.MULTIRUN)
            composer = Composer(loader, master)
            return [composer.numbered([*words, *row.split(" ")], i) for i, row in enumerate(quoted(rows))]

        yield composed
    HydraConfig.instance().cfg = None


def quoted(rows: Sequence[str]) -> list[str]:
    return [row.replace(": ", ":") for row in rows]


def alone(config: DictConfig) -> Result:
    (result,) = execute_all([Job(plan(config), {})], quiet=True)
    assert isinstance(result, Result)
    return result


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_population_gives_what_its_members_give_alone(
    compose_jobs: Any, family: str, precision: str, tolerance: float, capsys: pytest.CaptureFixture[str]
) -> None:
    words, rows = FAMILIES[family]
    short = tuple(word for word in SHORT if word.partition("=")[0] not in {w.partition("=")[0] for w in words})
    configs = compose_jobs((*short, *words, f"trainer.precision={precision}"), rows)
    found = list(programs(configs, {}))
    assert [members for members, _ in found] == [tuple(range(len(rows)))], "they must share one program"
    assert f"population: {len(rows)} jobs, one program of {len(rows)}" in capsys.readouterr().err
    _, train = found[0]
    answers = train(list(configs))
    for config, answer in zip(configs, answers, strict=True):
        single = alone(config).metrics["val/accuracy"]
        assert float(answer) == pytest.approx(single, rel=tolerance), config.optimizer


def test_every_memberwise_number_is_in_a_family() -> None:
    told = " ".join(word for words, rows in FAMILIES.values() for word in (*words, *rows))
    missing = {key for key in MEMBERWISE if f"{key}=" not in told} - {"schedule.lr_end", "preprocess.mirror"}
    assert not missing


@pytest.mark.parametrize(
    "rows",
    [
        ("model.activation=relu", "model.activation=tanh"),
        ("trainer.batch_size=16", "trainer.batch_size=32"),
        ("data.split_seed=0", "data.split_seed=1"),
        ("optimizer=sgd", "optimizer=momentum"),
        ("init=glorot", "init=he"),
        ("purpose=search", "purpose=comparison"),
        ("trainer.steps=20", "trainer.steps=21"),
        ("model.hidden=[8]", "model.hidden=[9]"),
    ],
    ids=lambda rows: rows[0].split("=")[0],
)
def test_structure_splits_groups(compose_jobs: Any, rows: Sequence[str]) -> None:
    words = [*SHORT, *FLAT[:2], *(["model.hidden=[8,8]"] if "hidden" not in rows[0] else [])]
    found = list(programs(compose_jobs(words, (*rows, rows[0])), {}))
    assert sorted(members for members, _ in found) == [(0, 2), (1,)]


def test_a_group_keeps_to_its_limits(compose_jobs: Any) -> None:
    configs = compose_jobs((*SHORT, *FLAT), [f"seed={seed}" for seed in range(7)])
    plans = [plan(config) for config in configs]
    assert [group.members for group in groups(plans, Limits(most_members=3))] == [(0, 1, 2), (3, 4, 5), (6,)]
    small = groups(plans, Limits(memory_gib=1e-9))
    assert [len(group.members) for group in small] == [1] * 7
    assert "memory" in groups(plans, Limits(memory_gib=2e-4))[0].why or len(groups(plans, Limits(memory_gib=2e-4))) == 1


def test_a_wrong_limit_is_one_sentence(compose_jobs: Any) -> None:
    with pytest.raises(ConfigError, match=r"hydra\.launcher: unknown key 'most'"):
        list(programs(compose_jobs((*SHORT, *FLAT), ["seed=0"]), {"most": 3}))


def test_a_member_that_diverges_leaves_the_others_alone(compose_jobs: Any) -> None:
    configs = compose_jobs((*SHORT, *FLAT), ["optimizer.lr=0.1", "optimizer.lr=1e30", "optimizer.lr=0.05"])
    ((_, train),) = programs(configs, {})
    good, bad, other = train(list(configs))
    assert (good.status, bad.status, other.status) == ("FINISHED", "DIVERGED", "FINISHED")
    assert float(good) == alone(configs[0]).metrics["val/accuracy"]


@pytest.mark.parametrize("broken", [{2}, {0, 4}, {0, 1, 2, 3, 4}])
def test_a_broken_member_leaves_the_others_alone(
    compose_jobs: Any, monkeypatch: Any, capsys: Any, broken: set[int]
) -> None:
    from labkit.runs import training_run as module

    train_population = module.train_population

    def train_unless_broken(recipes: Any, *more: Any) -> Any:
        if broken & {one.seed for one in recipes}:
            raise ArithmeticError("no")
        return train_population(recipes, *more)

    monkeypatch.setattr(module, "train_population", train_unless_broken)
    configs = compose_jobs((*SHORT, *FLAT), [f"seed={seed}" for seed in range(5)])
    ((_, train),) = programs(configs, {})
    answers = train(list(configs))
    for seed, (answer, config) in enumerate(zip(answers, configs, strict=True)):
        if seed in broken:
            assert isinstance(answer, ArithmeticError)
        else:
            monkeypatch.setattr(module, "train_population", train_population)
            assert float(answer) == alone(config).metrics["val/accuracy"]
    assert "population: ArithmeticError: no; its 5 jobs train in two halves" in capsys.readouterr().err


@pytest.mark.slow
def test_side_by_side_gives_what_one_process_gives(compose_jobs: Any) -> None:
    rows = ["optimizer.lr=0.1", "optimizer.lr=0.01", "optimizer.lr=1e30"]
    configs = compose_jobs((*SHORT, *FLAT), rows)
    jobs = [Job(plan(config), {}) for config in configs]
    results = execute_side_by_side(jobs, 2, quiet=True)
    assert [result.status for result in results] == ["FINISHED", "FINISHED", "DIVERGED"]  # type: ignore[union-attr]
    for config, result in zip(configs[:2], results[:2], strict=True):
        single = alone(config)
        assert isinstance(result, Result)
        assert result.metrics["val/loss"] == single.metrics["val/loss"]
        assert all(torch.equal(result.parameters[name], tensor) for name, tensor in single.parameters.items())
