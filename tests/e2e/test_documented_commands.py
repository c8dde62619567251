"""Every command of the README, of docs/scaling.md and of the help is one that runs; tests/conf has those of conf/."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

from labkit.compose import CONF, compose
from labkit.config import build
from labkit.multirun.parent_run import task_name
from labkit.runs.plan import plan, resolved

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
FLAGS = ("--help", "-sc", "--cfg")  # of Hydra: they train nothing


def blocks(language: str) -> list[str]:
    """The README's code blocks in a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def lines_of(text: str) -> Iterator[str]:
    """The commands in a page: lines that begin with `labkit`, perhaps continued, and those in backticks."""
    whole = re.sub(r" *\\\n *", " ", text)
    yield from (line.strip() for line in whole.splitlines() if re.match(r"( {4})?labkit( |$)", line))
    for inline in re.findall(r"`(labkit(?: [^`]+)?)`", re.sub(r"```.*?```", "", whole, flags=re.S)):
        yield " ".join(inline.split())


def commands() -> list[str]:
    """All that is documented, once each and without comments."""
    found = [*lines_of(README), *lines_of((ROOT / "docs" / "scaling.md").read_text())]
    template = (CONF / "hydra" / "help" / "labkit.yaml").read_text()
    found += [re.split(r" {2,}", line.strip())[0] for line in template.splitlines() if line.startswith("    labkit")]
    return list(dict.fromkeys(shlex.join(shlex.split(line, comments=True)) for line in found))


COMMANDS = [one for one in commands() if one != "labkit"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the README shows, and the table that it speaks of."""
    place = tmp_path_factory.mktemp("reader")
    (sweep,) = [text for text in blocks("yaml") if "sweeper" in text]
    (experiment,) = [text for text in blocks("yaml") if "sweeper" not in text]
    (rules,) = [text for text in blocks("python") if "def " in text]
    flowers = "length,width,species\n" + "".join(f"{i % 7},{i % 5},{'abc'[i % 3]}\n" for i in range(90))
    files = {
        "my_configs/sweeps/mine.yaml": sweep,
        "my_configs/experiment/mine.yaml": experiment,
        "my_package/rules.py": rules,
        "data/iris.csv": flowers,
    }
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return place


@pytest.fixture(autouse=True)
def there(folder: Path, labkit: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # behind `labkit`, which goes elsewhere
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LABKIT_DATA", str(folder / "data"))
    monkeypatch.syspath_prepend(str(folder))


@cache
def first_job(command: str) -> list[str]:
    """The words of a command with the first value of each range; `-cd` as Hydra's search path."""
    words = shlex.split(command)[1:]
    if words[:1] == ["-cd"]:
        words = [f"hydra.searchpath=[file://{words[1]}]", *words[2:]]
    words = ["task=ui" if word == "ui" else word for word in words if word != "-m"]
    found = []
    for one in OverridesParser.create().parse_overrides(words):
        if one.is_interval_sweep():
            found.append(f"{one.get_key_element()}={one.value().end}")
        elif one.is_sweep_override():
            found.append(f"{one.get_key_element()}={next(iter(one.sweep_string_iterator()))}")
        else:
            found.append(str(one.input_line))
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_a_documented_command_composes_and_plans(command: str, labkit: Any) -> None:
    words = shlex.split(command)[1:]
    if words[0] in FLAGS:
        assert labkit(*words).code == 0
        return
    for launcher in ("ray", "submitit_slurm"):  # an extra, which may not be installed here
        if f"hydra/launcher={launcher}" in words:
            pytest.importorskip(f"hydra_plugins.hydra_{launcher.partition('_')[0]}_launcher")
    config = compose(first_job(command))
    plain = resolved(config)
    build("task", plain["task"], plain["targets"])
    sweeps = str(config.hydra.mode).endswith("MULTIRUN") or any("sweeper" in word for word in words)
    assert not sweeps or "-m" in words or any(one.startswith(("sweeps=", "seeds=")) for one in words)
    if task_name(config) in ("train", "info") and ("root" not in plain["data"] or plain["data"].get("file")):
        plan(config)


def test_the_sweep_file_of_the_readme_is_the_demos() -> None:
    (shown,) = [text for text in blocks("yaml") if "sweeper" in text]
    assert shown.startswith("# @package _global_\n")
    assert yaml.safe_load(shown) == yaml.safe_load((ROOT / "sweeps" / "demo.yaml").read_text())


def test_the_readmes_lion_moves_by_the_sign_of_its_blend() -> None:
    """Against Chen et al. 2023, algorithm 2, written out for one number."""
    import torch
    from my_package.rules import lion

    rule = lion(lr=0.1, beta1=0.9, beta2=0.5)
    theta, slots = torch.tensor([[1.0]]), {"mean": torch.zeros(1, 1)}
    numbers = {name: torch.tensor([[value]]) for name, value in rule.numbers.items()}
    expected, mean = 1.0, 0.0
    for t, gradient in enumerate((2.0, -1.0, 0.5, -30.0), start=1):
        rule.update(theta, torch.tensor([[gradient]]), slots, numbers, t)
        blend = 0.9 * mean + 0.1 * gradient
        expected -= 0.1 * (1 if blend > 0 else -1)
        mean = 0.5 * mean + 0.5 * gradient
    assert theta.item() == pytest.approx(expected)
    assert slots["mean"].item() == pytest.approx(mean)


def test_the_readmes_lion_trains(labkit: Any) -> None:
    (command,) = [one for one in COMMANDS if "lion" in one]
    answer = labkit(*shlex.split(command)[1:], "tracker=none", "trainer.epochs=3")
    assert answer.code == 0, answer.err
    accuracy = float(re.search(r"^validation +([\d.]+)%", answer.out, re.M)[1])  # type: ignore[index]
    assert accuracy > 80


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:`|^)make ([a-z][\w-]*)", README, re.M))))
def test_a_documented_make_target_exists(target: str) -> None:
    assert re.search(rf"(^|[\s]){re.escape(target)}(:| |$)", (ROOT / "Makefile").read_text(), re.M)


@pytest.mark.slow
@pytest.mark.parametrize("command", [one for one in COMMANDS if "my_configs" in one or "iris" in one or "lion" in one])
def test_the_readers_own_parts_run(command: str, folder: Path, process: Any) -> None:
    answer = process(*shlex.split(command)[1:], cwd=folder, LABKIT_DATA=str(folder / "data"))
    assert answer.code == 0, answer.err
