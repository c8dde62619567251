"""Peer 3: Hydra's joblib launcher with two processes around the plain loop."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore

from benchmarks.sweeps.peer import Report, Task, task
from benchmarks.sweeps.start import read
from benchmarks.sweeps.work import chosen

JOBS = 2
BEGINNINGS = Path("beginnings")


@dataclass
class Config:
    """One trial."""

    work: str = "kth"
    smoke: bool = False
    threads: int = 1
    value: float = 0.0


ConfigStore.instance().store("trial", Config)


@cache
def prepared(name: str, smoke: bool, threads: int) -> tuple[Task, object]:
    """Everything the trials of one process share, loaded once."""
    import torch

    from benchmarks.sweeps import tracking
    from benchmarks.sweeps.dataset import load
    from benchmarks.sweeps.torch_loop import tensors

    torch.set_num_threads(threads)
    given = Task(chosen(name, smoke), read(Path()), threads, "float32")
    tracking.connect(given.work)
    return given, tensors(*load(given.work, given.start))


@hydra.main(version_base="1.3", config_path=None, config_name="trial")
def main(config: Config) -> float:
    """One trial, in a process of the launcher."""
    from benchmarks.sweeps.torch_loop import trial

    given, data = prepared(config.work, config.smoke, config.threads)
    (BEGINNINGS / f"{config.value!r}").write_text(repr(time.time()))
    return trial(given, config.value, data, config.threads)  # type: ignore[arg-type]


def sweep() -> None:
    """Call the launcher on all values; training is from the first trial's beginning to the last one's end."""
    given = task()
    smoke = "--smoke" in sys.argv
    BEGINNINGS.mkdir()
    sys.argv[1:] = [
        *("-m", "hydra/launcher=joblib", f"hydra.launcher.n_jobs={JOBS}"),
        *("hydra.sweep.dir=hydra", "hydra/job_logging=none", "hydra/hydra_logging=none"),
        *(f"work={given.work.name}", f"smoke={smoke}", f"threads={given.threads}"),
        f"value={','.join(map(repr, given.work.values))}",
    ]
    report = Report()
    main()
    ended = time.time()
    began = min(float(file.read_text()) for file in BEGINNINGS.iterdir())
    report.started()
    report.start_up -= ended - began
    report.training = ended - began
    report.write()


if __name__ == "__main__":
    from benchmarks.sweeps import hydra_joblib  # under its own name: the launcher's processes import what they run

    hydra_joblib.sweep()
