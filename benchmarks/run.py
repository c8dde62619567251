"""`make bench`: our step against a plain torch loop, start-up, memory and the cost of tracking.

    python benchmarks/run.py                      everything (about five minutes on two cores)
    python benchmarks/run.py steps updates narrow startup memory tracking threads   any of the sections

Every comparison runs both sides in one process, one after the other in turn, and quotes the median of the ratios: the
machine is allowed to be noisy. Nothing here passes or fails.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import labkit  # noqa: F401  (first: it says how threads wait, which libgomp reads when torch is imported)

sys.path.insert(0, str(Path(__file__).parent))

ROUNDS = 7


def alternate(ours: Callable[[], None], peers: dict[str, Callable[[], None]]) -> tuple[float, dict[str, float], float]:
    """Median seconds of ours and of every peer, interleaved, and the median of ours / best peer within a round."""
    times: dict[str, list[float]] = {"ours": [], **{name: [] for name in peers}}
    for _ in range(ROUNDS):
        for name, work in [("ours", ours), *peers.items()]:
            started = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(values) for name, values in times.items()}
    best = min(peers, key=lambda name: medians[name])
    ratio = statistics.median(a / b for a, b in zip(times["ours"], times[best], strict=True))
    return medians.pop("ours"), medians, ratio


def steps() -> None:
    """Whole short trainings, evaluations included, against a plain loop at its best thread count."""
    import torch
    from workloads import WORKLOADS, labkit_run, plain_run

    print(f"{'workload':<22}{'updates':>8}{'ours':>12}{'plain, 1 thread':>17}{'2 threads':>12}{'ours / best':>13}")
    for workload in WORKLOADS:
        ours, threads = labkit_run(workload)
        peers = {str(n): plain_run(workload, n) for n in sorted({1, min(2, len(os.sched_getaffinity(0)))})}
        for work in (ours, *peers.values()):
            work()  # warm
        mine, theirs, ratio = alternate(ours, peers)
        cells = "".join(f"{1e6 * value / workload.steps:>14.0f} us" for value in theirs.values())
        label = f"{1e6 * mine / workload.steps:.0f} us ({threads} thr)"
        print(f"{workload.name:<22}{workload.steps:>8}{label:>16}{cells}{ratio:>12.2f}x", flush=True)
    torch.set_num_threads(1)


def updates() -> None:
    """Processor time per member and update against the plain loop at its best, on one thread."""
    from updates import table

    table()


def threads() -> None:
    """The table behind `threads=auto`: time of a step against the multiply-adds in it, on one and two threads."""
    from workloads import THREAD_SIZES, THREAD_STEPS, thread_run

    print(f"{'multiply-adds a step':>22}{'1 thread':>12}{'2 threads':>12}{'gain':>8}")
    for width, batch in THREAD_SIZES:
        work, one, two = thread_run(width, batch)
        slow, fast, gain = alternate(one, {"two": two})
        cells = [f"{1e6 * seconds / THREAD_STEPS:.0f} us" for seconds in (slow, fast["two"])]
        print(f"{work:>22,}{cells[0]:>12}{cells[1]:>12}{gain:>7.2f}x", flush=True)


def startup() -> None:
    """From the command to its end, to the first step, and a TAB: the median of five fresh processes."""
    with tempfile.TemporaryDirectory() as folder:
        run = [sys.executable, "-m", "labkit"]
        first = str(Path(__file__).with_name("first_step.py").resolve())
        for name, measure in (
            ("tiny run, fresh store, end to end", lambda: _seconds(run, tempfile.mkdtemp(dir=folder))),
            ("tiny run, end to end", lambda: _seconds(run, folder)),
            ("command to first step", lambda: _printed([sys.executable, first, str(time.time())], folder)),
            ("TAB", lambda: _seconds([*run, "-sc", "query=bash"], folder, COMP_LINE="labkit opti", COMP_POINT="11")),
        ):
            values = [measure() for _ in range(5)]
            print(f"{name:<36}{statistics.median(values):6.2f} s   (of {', '.join(f'{v:.2f}' for v in values)})")


def _seconds(command: list[str], folder: str, **environment: str) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env={**os.environ, **environment})
    return time.perf_counter() - started


def _printed(command: list[str], folder: str) -> float:
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return next(float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("FIRST"))


def memory() -> None:
    """Peak resident size minus the size after imports, against the features in float32 (needs LABKIT_DATA)."""
    if "LABKIT_DATA" not in os.environ:
        print("memory: set LABKIT_DATA to the folder with CIFAR-10")
        return
    for name, words, images in (
        ("kth/ex3 (3 x 10,000 images)", ["experiment=kth/ex3"], 30_000),
        ("50,000 + 10,000 images", ["experiment=kth/ex3", "data.split=published", "data.validation=5000"], 60_000),
    ):
        done = subprocess.run(
            [sys.executable, __file__, "_peak", *words],
            check=True,
            capture_output=True,
            text=True,
            cwd=tempfile.mkdtemp(),
        )
        peak = float(done.stdout.splitlines()[-1])
        floats = images * 3072 * 4 / 2**20
        print(
            f"{name:<30}{peak:7.0f} MiB over the imports; features in float32 {floats:5.0f} MiB: {peak / floats:.2f}x"
        )


def _peak(words: list[str]) -> None:
    """Print by how many MiB a run grows the process at its largest, everything it imports being there before."""
    from labkit import run
    from labkit.compose import compose

    run("trainer.steps=1", "tracker=none", quiet=True)
    import labkit.report.figures as figures

    figures.render(figures.gradient_norms({"a": 1.0, "total": 1.0, "mean": 1.0}))
    compose(words)
    before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    run(*words, quiet=True)
    # Not getrusage: on Linux its maximum begins with that of the process that started this one.
    peak = next(
        line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    print((int(peak) * 1024 - before) / 2**20)


def tracking() -> None:
    """The share of a run of over ten seconds that tracking takes: the same run with and without it, in turn."""
    words = ["data=cluttered_digits", "model=two_layer", "trainer.steps=12000", "trainer.eval_every=100/run"]
    with tempfile.TemporaryDirectory() as folder:

        def run(*more: str) -> Callable[[], None]:
            command = [sys.executable, "-m", "labkit", *words, *more]
            return lambda: subprocess.run(command, cwd=folder, check=True, capture_output=True) and None

        with_it, without, ratio = alternate(run(), {"none": run("tracker=none")})
        print(f"with tracking {with_it:.2f} s, without {without['none']:.2f} s: {ratio:.3f}x")


def narrow() -> None:
    """A step of the 2-16-16-16-16-5 tanh net at batch 32, alone and with others, on one thread (processor time)."""
    import torch
    from members import grown

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    grown("2-16-16-16-16-5 tanh, batch 32", (1, 8, 32, 128))
    torch.set_num_threads(before)


def _sections() -> Iterator[tuple[str, Callable[[], None]]]:
    for section in (steps, updates, narrow, startup, memory, tracking, threads):
        yield section.__name__, section


if __name__ == "__main__":
    if sys.argv[1:2] == ["_peak"]:
        _peak(sys.argv[2:])
        sys.exit()
    for title, work in _sections():
        if not sys.argv[1:] or title in sys.argv[1:]:
            print(f"\n{title}: {(work.__doc__ or '').splitlines()[0]}", flush=True)
            work()
