"""`task=train`: train one configuration."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from omegaconf import DictConfig

from labkit.runs.plan import plan
from labkit.runs.record import Job
from labkit.runs.result import Objective
from labkit.runs.train import execute, objective


def train() -> Callable[[DictConfig, Sequence[str]], Objective | tuple[Objective, ...] | None]:
    """The task: returns the objective of a search, one value or several."""

    def task(config: DictConfig, overrides: Sequence[str]) -> Objective | tuple[Objective, ...] | None:
        ready = plan(config, overrides)
        return objective(ready.objectives, execute(Job(ready, dict(os.environ))))

    return task
