"""`task=compare`: the leaderboard of the runs in the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from omegaconf import DictConfig

from labkit.config import ConfigError, Flag
from labkit.report.layouts import to_csv, to_markdown, to_rich
from labkit.report.leaderboard import Leaderboard, rank
from labkit.tracking.reading import runs
from labkit.tracking.store import default_store

_ROWS = 50  # on a screen; the files have all
_EXTRA = ("test/accuracy", "time/seconds")


def compare(
    *, metric: str = "val/accuracy", minimise: Flag = False, lab: str | None = None
) -> Callable[[DictConfig, Sequence[str]], None]:
    """The task: print the runs in the store, best first, with the parameters that differ.

    Args:
        metric: what ranks them.
        minimise: whether less is better.
        lab: only this lab's runs; None: all.
    """

    def task(config: DictConfig, overrides: Sequence[str]) -> None:
        uri, _ = default_store(Path(config.paths.root))
        rows = runs(uri, experiments=None if lab is None else [lab])
        if not rows:
            raise ConfigError(f"compare: there are no runs {'' if lab is None else f'of lab {lab!r} '}in {uri}.")
        show(rank(rows, metric, maximise=not minimise, extra=_EXTRA))

    return task


def children_board(root: Path, parent_id: str, metric: str = "val/accuracy") -> Leaderboard:
    """The leaderboard of a parent run's children."""
    uri, _ = default_store(root)
    return rank(runs(uri, where=f"tags.`mlflow.parentRunId` = '{parent_id}'"), metric, extra=_EXTRA[:1])


def show(board: Leaderboard) -> None:
    """Print a leaderboard."""
    from rich.console import Console

    Console().print(to_rich(board, _ROWS))


def files(board: Leaderboard) -> dict[str, str]:
    """A leaderboard as the artifacts `leaderboard.md` and `leaderboard.csv`."""
    return {"leaderboard.md": to_markdown(board), "leaderboard.csv": to_csv(board)}
