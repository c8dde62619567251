"""From a composed configuration to the task it names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig

from labkit.config import build
from labkit.tasks.plan import resolved


def dispatch(config: DictConfig, overrides: Sequence[str]) -> Any:
    """Do what `task` says; for a run, returns the objective of a search: `val/accuracy` at the last evaluation."""
    plain = resolved(config)
    task = build("task", plain["task"], plain["targets"])
    return task(config, overrides)
