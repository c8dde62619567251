"""`task=train`: train one configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from omegaconf import DictConfig

from labkit.runs.plan import plan
from labkit.runs.result import Objective
from labkit.runs.training_run import train_plan


def train() -> Callable[[DictConfig, Sequence[str]], Objective | tuple[Objective, ...] | None]:
    """Make the task that trains one configuration and returns the objective of a search, one value or several."""

    def task(config: DictConfig, overrides: Sequence[str]) -> Objective | tuple[Objective, ...] | None:
        return train_plan(plan(config, overrides))

    return task
