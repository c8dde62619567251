"""The hooks that Hydra calls at the beginning of a command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

STOP_AT_THE_WRITER = """
import sys
from labkit import cli
from labkit.tracking import session

def start_writer(config):
    print([name for name in ("torch", "matplotlib", "optuna") if name in sys.modules])
    raise SystemExit

session.start_writer = start_writer
cli.main()
"""


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["-m", "seed=0,1"],
        ["-m", "seed=0,1", "hydra/sweeper=basic"],
        ["-m", "hydra/sweeper=optuna", "optimizer.lr=interval(0.1,1)"],
    ],
    ids=" ".join,
)
def test_the_writer_starts_before_anything_heavy_is_imported(words: list[str], tmp_path: Path) -> None:
    """It imports MLflow meanwhile; later, the first question to the store would wait for it."""
    command = [sys.executable, "-c", STOP_AT_THE_WRITER, *words]
    said = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (said.stdout, said.stderr) == ("[]\n", "")
