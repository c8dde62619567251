"""`task=compare`: the leaderboard of the runs in the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from omegaconf import DictConfig

from labkit.config import ConfigError, Flag
from labkit.report.layouts import to_rich
from labkit.report.leaderboard import Leaderboard, rank
from labkit.tracking.reading import runs
from labkit.tracking.store import default_store

_ROWS = 50  # on a screen; the files have all
_EXTRA = ("test/accuracy", "time/seconds")


def compare(
    *, metric: str = "val/accuracy", minimise: Flag = False, lab: str | None = None, baseline: str | None = None
) -> Callable[[DictConfig, Sequence[str]], None]:
    """The task: print the runs in the store, best first, with the parameters that differ.

    Args:
        metric: what ranks them.
        minimise: whether less is better.
        lab: only this lab's runs; None: all.
        baseline: a run's name or id, or `key=value` words that pick a row: the others are compared with it, by seed.
    """

    def task(config: DictConfig, overrides: Sequence[str]) -> None:
        uri, _ = default_store(Path(config.paths.root))
        rows = runs(uri, experiments=None if lab is None else [lab])
        if not rows:
            raise ConfigError(f"compare: there are no runs {'' if lab is None else f'of lab {lab!r} '}in {uri}.")
        show(rank(rows, metric, maximise=False if minimise else None, extra=_EXTRA, baseline=baseline))

    return task


def show(board: Leaderboard) -> None:
    """Print a leaderboard."""
    from rich.console import Console

    Console().print(to_rich(board, _ROWS))
