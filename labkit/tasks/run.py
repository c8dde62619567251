"""`labkit.run`: the same run as the command line's, from Python."""

from __future__ import annotations

from labkit.compose import compose
from labkit.tasks.plan import plan
from labkit.tasks.result import Result
from labkit.tasks.train import execute


def run(*overrides: str, quiet: bool = False) -> Result:
    """Train one configuration: `run("experiment=kth/ex3", "optimizer.lr=0.05")`.

    Args:
        overrides: the words that would follow `labkit` on the command line.
        quiet: print nothing.

    Raises:
        ConfigError: where the command would exit with code 2; nothing is written then.
        TrackingError: the store could not be written.
    """
    return execute(plan(compose(overrides), overrides), quiet=quiet)
