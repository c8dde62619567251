"""The results of runs: of one, of a job, of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labkit.config import Plain
from labkit.tracking.rows import RunRow

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Result:
    """A finished run.

    Attributes:
        run_id: Id in the MLflow store; empty if nothing was recorded.
        metrics: Metrics of the last evaluation, with `test/*` where the test set was opened.
        history: Updates done and metrics of every evaluation; the last entry holds `test/*`.
        parameters: Final tensors by name, without the member axis.
        config: Resolved configuration.
        status: FINISHED, DIVERGED or PRUNED.
    """

    run_id: str
    metrics: dict[str, float]
    history: list[tuple[int, dict[str, float]]]
    parameters: Mapping[str, Tensor]
    config: Plain
    status: str = "FINISHED"


class Objective(float):
    """The number that a job returns to its sweeper; it also knows the run it came from.

    Attributes:
        run_id: Id of the run.
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
    """The outcome of a sweep; printed, it is its table.

    Attributes:
        study: the sweep's name.
        rows: Runs as the store has them, see `labkit.tracking.rows.RunRow`. Of a search stage by stage, a run that
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
    """The returns of the jobs that our sweepers hand back to Hydra, batch by batch, and the table of all runs."""

    table: Table | None = None
