"""docs/adding.md as written: its files in a copy of the checkout, its differences applied, its commands typed."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.e2e.documented import ROOT, blocks, commands, shown_files

PAGE = "adding.md"
TEXT = (ROOT / "docs" / PAGE).read_text()
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", TEXT, re.S | re.M))
MOST_LINES = 15


@pytest.mark.parametrize("name", [*shown_files(PAGE)])
def test_a_shown_file_is_short_and_can_be_read(name: str) -> None:
    text = shown_files(PAGE)[name]
    assert len([line for line in text.splitlines() if line.strip()]) <= MOST_LINES
    assert yaml.safe_load(text) if name.endswith(".yaml") else ast.parse(text).body


def test_a_shown_difference_is_short() -> None:
    for difference in blocks(PAGE, "diff"):
        assert len(re.findall(r"^\+(?!\+\+).*\S", difference, re.M)) <= MOST_LINES


def test_every_block_is_a_file_a_difference_or_commands() -> None:
    assert len(blocks(PAGE, "yaml")) + len(blocks(PAGE, "python")) == len(shown_files(PAGE))
    assert all([*commands(text, PAGE)] for text in SECTIONS.values())


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package and its configs, with all that the page adds: its files, and its differences applied."""
    place = tmp_path_factory.mktemp("adding")
    for name in ("labkit", "conf", "sweeps"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in shown_files(PAGE).items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    for difference in blocks(PAGE, "diff"):
        done = subprocess.run(["git", "apply", "-"], cwd=place, input=difference, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return place


def test_the_differences_apply(checkout: Path) -> None:
    for difference in blocks(PAGE, "diff"):
        undo = ["git", "apply", "--reverse", "--check", "-"]
        assert subprocess.run(undo, cwd=checkout, input=difference, text=True).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("command", [one.command for one in commands(TEXT, PAGE)])
def test_a_command_runs_as_written(command: str, checkout: Path, clean_environment: dict[str, str]) -> None:
    path = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ["PATH"]])
    environment = {**clean_environment, "PATH": path, "PYTHONPATH": str(checkout)}
    done = subprocess.run(
        ["bash", "-c", command], cwd=checkout, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    if "task=check" in command:
        assert re.search(r"^ *softsign .* good ", done.stdout, re.M)
    if "worst_recall" in command:
        assert "91.67" in done.stdout
    if "lab=mine" in command:
        assert "+8.20" in done.stdout


def test_the_pages_rule_moves_by_the_sign_of_its_mean(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against Bernstein et al. 2018, algorithm 2, written out for one number."""
    import torch

    monkeypatch.syspath_prepend(str(checkout))
    from my_rules import signum

    rule = signum(lr=0.1, momentum=0.5)
    theta, slots = torch.tensor([[1.0]]), {"mean": torch.zeros(1, 1)}
    numbers = {name: torch.tensor([[value]]) for name, value in rule.numbers.items()}
    expected, mean = 1.0, 0.0
    for t, gradient in enumerate((2.0, -3.0, 0.5, -30.0), start=1):
        rule.update(theta, torch.tensor([[gradient]]), slots, numbers, t)
        mean = 0.5 * mean + 0.5 * gradient
        expected -= 0.1 * (1 if mean > 0 else -1)
    assert theta.item() == pytest.approx(expected)
    assert slots["mean"].item() == pytest.approx(mean)
