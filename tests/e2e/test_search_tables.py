"""A search's table has every run that the search used, whoever trained it, and says what became of the whole budget."""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labkit.multirun import search_outcome
from labkit.tracking import session
from labkit.tracking.reading import runs
from labkit.tracking.rows import RunRow
from labkit.tracking.store import default_store

GRID = ("-m", "trainer.steps=3", "hydra/sweeper=optuna", "hydra.sweeper.sampler=grid")
TWO = ("model.hidden=choice([4],[8])", "hydra.sweeper.n_trials=2")


@pytest.fixture
def search(labkit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A search in a folder of its own, without its page; what it said on both streams."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(search_outcome, "search_page", lambda *_: "")  # half a second of figures

    def command(*words: str) -> str:
        answer = labkit(*GRID, *words)
        assert answer.code == 0, answer.err
        return str(answer.err + answer.out)

    with session.keep_open():
        yield command


def trained(folder: Path) -> list[RunRow]:
    return [row for row in runs(default_store(folder)[0]) if "labkit.sweep" not in row.tags]


def table(said: str) -> list[list[str]]:
    """The cells of every row of the results, and their column's name with them."""
    lines = [line for line in said.splitlines() if re.match(r"\| (\d+|-|rank) \|", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def column(said: str, name: str) -> list[str]:
    heads, *rows = table(said)
    return [row[heads.index(name)] for row in rows]


def value(row: RunRow, metric: str) -> str:
    number = row.metrics[metric]
    return f"{100 * number:.2f}" if metric.endswith("accuracy") else f"{number:.4g}"


def test_runs_of_other_searches_are_in_the_table_of_one_that_uses_them(search: Any, tmp_path: Path) -> None:
    search(*TWO)
    first = {row.params["model.hidden"]: row for row in trained(tmp_path)}
    said = search("model.hidden=choice([4],[8],[2])", "hydra.sweeper.n_trials=3", "hydra.sweeper.study_name=three")
    assert "search: 2 of 3 runs were trained before" in said
    assert "3 trials = 3 rows + 0 failed + 0 diverged + 0 pruned; 3 runs." in said
    every = {row.params["model.hidden"]: row for row in trained(tmp_path)}
    best_first = sorted(every, key=lambda hidden: -every[hidden].metrics["val/accuracy"])
    assert column(said, "model.hidden") == best_first
    assert column(said, "val/accuracy (%)") == [value(every[hidden], "val/accuracy") for hidden in best_first]
    assert {every[hidden].run_id for hidden in first} == {row.run_id for row in first.values()}

    said = search(*TWO, "objective=val/loss")  # another search, on the same runs
    lowest_first = sorted(first, key=lambda hidden: first[hidden].metrics["val/loss"])
    assert column(said, "val/loss") == [value(first[hidden], "val/loss") for hidden in lowest_first]

    said = search(*TWO, "seeds=3")
    assert column(said, "n") == ["3", "3"]
    for hidden, mean in zip(column(said, "model.hidden"), column(said, "val/accuracy (%)"), strict=True):
        own = [row for row in trained(tmp_path) if row.params["model.hidden"] == hidden]
        assert len(own) == 3
        expected = 100 * math.fsum(row.metrics["val/accuracy"] for row in own) / 3
        assert float(mean.split()[0]) == pytest.approx(expected, abs=0.006)
    assert len(trained(tmp_path)) == 7


def test_what_the_store_has_no_longer_is_said_and_trained_again(
    search: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = search(*TWO)
    best, other = column(before, "model.hidden")
    change(tmp_path, "lifecycle_stage = 'deleted'", best)
    change(tmp_path, "status = 'RUNNING'", other)  # as a writer leaves it that dies after the trial was told
    again = search(*TWO)
    place = {"[4]": 0, "[8]": 1}
    assert "search: 2 of 2 finished trials no longer count and are run again: trial " in again
    assert f"{place[best]} (its run was deleted)" in again
    assert f"{place[other]} (its run did not finish: RUNNING in the store)" in again
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    elsewhere = search(*TWO)
    assert f"trial 0, 1 (its run is not in the store sqlite:///{tmp_path}/other.db)" in elsewhere
    for name in ("model.hidden", "val/accuracy (%)"):
        assert column(before, name) == column(again, name) == column(elsewhere, name)
    every = [run_id for said in (before, again, elsewhere) for run_id in column(said, "runs")]
    assert len({*every}) == 6


def change(folder: Path, what: str, hidden: str) -> None:
    """Change the newest run of a point in the store, as its owner or an accident does."""
    run_id = next(row.run_id for row in reversed(trained(folder)) if row.params["model.hidden"] == hidden)
    with sqlite3.connect(folder / "mlruns" / "mlflow.db") as connection:
        connection.execute(f"update runs set {what} where run_uuid = ?", (run_id,))


def test_a_search_that_was_killed_before_its_table_keeps_it_in_the_next_call(search: Any, tmp_path: Path) -> None:
    said = search(*TWO)
    assert "report " in said
    (parent,) = (row for row in runs(default_store(tmp_path)[0]) if row.is_sweep)
    kept = {file: file.read_text() for file in tmp_path.glob(f"mlruns/artifacts/*/{parent.run_id}/artifacts/search.*")}
    assert {file.name for file in kept} == {"search.csv", "search.md"}
    for file in kept:
        file.unlink()
    with sqlite3.connect(tmp_path / "mlruns" / "mlflow.db") as connection:
        connection.execute("update runs set status = 'KILLED' where run_uuid = ?", (parent.run_id,))
    assert "report " in search(*TWO)
    (again,) = (row for row in runs(default_store(tmp_path)[0]) if row.is_sweep)
    assert (again.run_id, again.status) == (parent.run_id, "FINISHED")
    assert {file: file.read_text() for file in kept} == kept
    assert "report " not in search(*TWO), "where all is kept, nothing of the store changes"
