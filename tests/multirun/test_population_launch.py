"""Every sweep of ours, on its real data: what the population launcher groups ends as it does job by job."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode

from labkit.compose import CONF, register_resolvers
from labkit.multirun import space_grammar
from labkit.multirun.composer import Composer, grid
from labkit.multirun.sweeper_settings import sweep_params
from labkit.multirun.together import programs
from labkit.runs.plan import plan
from labkit.runs.prepared_data import PreparedData
from labkit.runs.record import Job
from labkit.runs.result import Result
from labkit.runs.training_run import execute_all
from labkit.search.space import Space
from labkit.words import Words, merged

SWEEPS = sorted(str(p.relative_to(CONF / "sweeps").with_suffix("")) for p in (CONF / "sweeps").glob("**/*.yaml"))
STRUCTURAL = {"boulder/activation", "boulder/batch_size", "boulder/skips"}  # their jobs differ in structure
SHORT = ("data.train_size=400", "tracker=none", "trainer.threads=1", "hydra.mode=RUN", "objective=val/loss")
TAME = (0.0, 0.25, 0.5)  # shares of the ranges: at a rate of 1 a rounding error is a different network 20 updates later
JOBS = 12


def short_jobs(config: Any) -> list[Words]:
    """The first points of a sweep, 20 updates each."""
    params = sweep_params(config)
    overrides = OverridesParser.create().parse_overrides([f"{key}={value}" for key, value in params.items()])
    if config.hydra.sweeper.get("stages"):
        space = space_grammar.space(overrides, {})
        rows = [space_grammar.words(space.at(_shares(space, share)), space) for share in TAME]
    else:
        rows = grid(overrides)
    cyclic = config.schedule._target_.endswith(".cyclic")
    length = ("schedule.step_size=10", "schedule.step_unit=updates", "schedule.cycles=1")
    rest = length if cyclic else ("trainer.steps=20", "trainer.epochs=null", "trainer.eval_every=10")
    return [merged(row, SHORT, rest) for row in rows[:JOBS]]


def _shares(space: Space, share: float) -> list[float]:
    """Of numbers the share; of choices the first, since other batch sizes or depths are other programs."""
    return [0.0 if dimension.choices else share for dimension in space.dimensions]


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.skipif("LABKIT_DATA" not in os.environ, reason="LABKIT_DATA is not set")
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
@pytest.mark.parametrize("sweep", SWEEPS)
def test_a_sweep_trains_together_as_it_does_alone(sweep: str, precision: str, tolerance: float) -> None:
    register_resolvers()
    GlobalHydra.instance().clear()
    words = [f"sweeps={sweep}", f"trainer.precision={precision}"]
    with initialize_config_dir(config_dir=str(CONF), version_base="1.3", job_name="labkit"):
        loader = GlobalHydra.instance().config_loader()
        master = loader.load_configuration("config", words, run_mode=RunMode.MULTIRUN)
        composer = Composer(loader, master)
        configs = [composer.numbered(merged(words, row), i) for i, row in enumerate(short_jobs(master))]
        sizes, prepared = [], PreparedData()
        for members, train in programs(configs, {"processes": 1}):
            sizes.append(len(members))
            for config, answer in zip([configs[i] for i in members], train([]), strict=True):
                (alone,) = execute_all([Job(plan(config, prepared=prepared), {})], quiet=True)
                assert isinstance(alone, Result)
                # What diverges together diverges alone: there, and only there, both are NaN.
                assert float(answer) == pytest.approx(alone.metrics["val/loss"], rel=tolerance, nan_ok=True)
    assert max(sizes) > 1 or sweep in STRUCTURAL, "the population launcher must group the jobs"
