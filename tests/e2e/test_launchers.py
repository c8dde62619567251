"""Every launcher for real: processes of joblib's, submitit's local executor, a Ray cluster of two workers."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from labkit.tracking.reading import runs
from labkit.tracking.rows import RunRow
from labkit.tracking.store import default_store

EXTRAS = {"submitit_local": "slurm", "submitit_slurm": "slurm", "ray": "ray"}
PLUGINS = {
    "joblib": "hydra_joblib_launcher",
    "submitit_local": "hydra_submitit_launcher",
    "submitit_slurm": "hydra_submitit_launcher",
    "ray": "hydra_ray_launcher",
}
TWO = {"joblib": ["hydra.launcher.n_jobs=2"], "submitit_local": [], "ray": ["+hydra.launcher.ray.init.num_cpus=2"]}
SWEEPS = {
    "grid": ["optimizer.lr=0.1,0.01", "seed=0,1"],
    "optuna": ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=6", "optimizer.lr=tag(log,interval(1e-3,1))"],
}
JOBS = {"grid": 4, "optuna": 6}
SHORT = ("trainer.steps=3", "model.hidden=[1500,1500]", "purpose=search")  # enough work for two threads, if allowed
LONG = ("seed=0,1", "model.hidden=16", "trainer.steps=100000000", "trainer.eval_every=1000")
SECONDS = 300


def installed(launcher: str) -> bool:
    name = PLUGINS[launcher]
    return find_spec("hydra_plugins") is not None and find_spec(f"hydra_plugins.{name}") is not None


def needs(*launchers: str) -> list[Any]:
    """The launchers as parameters, skipped with the extra's name where they are not installed."""
    return [
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                name in EXTRAS and not installed(name),
                reason=f"needs the extra: pip install 'labkit[{EXTRAS.get(name)}]'",
            ),
        )
        for name in launchers
    ]


def start(
    folder: Path, environment: dict[str, str], *words: str, output: int = subprocess.DEVNULL
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "labkit", "-m", *words]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output, text=True)


def rows_in(folder: Path) -> list[RunRow]:
    return runs(default_store(folder)[0])


def family(folder: Path) -> tuple[RunRow, list[RunRow]]:
    """The parent run and its children; there is nothing else."""
    found = rows_in(folder)
    (parent,) = [row for row in found if row.parent is None]
    children = [row for row in found if row.parent == parent.run_id]
    assert len(found) == len(children) + 1
    return parent, children


def numbers(rows: Sequence[RunRow]) -> dict[tuple[str, str], dict[str, float]]:
    """Learning rate and seed -> the metrics but for times."""
    return {
        (row.params["optimizer.lr"], row.params["seed"]): {
            key: value for key, value in row.metrics.items() if not key.startswith("time/")
        }
        for row in rows
    }


@pytest.fixture(scope="module")
def reference(process: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, float]]:
    """The numbers of the grid, from one process."""
    folder = tmp_path_factory.mktemp("basic")
    answer = process("-m", "hydra/launcher=basic", *SWEEPS["grid"], *SHORT, cwd=folder, seconds=SECONDS)
    assert answer.code == 0, answer.err
    return numbers(family(folder)[1])


@pytest.mark.slow
@pytest.mark.parametrize("sweeper", SWEEPS)
@pytest.mark.parametrize("launcher", needs("joblib", "submitit_local", "ray"))
def test_jobs_are_children_of_one_parent(
    launcher: str, sweeper: str, clean_environment: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if sweeper == "optuna" and find_spec("hydra_plugins.labkit.optuna_sweeper") is None:
        pytest.skip("there is no hydra/sweeper=optuna yet")
    words = [f"hydra/launcher={launcher}", *TWO[launcher], *SWEEPS[sweeper], *SHORT]
    environment = {name: value for name, value in clean_environment.items() if name != "OMP_NUM_THREADS"}
    running = start(tmp_path, environment, *words, output=subprocess.PIPE)
    out, err = running.communicate(timeout=SECONDS)
    assert running.returncode == 0, err
    parent, children = family(tmp_path)
    assert {row.status for row in (parent, *children)} == {"FINISHED"}
    assert len(children) == JOBS[sweeper]
    groups = [row.tags["labkit.group"] for row in children]
    assert all("threads=1 " in group for group in groups), groups
    pids = {re.search(r"pid=(\d+)", group)[1] for group in groups}  # type: ignore[index]
    assert len(pids) == (len(children) if launcher == "submitit_local" else 2)
    assert "RUNNING" not in out, "the leaderboard waits for the workers' last words"
    if sweeper == "grid":
        assert numbers(children) == request.getfixturevalue("reference")


@pytest.mark.slow
@pytest.mark.parametrize("launcher", needs("joblib", "submitit_local", "ray"))
def test_a_failed_job_is_failed_and_the_others_are_not(launcher: str, own: Path, process: Any, tmp_path: Path) -> None:
    words = ["-cd", str(own), "-m", f"hydra/launcher={launcher}", *TWO[launcher], "optimizer=broken,sgd"]
    words += ["targets=[own_parts.broken]", "trainer.epochs=1"]
    answer = process(*words, cwd=tmp_path, seconds=SECONDS, PYTHONPATH=str(own))
    parent, children = family(tmp_path)
    assert answer.code == 1
    assert parent.status == "FAILED"
    assert [row.status for row in sorted(children, key=lambda row: row.tags["labkit.reproduce"])] == [
        "FAILED",
        "FINISHED",
    ]
    assert "the loss is negative" in answer.err


@pytest.mark.slow
@pytest.mark.parametrize("launcher", needs("joblib", "submitit_local", "ray"))
def test_where_every_job_failed_each_says_why(launcher: str, own: Path, process: Any, tmp_path: Path) -> None:
    words = ["-cd", str(own), "-m", f"hydra/launcher={launcher}", *TWO[launcher], "optimizer=broken", "seed=0,1"]
    words += ["targets=[own_parts.broken]", "trainer.epochs=1"]
    answer = process(*words, cwd=tmp_path, seconds=SECONDS, PYTHONPATH=str(own))
    assert answer.code == 1
    assert [answer.err.count(f"failed: optimizer=broken seed={seed}") for seed in (0, 1)] == [1, 1]
    assert answer.err.endswith("labkit: 2 of 2 jobs failed; HYDRA_FULL_ERROR=1 shows where the first did.\n")
    assert "Traceback" not in answer.err
    assert answer.out.count("FAILED") == 2
    _, children = family(tmp_path)
    assert [row.status for row in children] == ["FAILED", "FAILED"]


# --- the command is killed


def statuses(folder: Path) -> list[str]:
    if not (folder / "mlruns" / "mlflow.db").exists():
        return []
    return sorted(row.status for row in rows_in(folder))


def wait_for(folder: Path, wanted: Sequence[str], seconds: float, running: Any = None) -> None:
    end = time.monotonic() + seconds
    while statuses(folder) != list(wanted):
        assert time.monotonic() < end, statuses(folder)
        assert running is None or running.poll() is None, "the command ended too early"
        time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", needs("joblib", "ray"))
def test_workers_end_with_the_command(launcher: str, clean_environment: dict[str, str], tmp_path: Path) -> None:
    running = start(tmp_path, clean_environment, f"hydra/launcher={launcher}", *TWO[launcher], *LONG)
    try:
        wait_for(tmp_path, ["RUNNING"] * 3, 120, running)
    finally:
        running.kill()
        running.wait()
    wait_for(tmp_path, ["KILLED"] * 3, 20)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", needs("submitit_local"))
def test_submitted_jobs_outlive_the_command_and_are_found(
    launcher: str, clean_environment: dict[str, str], process: Any, tmp_path: Path
) -> None:
    words = [
        f"hydra/launcher={launcher}",
        "seed=0,1",
        "trainer.epochs=1500",
        "purpose=search",
        "trainer.eval_every=1500",
    ]
    running = start(tmp_path, clean_environment, *words)
    try:
        wait_for(tmp_path, ["RUNNING"] * 3, 120, running)
    finally:
        running.kill()
        running.wait()
    wait_for(tmp_path, ["FINISHED", "FINISHED", "KILLED"], 120)
    answer = process("-m", *words, cwd=tmp_path, seconds=SECONDS)
    assert answer.code == 0, answer.err
    assert "2 of 2 jobs were finished before" in answer.out
    assert statuses(tmp_path) == ["FINISHED"] * 3


# --- a Ray cluster that runs already


@pytest.fixture
def cluster(clean_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster of two workers with one processor each, started as on two machines."""
    ray = shutil.which("ray", path=os.path.dirname(sys.executable))
    assert ray is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    folder = tmp_path_factory.mktemp("r")
    environment = {**clean_environment, "RAY_AUTH_MODE": "disabled"}
    common = [ray, "start", "--block", "--num-cpus=1", "--disable-usage-stats"]
    head = ["--head", f"--port={address.partition(':')[2]}", "--include-dashboard=false", f"--temp-dir={folder}"]
    nodes = []
    try:
        for words in (head, [f"--address={address}"]):
            nodes.append(
                subprocess.Popen(
                    [*common, *words],
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            )
            time.sleep(10)
        yield address
    finally:
        for node in reversed(nodes):
            os.killpg(node.pid, signal.SIGTERM)
        for node in nodes:
            node.wait(timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", needs("ray"))
def test_a_ray_cluster_of_two_workers(launcher: str, cluster: str, process: Any, tmp_path: Path) -> None:
    words = [f"hydra/launcher={launcher}", f"hydra.launcher.ray.init.address={cluster}", *SWEEPS["grid"], *SHORT]
    answer = process("-m", *words, cwd=tmp_path, seconds=SECONDS, RAY_AUTH_MODE="disabled")
    assert answer.code == 0, answer.err
    parent, children = family(tmp_path)
    assert [row.status for row in (parent, *children)] == ["FINISHED"] * 5
    assert len({row.tags["labkit.group"].partition("pid=")[2].partition(" ")[0] for row in children}) == 2


# --- no extra


@pytest.mark.parametrize("launcher", EXTRAS)
def test_a_launcher_that_is_not_installed_names_its_extra(launcher: str, labkit: Any) -> None:
    if installed(launcher):
        pytest.skip(f"the extra {EXTRAS[launcher]!r} is installed")
    answer = labkit("-m", f"hydra/launcher={launcher}", "seed=0,1")
    assert answer.code == 2
    assert answer.err == (
        f"labkit: hydra/launcher={launcher}: it is not installed; pip install 'labkit[{EXTRAS[launcher]}]' brings it.\n"
    )
    assert answer.files == []
