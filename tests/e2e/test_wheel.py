"""The wheel, installed in a clean environment and run from another directory."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

from labkit.tracking.reading import runs
from labkit.tracking.store import default_store

pytestmark = pytest.mark.slow
SOURCE = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without a network: the build's own requirement is in this environment."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(folder)]
    subprocess.run([*command, str(SOURCE)], check=True, timeout=300)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that has the wheel, and its dependencies from this environment, by path."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    site = Path(
        subprocess.run(
            [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    )
    # Dependencies are found after the wheel's own packages; an editable labkit works by a .pth, which is not followed.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*command, "--force-reinstall", str(wheel)], check=True, timeout=300)
    return folder / "bin"


def call(installed: Path, folder: Path, environment: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [str(installed / "labkit"), *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_carries_the_package_and_its_configs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [str(path.relative_to(SOURCE)) for path in (SOURCE / "labkit").rglob("*.py")]
    sources = {name.replace("labkit/plugins/hydra_plugins", "hydra_plugins") for name in files}  # where Hydra looks
    configs = {f"labkit/{path.relative_to(SOURCE)}" for path in (SOURCE / "conf").rglob("*.yaml")}
    sweeps = {f"labkit/conf/{path.relative_to(SOURCE)}" for path in (SOURCE / "sweeps").rglob("*.yaml")}
    assert sources | configs | sweeps <= names
    assert not [name for name in names if name.startswith(("tests/", "mlruns/", "conf/"))]


def test_it_is_the_wheel_that_runs(installed: Path, clean_environment: dict[str, str], tmp_path: Path) -> None:
    script = "import labkit, labkit.compose; print(labkit.__file__, labkit.compose.CONF)"
    command = [str(installed / "python"), "-c", script]
    done = subprocess.run(command, cwd=tmp_path, env=clean_environment, capture_output=True, text=True, check=True)
    for place in done.stdout.split():
        assert Path(place).is_relative_to(installed.parent), place


def test_a_run_a_sweep_and_an_experiment_from_another_directory(
    installed: Path, clean_environment: dict[str, Any], tmp_path: Path
) -> None:
    assert "FINISHED" in call(installed, tmp_path, clean_environment)
    assert "rank" in call(installed, tmp_path, clean_environment, "sweeps=demo", "trainer.epochs=1")
    assert "step_size: 800" in call(installed, tmp_path, clean_environment, "--cfg", "job", "experiment=kth/ex4")
    found = runs(default_store(tmp_path)[0])
    trials = 8 + 16 + 3 * 5 + 5  # coarse, fine, three candidates and the winner on five seeds
    assert [row.status for row in found] == ["FINISHED"] * (1 + 1 + trials), "one run, a parent and its children"
