"""The peers of `make bench-sweeps` at tiny size: the same start, batches and rates as labkit, and the same metrics."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks.sweeps import start, tracking  # noqa: E402
from benchmarks.sweeps.dataset import load  # noqa: E402
from benchmarks.sweeps.labkit_command import report  # noqa: E402
from benchmarks.sweeps.measures import LOGGED, row  # noqa: E402
from benchmarks.sweeps.peer import BEGAN, REPORT, Report, Task  # noqa: E402
from benchmarks.sweeps.rounds import Measured, Peer, interleaved  # noqa: E402
from benchmarks.sweeps.table import lines, ratio  # noqa: E402
from benchmarks.sweeps.verdict import Verdict, judge  # noqa: E402
from benchmarks.sweeps.work import KTH, PEAKS, WORKS, Cycle, Tolerance  # noqa: E402

pytestmark = pytest.mark.slow  # of `make bench-sweeps` alone
TINY = PEAKS.smoke()


def write_peaks(root: Path) -> None:
    """A file with the layout of the course's: 60 points of five classes."""
    from scipy.io import savemat

    drawn = np.random.default_rng(0)
    points, labels = drawn.standard_normal((2, 60)) * [[1.0], [3.0]] + 1, np.arange(60) % 5
    (root / "bgu").mkdir()
    savemat(root / "bgu" / "PeaksData.mat", {"Yt": points, "Ct": np.eye(5)[labels].T})


def tiny_start() -> start.Start:
    """Two epochs of 50 samples in batches of 32, and weights from numpy."""
    drawn = np.random.default_rng(1)
    order = np.full((2, 64), -1)
    order[:, :50] = [drawn.permutation(50) for _ in range(2)]
    sizes = (2, 16, 16, 16, 16, 5)
    parameters: list[np.ndarray] = []
    for before, after in pairwise(sizes):
        parameters += [drawn.standard_normal((after, before)) / np.sqrt(before), np.zeros(after)]
    return start.Start(
        np.arange(50),
        np.arange(50, 60),
        order.reshape(-1, 32).astype(np.int32),
        np.array([0, 2, 4]),
        [parameter.astype(np.float32) for parameter in parameters],
    )


def by_hand(begin: start.Start, root: Path, rates: list[float], l2: float = 0.0) -> dict[int, dict[str, float]]:
    """The metrics of a trial in float64 numpy, gradients written out."""
    from scipy.io import loadmat

    stored = loadmat(root / "bgu" / "PeaksData.mat")
    points, labels = stored["Yt"].T, stored["Ct"].argmax(0)
    points = (points - points[:50].mean(0)) / points[:50].std(0)
    theta = [parameter.astype(float) for parameter in begin.parameters]

    def forward(x: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        outputs = [x]
        for i in range(0, 8, 2):
            outputs.append(np.tanh(outputs[-1] @ theta[i].T + theta[i + 1]))
        scores = outputs[-1] @ theta[8].T + theta[9]
        shifted = np.exp(scores - scores.max(1, keepdims=True))
        return outputs, shifted / shifted.sum(1, keepdims=True)

    def evaluate(rate: float) -> dict[str, float]:
        measured: dict[str, float] = {"lr": rate}
        penalty = l2 * sum(float((weight**2).sum()) for weight in theta[::2])
        for name, part in (("train", slice(0, 50)), ("val", slice(50, 60))):
            probability, truth = forward(points[part])[1], labels[part]
            loss = -np.log(probability[np.arange(len(truth)), truth]).mean()
            confusion = np.zeros((5, 5))
            np.add.at(confusion, (truth, probability.argmax(1)), 1)
            measured |= row(name, loss, penalty, confusion)
        return measured

    found = {0: evaluate(rates[0])}
    for step, (batch, rate) in enumerate(zip(begin.batches, rates, strict=True), 1):
        places = batch[batch >= 0]
        outputs, probability = forward(points[places])
        delta = (probability - np.eye(5)[labels[places]]) / len(places)
        for i in range(8, -1, -2):
            weight = theta[i].copy()
            theta[i] -= rate * (delta.T @ outputs[i // 2] + 2 * l2 * weight)
            theta[i + 1] -= rate * delta.sum(0)
            delta = (delta @ weight) * (1 - outputs[i // 2] ** 2)
        if step in begin.evaluations:
            found[step] = evaluate(rate)
    return found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and start, as the parent of all measurements prepares it."""
    folder = tmp_path_factory.mktemp("shared")
    write_peaks(folder)
    begin = tiny_start()
    named = {f"parameter_{i:02}": parameter for i, parameter in enumerate(begin.parameters)}
    fields = {name: getattr(begin, name) for name in ("train", "validation", "batches", "evaluations")}
    np.savez(folder / start.FILE, **fields, **named)
    tracking.create(TINY, folder)
    return folder


def peer(module: str, shared: Path, folder: Path, *words: str) -> tuple[Report, dict[float, tracking.History]]:
    """Run a peer in a copy of the shared folder; its report and what its store holds."""
    import shutil

    shutil.copytree(shared, folder, dirs_exist_ok=True)
    bounds = {"OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true", BEGAN: "0"}
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.sweeps.{module}", "peaks", "--smoke", *words],
        cwd=folder,
        env={**os.environ, **bounds, "PYTHONPATH": str(ROOT), "LABKIT_DATA": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return Report(**json.loads((folder / REPORT).read_text())), tracking.histories(TINY, folder / tracking.STORE)


def same_as_by_hand(found: dict[float, tracking.History], shared: Path) -> None:
    """Every metric of every evaluation of every trial."""
    assert set(found) == set(TINY.values)
    for value, history in found.items():
        expected = by_hand(tiny_start(), shared, [value] * 4)
        assert set(history) == set(expected)
        for step, measured in expected.items():
            assert set(history[step]) == LOGGED
            assert history[step] == pytest.approx(measured, rel=1e-4, abs=1e-7)


def test_torch_loop_against_numpy(shared: Path, tmp_path: Path) -> None:
    told, found = peer("torch_loop", shared, tmp_path)
    same_as_by_hand(found, shared)
    assert told.training > told.evaluating > 0
    assert told.logging > 0


CYCLIC = replace(TINY, key="loss.l2", values=(0.001, 0.02), cycle=Cycle(0.01, 0.3, 2))


def check_cyclic(histories: list[dict[int, dict[str, float]]], shared: Path) -> None:
    """The trials of `CYCLIC` against numpy: L2 and rates that change."""
    for l2, history in zip(CYCLIC.values, histories, strict=True):
        expected = by_hand(tiny_start(), shared, [0.155, 0.3, 0.155, 0.01], l2)
        assert set(history) == set(expected)
        for step, measured in expected.items():
            assert history[step] == pytest.approx(measured, rel=1e-4, abs=1e-7)


def test_torch_loop_with_l2_and_cyclic_rates(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.sweeps.torch_loop import evaluate, tensors, train

    monkeypatch.setenv("LABKIT_DATA", str(shared))
    begin = tiny_start()
    data = tensors(*load(CYCLIC, begin))
    found = [
        {
            step: {"lr": rate, **evaluate(CYCLIC, model, l2, data)}
            for step, model, rate in train(CYCLIC, begin, l2, data)
        }
        for l2 in CYCLIC.values
    ]
    check_cyclic(found, shared)


def test_jax_with_l2_and_cyclic_rates(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jax")
    from benchmarks.sweeps.jax_vmap import train

    monkeypatch.setenv("LABKIT_DATA", str(shared))
    given = Task(CYCLIC, tiny_start(), 1, "float32")
    check_cyclic([dict(history) for history in train(given, load(CYCLIC, given.start))], shared)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "needs"),
    [("optuna_jobs", "optuna"), ("hydra_joblib", "hydra_plugins.hydra_joblib_launcher"), ("jax_vmap", "jax")],
)
def test_other_peers_against_numpy(module: str, needs: str, shared: Path, tmp_path: Path) -> None:
    pytest.importorskip(needs)
    told, found = peer(module, shared, tmp_path)
    same_as_by_hand(found, shared)
    assert told.training > 0


@pytest.mark.slow
def test_scikit_learn_logs_the_same_metrics(shared: Path, tmp_path: Path) -> None:
    _, found = peer("sklearn_mlp", shared, tmp_path)
    assert set(found) == set(TINY.values)
    for history in found.values():
        assert {step: set(measured) for step, measured in history.items()} == {key: set(LOGGED) for key in (2, 4)}


@pytest.mark.parametrize("name", WORKS)
def test_every_work_at_both_sizes(name: str) -> None:
    work = WORKS[name]
    small = work.smoke()
    assert set(small.values) < set(work.values)
    words = small.words("bfloat16", "basic")
    assert words[0] == "-m"
    assert f"{work.key}={','.join(map(repr, small.values))}" in words
    assert {"trainer.precision=bfloat16", "hydra/launcher=basic", "purpose=search"} <= set(words)
    assert not any(word.startswith("hydra/launcher") for word in work.words("float32", None))


def test_every_work_composes_into_what_the_peers_build() -> None:
    """The network, the batch size and the rates of labkit's own configuration, for the embedded stand-in of no data."""
    from labkit.compose import compose
    from labkit.config import build
    from labkit.runs.plan import resolved

    for work in WORKS.values():
        config = resolved(compose(work.single()))
        assert config["model"]["activation"] == work.activation
        hidden = config["model"]["hidden"]
        assert (tuple(hidden) if isinstance(hidden, list) else (hidden,)) == work.hidden
        assert tuple(config["model"].get("channels", ())) == work.channels
        assert config["model"].get("extra", 0) == len(work.keeping)
        assert config["optimizer"].get("momentum", 0.0) == work.momentum
        assert (config["preprocess"]["normalise"] == "feature") == work.normalise
        assert work.data in config["data"]["_target_"]
        assert build("schedule", config["schedule"]).kind == ("cyclic" if work.cycle else "constant")


def test_cyclic_rates_are_labkits() -> None:
    import torch

    from labkit.optim.schedules import Length, cyclic

    work = replace(KTH, cycle=Cycle(1e-5, 1e-1, 7))
    schedule = cyclic(lr_min=1e-5, lr_max=1e-1, step_size=7, cycles=2)
    numbers = {key: torch.tensor([value], dtype=torch.float64) for key, value in schedule.numbers.items()}
    t = torch.arange(1, 29, dtype=torch.float64).unsqueeze(1)
    expected = schedule.rates(t, numbers, Length(10, 10, 1, 28))[:, 0].numpy()
    np.testing.assert_allclose(work.rates(0.0, 28), expected, rtol=1e-12)


def stored(accuracy: float, **more: float) -> dict[float, Any]:
    """A store's trials, all with one validation accuracy at updates 0 and 4."""
    measured = {**dict.fromkeys(LOGGED, 1.0), "val/accuracy": accuracy, **more}
    return {value: {0: measured, 4: measured} for value in TINY.values}


@pytest.mark.parametrize(
    ("found", "own_start", "says"),
    [
        (stored(0.5), False, []),
        (stored(0.503), False, ["mean", "best", "a trial's accuracy"]),
        (stored(0.503), True, []),
        (stored(0.5, **{"val/loss": 1.1}), False, ["a trial's val/loss"]),
        (stored(float("nan")), False, ["mean", "best", "a trial's accuracy"]),
        (dict(list(stored(0.5).items())[1:]), False, ["no finished run"]),
        ({value: {4: history[4]} for value, history in stored(0.5).items()}, True, []),
        ({value: {4: history[4]} for value, history in stored(0.5).items()}, False, ["nothing logged at 0"]),
    ],
)
def test_verdict(found: dict[float, Any], own_start: bool, says: list[str]) -> None:
    tolerance = Tolerance(0.002, 0.002, 0.01, 1e-3)
    problems = judge(TINY, [0, 4], found, stored(0.5), tolerance, own_start).problems
    for clause in says:
        assert any(clause in problem for problem in problems), (clause, problems)
    assert bool(problems) == bool(says)


def test_ratios_are_taken_within_rounds_and_the_table_has_a_line_each() -> None:
    def measured(*totals: float) -> list[Measured]:
        return [Measured(Report(total=total, training=total / 2), {}) for total in totals]

    columns = {"labkit float32": measured(1.0, 10.0, 2.0), "torch loop": measured(3.0, 20.0, 10.0)}
    assert ratio(columns, "torch loop", "labkit float32") == 3.0
    verdicts = dict.fromkeys(columns, Verdict(0.5, 0.4, 0.0, ()))
    shown = lines(TINY, 4, columns, dict.fromkeys(columns, 1), verdicts)
    assert len(shown) == 3
    assert "3.00" in shown[2]
    assert shown[2].endswith("yes")


def test_rounds_take_turns_and_go_on_without_a_peer_that_fails() -> None:
    class Fake:
        def measure(self, peer: Peer, threads: int) -> str:
            if peer.name == "b":
                raise RuntimeError("broken")
            return f"{peer.name}{threads}"

    chosen = {name: (Peer(name, name), i) for i, name in enumerate("abc")}
    order = [(peer.name, found) for peer, found in interleaved(Fake(), chosen, 2)]  # type: ignore[arg-type]
    assert order == [("a", "a0"), ("b", "broken"), ("c", "c2"), ("c", "c2"), ("a", "a0")]


def test_an_extra_that_is_missing_is_named() -> None:
    assert "[bench]" in Peer("x", "x", needs={"no_such_package.inside": "bench"}).missing()
    assert Peer("x", "x", needs={"json": "bench"}).missing() == ""


def test_labkits_own_training_time_is_the_sum_of_its_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = stored(0.5, **{"time/seconds": 2.0})
    monkeypatch.setattr(tracking, "histories", lambda work, file: {v: {4: h[4]} for v, h in found.items()})
    assert report(TINY, tmp_path).training == 2.0 * len(TINY.values)
