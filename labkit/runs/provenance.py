"""The provenance of a run's numbers: code, versions, hardware."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

from omegaconf import DictConfig

from labkit import process as processes
from labkit.config import NUMERICS_VERSION, Plain
from labkit.tracking import tag
from labkit.version import __version__

_PACKAGES = ("torch", "numpy", "hydra-core", "omegaconf", "mlflow", "scikit-learn", "scipy")


@cache
def versions() -> dict[str, str]:
    """Versions of labkit, of its numerics, of Python and of the packages that numbers depend on."""
    own = {"labkit": __version__, "numerics": str(NUMERICS_VERSION), "python": platform.python_version()}
    return {**own, **{p: version(p) for p in _PACKAGES}}


@cache
def git() -> tuple[str, bool]:
    """(commit, whether files differ from it) of the checkout labkit runs from, else of the working folder's; or ''."""
    for folder in (Path(__file__).parent, Path.cwd()):
        commit = _git(folder, "rev-parse", "HEAD")
        if commit:
            return commit, bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))
    return "", False


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def hardware() -> str:
    """Processor, cores this process may use, and the GPU if there is one."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"
    return f"{platform.machine()}, {cores} core{'' if cores == 1 else 's'}{gpu}"


def process() -> str:
    """This process on one line: enough to tell later whether it still lives."""
    return str(processes.own())


def dead(told: str) -> bool:
    """Return whether the process that `process` described is known to have ended; of another machine nothing is."""
    known = processes.read(told)
    return known is not None and processes.dead(known)


def tags(config: Plain | DictConfig, command: str) -> dict[str, str]:
    """The tags that every run carries, a multirun's parent included; `command` repeats it."""
    commit, dirty = git()
    known = {
        tag.LAB: config["lab"],
        tag.PART: config["part"],
        tag.PURPOSE: config["purpose"],
        tag.REPRODUCE: command,
        tag.VERSIONS: " ".join(f"{k}={v}" for k, v in versions().items()),
        tag.HARDWARE: hardware(),
        tag.GIT_DIRTY: str(dirty).lower() if commit else None,
        tag.COMMIT: commit,
        tag.SOURCE: "labkit",
    }
    return {key: value for key, value in known.items() if value}
