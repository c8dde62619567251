"""What a run gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from labkit.tracking.rows import RunRow


@dataclass(frozen=True)
class Result:
    """A finished run.

    Attributes:
        run_id: in the MLflow store; empty if nothing was recorded.
        metrics: of the last evaluation, with `test/*` where the test set was opened.
        history: (updates done, metrics) of every evaluation; the last entry holds `test/*`.
        parameters: final tensors by name, without the member axis.
        config: the resolved configuration.
        status: FINISHED, DIVERGED or PRUNED.
    """

    run_id: str
    metrics: dict[str, float]
    history: list[tuple[int, dict[str, float]]]
    parameters: dict[str, Any]
    config: dict[str, Any]
    status: str = "FINISHED"


class Objective(float):
    """What a job returns to its sweeper: a number like any other, that also knows the run it came from.

    Attributes:
        run_id: of the run.
        status: FINISHED, DIVERGED or PRUNED.
    """

    run_id: str
    status: str

    def __new__(cls, value: float, run_id: str = "", status: str = "FINISHED") -> Objective:
        self = super().__new__(cls, value)
        self.run_id, self.status = run_id, status
        return self


@dataclass(frozen=True)
class Table:
    """What a sweep gives back; printed, it is its table.

    Attributes:
        study: the sweep's name.
        rows: Its runs as the store has them, see `labkit.tracking.rows.RunRow`. Of a search stage by stage, a run that
            several stages use in each of them; the tags `labkit.study`, `labkit.stage` and `labkit.trial` are those of
            this search, also where another one trained the run.
        text: the leaderboard, or a search's table, in Markdown.
    """

    study: str
    rows: Sequence[RunRow]
    text: str

    def __str__(self) -> str:
        return self.text


class Returns(list[Any]):
    """What our sweepers hand back to Hydra: the returns of the jobs, batch by batch, and the table of all runs."""

    table: Table | None = None
