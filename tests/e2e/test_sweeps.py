"""Multiruns as users start them: what they leave in the store and beside it, and what a second call finds to do."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labkit.tracking.reading import artifact, runs
from labkit.tracking.rows import RunRow
from labkit.tracking.store import default_store

QUICK = ("trainer.epochs=1", "trainer.threads=1")
JOBS = ("optimizer.lr=0.1,0.01", "seed=0,1", "trainer.precision=float64")
SEARCH = (
    "-m",
    *QUICK,
    "hydra/sweeper=optuna",
    "loss.l2=tag(log,interval(1e-4,1e-1))",
    "+hydra.sweeper.stages={coarse: {sampler: grid, n_trials: 3}, "
    "fine: {sampler: random, n_trials: 4, zoom: {around: 1}}}",
    "hydra.sweeper.confirm={top: 2, seeds: 2}",
    "hydra.sweeper.final={seeds: 2}",
    "hydra.sweeper.study_name=tiny",
)


def rows_in(folder: Path) -> list[RunRow]:
    return runs(default_store(folder)[0])


def children(folder: Path) -> list[RunRow]:
    return [row for row in rows_in(folder) if row.parent]


def parents(folder: Path) -> list[RunRow]:
    return [row for row in rows_in(folder) if not row.parent]


# --- both launchers


@pytest.fixture(scope="module")
def launched(labkit_in: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Path]]:
    """The same four jobs under our launcher and under Hydra's."""
    found = {}
    for launcher in ("population", "basic"):
        folder = tmp_path_factory.mktemp(launcher)
        found[launcher] = labkit_in("-m", *QUICK, *JOBS, f"hydra/launcher={launcher}", cwd=folder), folder
    return found


def test_the_population_launcher_says_what_it_chose(launched: dict[str, tuple[Any, Path]]) -> None:
    assert "population: 4 jobs, one program of 4" in launched["population"][0].err
    assert all(answer.code == 0 for answer, _ in launched.values())


def test_both_launchers_leave_the_same_runs(launched: dict[str, tuple[Any, Path]]) -> None:
    kept = {}
    for launcher, (_, folder) in launched.items():
        rows = sorted(children(folder), key=lambda row: (row.params["optimizer.lr"], row.params["seed"]))
        assert [row.status for row in rows] == ["FINISHED"] * 4
        assert len({row.parent for row in rows}) == 1
        kept[launcher] = rows
    for ours, theirs in zip(kept["population"], kept["basic"], strict=True):
        assert {k: v for k, v in ours.params.items() if "paths." not in k} == {
            k: v for k, v in theirs.params.items() if "paths." not in k
        }
        for key in ("labkit.config_hash", "labkit.seed_group", "labkit.shape", "labkit.purpose"):
            assert ours.tags[key] == theirs.tags[key]
        assert set(ours.tags) == set(theirs.tags)
        assert "members=4" in ours.tags["labkit.group"]
        assert "members=1" in theirs.tags["labkit.group"]
        timeless = [{k: v for k, v in row.metrics.items() if k != "time/seconds"} for row in (ours, theirs)]
        assert timeless[0] == pytest.approx(timeless[1], rel=1e-10)


def test_both_launchers_leave_the_same_folders(launched: dict[str, tuple[Any, Path]]) -> None:
    def written(answer: Any) -> set[str]:
        places = (Path(name).parts for name in answer.files if name.startswith("mlruns/hydra/"))
        return {"/".join(parts[3:]) for parts in places}

    ours, theirs = (written(launched[launcher][0]) for launcher in ("population", "basic"))
    assert ours == theirs
    assert {"multirun.yaml", "3/.hydra/config.yaml", "3/.hydra/hydra.yaml", "3/.hydra/overrides.yaml"} <= ours


def test_a_multirun_ends_in_a_leaderboard_and_a_page(launched: dict[str, tuple[Any, Path]]) -> None:
    answer, folder = launched["population"]
    assert re.search(r"^ *1 .* ± .* 0\.1 ", answer.out, re.M), answer.out
    place = re.search(r"^report +(\S+)$", answer.out, re.M)
    assert place
    page = (folder / place[1]).read_text()
    (parent,) = parents(folder)
    assert artifact(default_store(folder)[0], parent.run_id, "report.html").decode() == page
    for row in children(folder):
        assert row.run_id in page


# --- a grid with a memory


def test_finished_jobs_are_skipped(launched: dict[str, tuple[Any, Path]], labkit_in: Any) -> None:
    _, folder = launched["population"]
    again = labkit_in("-m", *QUICK, *JOBS, cwd=folder)
    assert again.code == 0, again.err
    assert "4 of 4 jobs were finished before" in again.out
    assert re.search(r"^ *2 ", again.out, re.M), "the leaderboard has them"
    assert len(children(folder)) == 4
    assert len(parents(folder)) == 1, "the same sweep goes on under its parent"


@pytest.mark.slow
def test_a_wider_grid_runs_what_is_missing(process: Any, tmp_path: Path) -> None:
    process("-m", *QUICK, "optimizer.lr=0.1,0.01", cwd=tmp_path)
    preview = process("-m", *QUICK, "optimizer.lr=0.1,0.01,0.02", "hydra.sweeper.dry_run=true", cwd=tmp_path)
    assert re.search(r"0 +finished .*optimizer.lr=0.1", preview.out), preview.out
    assert "3 jobs, 2 finished" in preview.out
    assert len(rows_in(tmp_path)) == 3, "a dry run writes nothing"
    more = process("-m", *QUICK, "optimizer.lr=0.1,0.01,0.02", cwd=tmp_path)
    assert "2 of 3 jobs were finished before" in more.out
    assert len(children(tmp_path)) == 3
    assert re.search(r"^ *3 ", more.out, re.M), "the leaderboard has all three"
    rerun = process("-m", *QUICK, "optimizer.lr=0.1,0.01", "hydra.sweeper.rerun=true", cwd=tmp_path)
    assert rerun.code == 0
    assert len(children(tmp_path)) == 5


@pytest.mark.slow
def test_a_failed_job_is_retried_and_the_others_are_kept(process: Any, own: Path, tmp_path: Path) -> None:
    words = ("-cd", str(own), "-m", *QUICK, "optimizer=broken,sgd", "targets=[own_parts.broken]")
    first = process(*words, cwd=tmp_path, PYTHONPATH=str(own))
    assert first.code == 1
    assert "ArithmeticError: the loss is negative" in first.err
    assert sorted(row.status for row in children(tmp_path)) == ["FAILED", "FINISHED"]
    assert [row.status for row in parents(tmp_path)] == ["FAILED"]
    process(*words, cwd=tmp_path, PYTHONPATH=str(own))
    assert sorted(row.status for row in children(tmp_path)) == ["FAILED", "FAILED", "FINISHED"]


def test_seeds_give_a_row_that_speaks_for_them(labkit_in: Any, tmp_path: Path) -> None:
    answer = labkit_in(*QUICK, "seeds=3", cwd=tmp_path)
    assert answer.code == 0, answer.err
    (parent,) = parents(tmp_path)
    values = [row.metrics["val/accuracy"] for row in children(tmp_path)]
    assert {row.params["seed"] for row in children(tmp_path)} == {"0", "1", "2"}
    assert parent.metrics["seeds"] == 3
    assert parent.metrics["val/accuracy"] == pytest.approx(sum(values) / 3)
    low, high = (parent.metrics[f"val/accuracy/{end}"] for end in ("low", "high"))
    assert low <= parent.metrics["val/accuracy"] <= high
    (page,) = (tmp_path / "mlruns/reports").iterdir()
    assert "Learning curves: mean of n = 3 seeds" in page.read_text(), "one setting has all of its curves"


@pytest.mark.slow
def test_two_configurations_have_a_row_each_and_a_baseline(process: Any, tmp_path: Path) -> None:
    words = ("-m", *QUICK, "optimizer.lr=0.1,0.001", "seeds=2", "hydra.sweeper.baseline='optimizer.lr=0.1'")
    answer = process(*words, cwd=tmp_path)
    assert answer.code == 0, answer.err
    speaking = [row for row in rows_in(tmp_path) if "labkit.seeds_of" in row.tags]
    assert sorted(row.params["optimizer.lr"] for row in speaking) == ["0.001", "0.1"]
    assert all(row.metrics["seeds"] == 2 for row in speaking)
    assert "baseline" in answer.out


# --- a search


@pytest.fixture(scope="module")
def searched(labkit_in: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    folder = tmp_path_factory.mktemp("searched")
    return labkit_in(*SEARCH, cwd=folder), folder


def test_a_search_goes_through_its_stages(searched: tuple[Any, Path]) -> None:
    answer, folder = searched
    assert answer.code == 0, answer.err
    stages: dict[str, int] = {}
    for row in children(folder):
        stages[row.tags["labkit.stage"]] = stages.get(row.tags["labkit.stage"], 0) + 1
        assert row.tags["labkit.study"] == "tiny"
        opened = any(name.startswith("test/") for name in row.metrics)
        assert opened == (row.tags["labkit.stage"] == "final"), "only the winner opens the test set"
    assert stages == {"coarse": 3, "fine": 4, "confirm": 4, "final": 2}
    seeds = {row.params["seed"] for row in children(folder) if row.tags["labkit.stage"] == "confirm"}
    assert seeds == {"1000", "1001"}


def test_a_search_leaves_a_table_and_a_page(searched: tuple[Any, Path]) -> None:
    answer, folder = searched
    (parent,) = parents(folder)
    uri = default_store(folder)[0]
    table = artifact(uri, parent.run_id, "search.csv").decode().splitlines()
    assert table[0].startswith("rank,stage")
    assert [line.split(",")[1] for line in table[1:]] == ["final", *["confirm"] * 2, *["fine"] * 4, *["coarse"] * 3]
    budget = "13 trials = 13 in 10 rows + 0 failed + 0 diverged + 0 pruned; 13 runs."
    page = (folder / "mlruns/reports/tiny.html").read_text()
    for text in (answer.out, artifact(uri, parent.run_id, "search.md").decode(), page):
        assert budget in text


def test_a_search_that_is_done_does_nothing(searched: tuple[Any, Path], labkit_in: Any) -> None:
    _, folder = searched
    before = rows_in(folder)
    answer = labkit_in(*SEARCH, cwd=folder)
    assert answer.code == 0, answer.err
    assert rows_in(folder) == before


def test_a_changed_space_is_refused_with_the_difference(searched: tuple[Any, Path], labkit_in: Any) -> None:
    changed = [word.replace("1e-4,1e-1", "1e-5,1e-1") for word in SEARCH]
    answer = labkit_in(*changed, cwd=searched[1])
    assert answer.code == 2
    assert "tiny" in answer.err
    assert "loss.l2 was 0.0001..0.1 (log), is 1e-05..0.1 (log)" in answer.err


@pytest.mark.slow
def test_a_search_that_is_killed_goes_on_to_the_same_end(
    searched: tuple[Any, Path], clean_environment: dict[str, str], process: Any, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "labkit", *SEARCH]
    running = subprocess.Popen(command, cwd=tmp_path, env=clean_environment, stderr=subprocess.DEVNULL)
    _wait(lambda: any(row.tags.get("labkit.stage") == "fine" for row in rows_in(tmp_path)))
    running.send_signal(signal.SIGKILL)
    running.wait()
    answer = process(*SEARCH, cwd=tmp_path)
    assert answer.code == 0, answer.err
    assert _values(tmp_path) == _values(searched[1])
    assert "RUNNING" not in {row.status for row in rows_in(tmp_path)}


@pytest.mark.slow
def test_a_second_search_of_the_same_study_is_told_who_holds_it(
    clean_environment: dict[str, str], process: Any, tmp_path: Path
) -> None:
    long = [word.replace("trainer.epochs=1", "trainer.epochs=2000") for word in SEARCH]
    command = [sys.executable, "-m", "labkit", *long]
    running = subprocess.Popen(command, cwd=tmp_path, env=clean_environment, stderr=subprocess.DEVNULL)
    try:
        _wait(lambda: bool(children(tmp_path)))
        answer = process(*long, cwd=tmp_path)
        assert answer.code == 2
        assert f"{running.pid}" in answer.err
        assert len(children(tmp_path)) == 3, "the second writes nothing"
    finally:
        running.kill()
        running.wait()


@pytest.mark.slow
def test_hopeless_trials_are_given_up_and_divergence_is_data(process: Any, tmp_path: Path) -> None:
    words = ("hydra/sweeper=optuna", "hydra/sweeper/sampler=random", "hydra.sweeper.pruner=median")
    budget = ("hydra.sweeper.n_trials=12", "trainer.epochs=6", "optimizer.lr=tag(log,interval(1e-5,1e6))")
    answer = process("-m", *words, *budget, cwd=tmp_path)
    assert answer.code == 0, answer.err
    pruned = [row for row in children(tmp_path) if "labkit.pruned_at" in row.tags]
    diverged = [row for row in children(tmp_path) if "labkit.diverged_at" in row.tags]
    assert pruned
    assert diverged
    for row in pruned:
        assert row.status == "KILLED"
        assert int(row.tags["labkit.pruned_at"]) < 216
    assert {row.status for row in diverged} == {"FINISHED"}


@pytest.mark.slow
def test_several_objectives_and_a_conditional_key(process: Any, tmp_path: Path) -> None:
    words = ("hydra/sweeper=optuna", "objective=[val/accuracy,time/seconds]", "hydra.sweeper.n_trials=8")
    space = ("optimizer=sgd,momentum", "optimizer.momentum=interval(0,0.99)", "optimizer.lr=interval(0.01,0.1)")
    condition = "+hydra.sweeper.conditions={optimizer.momentum: {optimizer: momentum}}"
    answer = process("-m", *QUICK, *words, *space, condition, cwd=tmp_path)
    assert answer.code == 0, answer.err
    for row in children(tmp_path):
        assert row.params["optimizer._target_"].endswith("momentum") == ("optimizer.momentum" in row.params)


def _values(folder: Path) -> dict[tuple[str, str, str], float]:
    rows = [row for row in children(folder) if row.status == "FINISHED"]
    return {
        (row.tags["labkit.stage"], row.params["loss.l2"], row.params["seed"]): row.metrics["val/accuracy"]
        for row in rows
    }


def _wait(happened: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)
