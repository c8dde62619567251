"""One plan per job: what the check built is what is trained, under every sweeper and in every launcher of a process."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import Any

import pytest

from labkit import cli
from labkit.multirun.callback import Hooks
from labkit.runs import plan as plan_module
from labkit.runs import prepared_data
from labkit.runs.plan import Plan
from tests.stored import job_plan

SHORT = ("trainer.steps=2", "tracker=none")
RATES = ("-m", "optimizer.lr=0.1,0.01,0.001", *SHORT)
COMMANDS = [
    (SHORT, 1),
    (RATES, 3),
    ((*RATES, "hydra/launcher=basic"), 3),
    ((*RATES, "hydra/sweeper=basic"), 3),
    ((*RATES, "hydra/sweeper=basic", "hydra/launcher=basic"), 3),
    ((*RATES, "hydra.sweeper.max_batch_size=2"), 3),
    ((*SHORT, "trainer.precision=fast"), 1),
    ((*RATES, "hydra/sweeper=basic", "hydra/launcher=basic", "trainer.precision=fast"), 3),
]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many plans were built, and how many data sets prepared."""
    found: Counter[str] = Counter()

    def counting(name: str, made: Any) -> Any:
        def count(*given: Any, **more: Any) -> Any:
            found[name] += 1
            return made(*given, **more)

        return count

    monkeypatch.setattr(plan_module, "Plan", counting("plans", Plan))
    monkeypatch.setattr(prepared_data, "prepare", counting("sets", prepared_data.prepare))
    return found


@pytest.mark.parametrize(("words", "jobs"), COMMANDS, ids=[" ".join(words) for words, _ in COMMANDS])
def test_a_job_is_planned_once(labkit: Any, counted: Counter[str], words: tuple[str, ...], jobs: int) -> None:
    assert labkit(*words).code == 0
    assert counted == {"plans": jobs, "sets": 1}


def test_a_trial_of_a_search_is_planned_once(labkit: Any, counted: Counter[str]) -> None:
    """Beside the three corners of the space, which are checked before a study is made."""
    search = ("-m", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=2", "loss.l2=tag(log,interval(1e-4,1e-1))")
    assert labkit(*search, *SHORT).code == 0
    assert counted == {"plans": 3 + 2, "sets": 1}


def test_jobs_on_two_sets_prepare_each_twice_at_most(labkit: Any, counted: Counter[str]) -> None:
    """Once for the check of all jobs, once to train, since one set is held at a time; the last of the check stays."""
    assert labkit("-m", "data.split_seed=0,1", "seed=0,1", *SHORT).code == 0
    assert counted["plans"] == 4
    assert counted["sets"] <= 4


def test_a_plan_goes_to_the_job_of_its_number_and_words_once() -> None:
    from omegaconf import OmegaConf

    def job(number: int, *words: str) -> Any:
        return OmegaConf.create({"hydra": {"job": {"num": number}, "overrides": {"task": list(words)}}})

    hooks, plans = Hooks(), [job_plan(words=("seed=0",)), job_plan(words=("seed=1",))]
    hooks.expect(plans, 5)
    assert hooks.take(job(6, "seed=1")) is plans[1]
    assert hooks.take(job(6, "seed=1")) is None
    assert hooks.take(job(5, "seed=1")) is None


def test_workers_get_the_task_and_the_hooks_without_plans() -> None:
    entry, hooks = cli.LabkitTask(), Hooks()
    entry.plan = job_plan()
    hooks.expect([job_plan()], 0)
    assert len(pickle.dumps([entry, hooks])) < 200
    again = pickle.loads(pickle.dumps(entry))
    assert isinstance(again, cli.LabkitTask)
    assert again.plan is None
