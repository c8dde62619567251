"""How cost grows: members of a population 1, 2, 4 .. 128, and jobs of a sweep 8 .. 512, as tables and one figure.

    python benchmarks/members.py FOLDER                 both; the figure is FOLDER/members.png (ten minutes)
    python benchmarks/members.py FOLDER members trials  one of them

Steps are timed on one thread in processor time, so that other processes of the machine count little; sweeps of empty
jobs (one update) in wall time, each in a fresh folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import labkit  # noqa: F401  (first: it says how threads wait, which libgomp reads when torch is imported)

KTH = ["data=cluttered_digits", "model=two_layer", "model.hidden=50", "trainer.batch_size=100", "loss.l2=0.001"]
NETWORKS = {
    "784-50-10 relu, batch 100": KTH,
    "2-16-16-16-16-5 tanh, batch 32": [
        "data=peaks_generated",
        "model=mlp",
        "model.hidden=[16,16,16,16]",
        "model.activation=tanh",
    ],
    "conv net, batch 1": ["data=cluttered_digits", "model=cnn", "trainer.batch_size=1"],
    "conv net, batch 32": ["data=cluttered_digits", "model=cnn", "trainer.batch_size=32"],
}
MEMBERS = (1, 2, 4, 8, 16, 32, 64, 128)
TRIALS = (8, 16, 32, 64, 128, 256, 512)
_SECONDS = 1.5  # of processor time per measurement


def members() -> dict[str, list[tuple[int, float]]]:
    """Microseconds per member and step, by network and number of members."""
    import torch

    torch.set_num_threads(1)
    return {name: grown(name, MEMBERS[:5] if name == "conv net, batch 32" else MEMBERS) for name in NETWORKS}


def grown(name: str, counts: Sequence[int]) -> list[tuple[int, float]]:
    """Microseconds per member and step of one network, by number of members."""
    from labkit.compose import compose
    from labkit.engine.population import Population
    from labkit.engine.step import Stepper
    from labkit.runs.plan import plan

    ready = plan(compose([*NETWORKS[name], "schedule=constant", "trainer.steps=100000", "trainer.epochs=null"]))
    found = []
    for count in counts:
        population = Population([replace(ready.recipe) for _ in range(count)], ready.parts)
        state = population.initial_state()
        stepper = Stepper(population, state)
        for _ in range(3):
            stepper.step(state)
        steps, started = 0, time.process_time()
        while time.process_time() - started < _SECONDS:
            stepper.step(state)
            steps += 1
        found.append((count, 1e6 * (time.process_time() - started) / steps / count))
        print(f"{name:<34}{count:>5} members{found[-1][1]:>10.1f} us per member and step", flush=True)
    return found


def trials() -> list[tuple[int, float]]:
    """Seconds of a sweep of that many empty jobs."""
    found = []
    for count in TRIALS:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "labkit", "-m"]
            subprocess.run([*command, "seed=0,1"], cwd=folder, check=True, capture_output=True)  # makes the store
            started = time.perf_counter()
            words = ["trainer.steps=1", f"optimizer.lr=range(1,{count + 1})"]
            subprocess.run([*command, *words], cwd=folder, check=True, capture_output=True, env={**os.environ})
            found.append((count, time.perf_counter() - started))
            print(f"{count:>5} empty jobs{found[-1][1]:>8.2f} s{1e3 * found[-1][1] / count:>8.1f} ms each", flush=True)
    return found


def draw(steps: dict[str, list[tuple[int, float]]], sweeps: list[tuple[int, float]], target: Path) -> None:
    """Both tables as one figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, row in steps.items():
        left.plot(*zip(*row, strict=True), marker="o", label=name)
    left.set_xscale("log", base=2)
    left.set(yscale="log", xlabel="members", ylabel="microseconds per member and step, one thread")
    left.set_xticks(MEMBERS, map(str, MEMBERS))
    figure.legend(loc="outside upper left", ncols=len(steps), fontsize=8, frameon=False)
    if sweeps:
        right.plot(*zip(*sweeps, strict=True), marker="o")
    right.set_xscale("log", base=2)
    right.set(yscale="log", xlabel="empty jobs of a sweep", ylabel="seconds in all")
    right.set_xticks(TRIALS, map(str, TRIALS))
    right.set_yticks((5, 10, 20, 40), ("5", "10", "20", "40"))
    right.yaxis.set_minor_formatter("")
    figure.savefig(target, dpi=120)


if __name__ == "__main__":
    place, *wanted = sys.argv[1:] or ["."]
    wanted = wanted or ["members", "trials"]
    measured = members() if "members" in wanted else {}
    timed = trials() if "trials" in wanted else []
    draw(measured, timed, Path(place) / "members.png")
