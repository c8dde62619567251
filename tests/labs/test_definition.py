"""A part's definition changes with what it trains, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.compose import CONF
from labkit.labs.definition import composition, definition
from labkit.labs.schema import Lab, read
from tests.labs.lab_files import KNOWN

TWO = """
first:
  title: t
  steps:
    a: {run: [data=spirals], smoke: [seed=1]}
    b: {run: [data=spirals], only: [full]}
second:
  title: t
  accepts: {kinds: [vector], words: {vector: [seeds=2]}}
  steps:
    c: {run: [-m, data=spirals, "optimizer.lr=0.1,0.2"], takes: [{keys: [loss.l2], from: [first.a]}]}
    d: {run: [data=spirals], takes: [{keys: [loss.l2], from: [c]}], only: [full]}
"""


def two(folder: Path, *changed: str) -> Lab:
    assert not changed or changed[0] in TWO
    (folder / "own.yaml").write_text(TWO.replace(*changed) if changed else TWO)
    return read(folder, "own")


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("title: t", "title: u", True),
        ("data=spirals], smoke", "data=spirals, tracker.figures=true], smoke", True),
        ("seed=1", "seed=2", False),  # of the part that it takes a winner from
        ("0.1,0.2", "0.1,0.3", False),
        ("[-m, data=spirals", "[-m, data=spirals, hydra.sweeper.baseline=x", False),
        ("keys: [loss.l2], from: [first", "keys: [init.gain], from: [first", False),
        ("data=spirals], takes", "data=circle], takes", True),  # a step of another profile
        ("seeds=2", "seeds=3", True),  # of data that are not given
        ("[-m, data=spirals", "[-m, data=spirals, hydra/launcher=basic", True),
        ("[-m, data=spirals", "[-m, data=spirals, hydra/sweeper=optuna", False),
        ("[-m, data=spirals", "[-m, data=spirals, trainer.device=cpu", True),
    ],
)
def test_a_definition_changes_with_what_a_part_trains(old: str, new: str, same: bool, tmp_path: Path) -> None:
    before = definition(two(tmp_path), "second", "smoke")
    assert (definition(two(tmp_path, old, new), "second", "smoke") == before) is same


def test_a_definition_is_the_same_wherever_the_data_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    for folder in ("/here", "/there"):
        monkeypatch.setenv("LABKIT_DATA", folder)
        composition.cache_clear()
        found.add(definition(KNOWN["kth"], "ex3", "full"))
    assert len(found) == 1


def test_a_definition_is_of_a_profile_and_of_the_data_given(tmp_path: Path) -> None:
    lab = two(tmp_path)
    assert lab.required_parts("second", "smoke") == ["first"]
    assert definition(lab, "second", "full") != definition(lab, "second", "quick")
    given = definition(lab, "second", "smoke", ["data=circle"])
    assert given != definition(lab, "second", "smoke")
    assert given != definition(two(tmp_path, "seeds=2", "seeds=3"), "second", "smoke", ["data=circle"])
    one, other = (definition(lab, "second", "smoke", ["data=images", "data.root=x"], sha256) for sha256 in "ab")
    assert one != other


def test_what_a_sweep_file_says_is_part_of_a_definition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf").mkdir()
    for entry in CONF.iterdir():
        (tmp_path / "conf" / entry.name).symlink_to(entry.resolve())
    (tmp_path / "conf" / "sweeps").unlink()
    sweep = tmp_path / "conf" / "sweeps" / "rates.yaml"
    sweep.parent.mkdir()
    monkeypatch.setattr("labkit.compose.CONF", tmp_path / "conf")
    lab = two(tmp_path, "[data=spirals], smoke", "[sweeps=rates], smoke")

    def with_text(text: str) -> str:
        sweep.write_text("# @package _global_\nname: rates\nhydra: {mode: MULTIRUN, sweeper: {params: {seed: " + text)
        composition.cache_clear()
        return definition(lab, "first", "smoke")

    first = with_text("'0,1'}}}\n")
    assert with_text("'0,1'}}}  # two of them\n") == first
    assert with_text("'0,2'}}}\n") != first
    composition.cache_clear()
