"""Every command of every page, typed as written into a shell, in a folder like a checkout that is set up."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.documented import ROOT, Documented, blocks, documented
from tests.e2e.test_documented_commands import FLOWERS

SUITES = ("make test", "make test-full")  # they run this file
LONGEST = 3.0  # minutes; what takes longer is composed and planned by test_documented_commands
REAL = {  # need -> what lies under LABKIT_DATA
    "CIFAR-10": ("cifar-10-batches-bin",),
    "MNIST": ("mnist",),
    "fsdd": ("fsdd",),
    "names": ("names",),
    "the course's files": ("bgu",),
    "all real data": ("cifar-10-batches-bin", "mnist", "fsdd", "names", "bgu"),
}


def marked(one: Documented) -> Any:
    """A command as a case: slow, or of the real data that it needs."""
    return pytest.param(one, id=one.command, marks=pytest.mark.real_data if one.needs in REAL else pytest.mark.slow)


@pytest.fixture(scope="module")
def checkout(
    tmp_path_factory: pytest.TempPathFactory, clean_environment: dict[str, str]
) -> tuple[Path, dict[str, str]]:
    """A folder that stands for a checkout after set-up, with real data where there is any; and its environment."""
    place = tmp_path_factory.mktemp("checkout")
    for item in ROOT.iterdir():
        if item.name not in ("docs", "mlruns", "my_configs") and not item.name.startswith("."):
            (place / item.name).symlink_to(item)
    (place / "docs").mkdir()  # a command writes there
    (place / ".venv").mkdir()
    for item in Path(sys.prefix).iterdir():  # pyvenv.cfg too: without it `python` is none of an environment
        if not item.name.startswith(".ready"):
            (place / ".venv" / item.name).symlink_to(item)
    for ready in (".ready", ".ready-full", ".ready-bench"):
        (place / ".venv" / ready).touch()
    (place / "my_configs" / "sweeps").mkdir(parents=True)
    (place / "my_configs" / "sweeps" / "mine.yaml").write_text(blocks("sweeps.md", "yaml")[0])
    (place / "data").mkdir()
    for item in sorted(Path(os.environ["LABKIT_DATA"]).iterdir()) if "LABKIT_DATA" in os.environ else ():
        (place / "data" / item.name).symlink_to(item)
    (place / "data" / "iris.csv").write_text(FLOWERS)
    path = os.pathsep.join([str(place / ".venv" / "bin"), os.environ["PATH"]])
    environment = {**clean_environment, "PATH": path, "LABKIT_DATA": str(place / "data")}
    del environment["OMP_NUM_THREADS"]
    return place, environment


@pytest.mark.parametrize("one", [marked(one) for one in documented() if one.page != "adding.md"])
def test_a_documented_command_runs_as_written(one: Documented, checkout: tuple[Path, dict[str, str]]) -> None:
    place, environment = checkout
    for reason in reasons_not_to_run(one, place):
        pytest.skip(reason)
    done = subprocess.run(
        ["bash", "-c", one.command], cwd=place, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def reasons_not_to_run(one: Documented, place: Path) -> Iterator[str]:
    """Why a command is not typed here, if it is not."""
    if one.command in SUITES:
        yield "it runs this test"
    if one.command == "labkit -cd my_configs experiment=mine":
        yield "test_adding runs it"
    if "stays until" in one.about:
        yield "it stays until Ctrl-C: tests/tracking/test_pages_server.py"
    if one.needs == "the extra of its row" and not find_spec("hydra_plugins.hydra_ray_launcher"):
        yield f"needs {one.needs}"
    if one.needs and one.needs not in (*REAL, "the extra of its row"):
        yield f"needs {one.needs}"
    if one.needs and not all((place / "data" / name).exists() for name in REAL.get(one.needs, ())):
        yield f"needs {one.needs} under LABKIT_DATA"
    if one.minutes > LONGEST:
        yield f"takes {one.minutes:g} minutes"
