"""Made-up runs of a store, made-up plans of jobs, and a tracker that answers every question from its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from labkit.compose import compose
from labkit.runs.plan import Plan, plan
from labkit.tracking.queries import Queries, Wanted
from labkit.tracking.rows import RunRow


def run_row(run_id: str, tags: dict[str, str] | None = None, **about: Any) -> RunRow:
    """Return a finished run.

    Args:
        run_id: Its id, and its name unless told.
        tags: Values of tags, the names without their `labkit.`.
        about: Other fields of the row; parameters of any type become text.
    """
    told = {name if "." in name else f"labkit.{name}": value for name, value in (tags or {}).items()}
    params = {key: str(value) for key, value in about.pop("params", {}).items()}
    return RunRow(run_id, **{"name": run_id, "tags": told, "params": params, **about})


@cache
def _default_plan() -> Plan:
    return plan(compose([]))


def job_plan(config_hash: str = "h", **about: Any) -> Plan:
    """Return the plan of the default configuration under another hash.

    Args:
        config_hash: Its hash.
        about: Other fields of the plan.
    """
    told = {"config_hash": config_hash, "shape": "", "seed_group": "", "settings_hash": "", "curves": "", **about}
    return replace(_default_plan(), **told)


class Store(Queries):
    """A tracker of rows; `asked` counts questions, `deleted` names runs that were deleted and can be restored."""

    def __init__(self, *rows: RunRow, deleted: Sequence[str] = ()) -> None:
        self.rows, self.deleted, self.asked = rows, deleted, 0

    def find(self, wanted: Wanted = Wanted()) -> list[RunRow]:  # noqa: B008
        self.asked += 1
        return [row for row in self.rows if wanted.fits(row) and (row.run_id in self.deleted) == wanted.deleted]
