"""`labkit.run`: the same run as the command line's, from Python."""

from __future__ import annotations

import os

from labkit.compose import compose
from labkit.config import ConfigError
from labkit.tasks.multirun import task_name
from labkit.tasks.plan import forget_data, plan
from labkit.tasks.recording import Job
from labkit.tasks.result import Result
from labkit.tasks.train import execute


def run(*overrides: str, quiet: bool = False) -> Result:
    """Train one configuration: `run("experiment=kth/ex3", "optimizer.lr=0.05")`.

    Args:
        overrides: the words that would follow `labkit` on the command line.
        quiet: print nothing.

    Raises:
        ConfigError: where the command would exit with code 2; nothing is written then.
        TrackingError: the store could not be written. The last values are written after the return, at the latest when
            Python ends; what is lost then is said on stderr.
    """
    config = compose(overrides)
    if task_name(config) != "train" or str(config.hydra.mode).endswith("MULTIRUN"):
        raise ConfigError("run: it trains one configuration; other tasks and sweeps are for the command line.")
    try:
        return execute(Job(plan(config, overrides), dict(os.environ)), quiet=quiet)
    finally:
        forget_data()
