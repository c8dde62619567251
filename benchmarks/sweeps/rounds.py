"""Measurements in turn: every one a fresh process in a fresh folder with an empty store."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.sweeps import labkit_command, start, tracking
from benchmarks.sweeps.peer import BEGAN, REPORT, Report, cores
from benchmarks.sweeps.tracking import History
from benchmarks.sweeps.work import Work

ROOT = Path(__file__).parents[2]
TIMED_STEPS = 300


@dataclass(frozen=True)
class Peer:
    """One way to do the sweep.

    Attributes:
        name: in the table.
        module: in this package; None is labkit's command line.
        precision: of the products.
        launcher: labkit's; None is the one of its config.yaml.
        workers: trials at once; the cores are shared out among them.
        timed: whether the best number of threads is found by timing some updates.
        needs: module -> extra, for what labkit itself does not install.
        own_start: draws its own first weights.
    """

    name: str
    module: str | None
    precision: str = "float32"
    launcher: str | None = None
    workers: int = 1
    timed: bool = False
    needs: Mapping[str, str] = field(default_factory=dict)
    own_start: bool = False

    def missing(self) -> str:
        """Which extra is not installed; empty if nothing is missing."""
        for module, extra in self.needs.items():
            if not _installed(module):
                return f"{module} is not installed: pip install -e '.[{extra}]'"
        return ""


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package it would be in
        return False


def peers(launchers: list[str | None]) -> list[Peer]:
    """labkit first, in both precisions and as fast as it goes, with each of its launchers."""
    ours = [
        Peer(" ".join(["labkit", precision, *([launcher] if launcher else [])]), None, precision, launcher)
        for precision in ("float32", "bfloat16", "fast")
        for launcher in launchers
    ]
    return [
        *ours,
        Peer("torch loop", "torch_loop", timed=True),
        Peer("torch loop autocast", "torch_loop", "bfloat16", timed=True),
        Peer("Optuna n_jobs=2", "optuna_jobs", workers=2),
        Peer("Hydra joblib 2", "hydra_joblib", workers=2, needs={"hydra_plugins.hydra_joblib_launcher": "bench"}),
        Peer("JAX float32", "jax_vmap", timed=True, needs={"jax": "bench"}),
        Peer("JAX bfloat16", "jax_vmap", "bfloat16", timed=True, needs={"jax": "bench"}),
        Peer("scikit-learn", "sklearn_mlp", timed=True, own_start=True),
    ]


@dataclass(frozen=True)
class Measured:
    """One measurement: its seconds, and every trial's metrics as they stand in the store."""

    report: Report
    histories: dict[float, History]


class Bench:
    """The folder with what all measurements of one work share; they each get a copy."""

    def __init__(self, work: Work, smoke: bool) -> None:
        self.work, self.smoke = work, smoke
        self._folder = Path(tempfile.mkdtemp(prefix="bench-sweeps-"))
        self.start = start.write(work, self._folder)
        tracking.create(work, self._folder)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def threads(self, peer: Peer) -> int:
        """The best number of threads of a peer; labkit chooses its own and is given 0."""
        if peer.module is None:
            return 0
        most = max(1, cores() // peer.workers)
        if not peer.timed or most == 1 or self.smoke:
            return most
        seconds = {}
        for threads in sorted({1, most}):
            with self._fresh() as folder:
                steps = str(min(TIMED_STEPS, self.start.updates))
                self._run(peer, folder, threads, "--time-steps", steps)
                seconds[threads] = self._report(folder).training
        return min(seconds, key=lambda threads: seconds[threads])

    def measure(self, peer: Peer, threads: int) -> Measured:
        """One measurement; raises RuntimeError with the last lines of what the peer said if it failed."""
        with self._fresh() as folder:
            began = time.perf_counter()
            self._run(peer, folder, threads)
            seconds = time.perf_counter() - began
            report = self._report(folder) if peer.module else labkit_command.report(self.work, folder)
            report.total = seconds
            if peer.module is None:
                report.start_up = seconds - report.training
            return Measured(report, tracking.histories(self.work, folder / tracking.STORE))

    def _run(self, peer: Peer, folder: Path, threads: int, *more: str) -> None:
        environment = _environment(threads)
        if peer.module is None:
            done = labkit_command.measure(self.work, folder, environment, peer.precision, peer.launcher)
        else:
            words = [self.work.name, "--threads", str(threads), "--precision", peer.precision, *more]
            done = subprocess.run(
                [sys.executable, "-m", f"benchmarks.sweeps.{peer.module}", *words, *["--smoke"] * self.smoke],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode:
            raise RuntimeError("\n".join((done.stdout + done.stderr).splitlines()[-12:]))

    def _fresh(self) -> _Copy:
        return _Copy(self._folder)

    def _report(self, folder: Path) -> Report:
        return Report(**json.loads((folder / REPORT).read_text()))


class _Copy:
    """A copy of a folder, for as long as the context lasts."""

    def __init__(self, source: Path) -> None:
        self._source = source

    def __enter__(self) -> Path:
        self._place = Path(tempfile.mkdtemp(prefix="bench-sweeps-"))
        shutil.copytree(self._source, self._place, dirs_exist_ok=True)
        return self._place

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self._place, ignore_errors=True)


def _environment(threads: int) -> dict[str, str]:
    from labkit.tracking.store import environment

    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "HYDRA_"))}
    path = os.pathsep.join([str(ROOT), *filter(None, [kept.get("PYTHONPATH")])])
    bounds = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    return {**kept, **environment(), **(bounds if threads else {}), "PYTHONPATH": path, BEGAN: repr(time.time())}


def interleaved(
    bench: Bench, chosen: Mapping[str, tuple[Peer, int]], rounds: int
) -> Iterator[tuple[Peer, Measured | str]]:
    """Every peer once a round, each round beginning one further; one that fails says why and is left out from then."""
    order, failed = list(chosen.values()), set()
    for number in range(rounds):
        for peer, threads in order[number % len(order) :] + order[: number % len(order)]:
            if peer.name in failed:
                continue
            try:
                yield peer, bench.measure(peer, threads)
            except RuntimeError as error:
                failed.add(peer.name)
                yield peer, str(error)
