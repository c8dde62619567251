"""Where a run's numbers come from: code, versions, hardware, and the command that gives them again."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("torch", "numpy", "hydra-core", "omegaconf", "mlflow", "scikit-learn", "scipy")


@cache
def versions() -> dict[str, str]:
    """Versions of labkit, Python and the packages that numbers depend on."""
    import labkit

    return {"labkit": labkit.__version__, "python": platform.python_version(), **{p: version(p) for p in _PACKAGES}}


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
    return f"{platform.machine()}, {cores} cores{gpu}"


def reproduce(overrides: Sequence[str]) -> str:
    """The command line that runs this again; a job of a sweep file becomes a single run."""
    single = ["hydra.mode=RUN"] if any(word.startswith("sweeps=") for word in overrides) else []
    return shlex.join(["labkit", *overrides, *single])
