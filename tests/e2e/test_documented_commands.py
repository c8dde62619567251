"""Every command of every page and of the help composes and plans; tests/conf has those of conf/.

`test_documented_runs` runs each as written; what docs/adding.md shows is all in `test_adding`.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

from labkit.compose import compose
from labkit.config import build
from labkit.multirun.configured_task import task_name
from labkit.runs.plan import plan, resolved
from tests.e2e.documented import PAGES, ROOT, blocks, documented

FLAGS = ("--help", "-sc", "--cfg")  # of Hydra: they train nothing
FLOWERS = "length,width,species\n" + "".join(f"{i % 7},{i % 5},{'abc'[i % 3]}\n" for i in range(90))

ALL = [one for one in documented() if one.page != "adding.md"]
OURS = [re.sub(r"^[A-Z_]+=\S+ ", "", one.command) for one in ALL]
LABKIT = sorted({one for one in OURS if one.startswith("labkit ")})
MAKE = sorted({one for one in OURS if one.startswith("make ")})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sweep file and the table that the pages speak of."""
    place = tmp_path_factory.mktemp("reader")
    (sweep,) = blocks("sweeps.md", "yaml")
    for name, text in {"my_configs/sweeps/mine.yaml": sweep, "data/iris.csv": FLOWERS}.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return place


@pytest.fixture(autouse=True)
def there(folder: Path, labkit: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # behind `labkit`, which goes elsewhere
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LABKIT_DATA", str(folder / "data"))


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


@pytest.mark.parametrize("command", LABKIT)
def test_a_documented_command_composes_and_plans(command: str, labkit: Any) -> None:
    words = shlex.split(command)[1:]
    if words[0] in FLAGS:
        assert labkit(*words).code == 0
        return
    if words == ["-cd", "my_configs", "experiment=mine"]:  # of the help; docs/adding.md shows the file
        pytest.skip("test_adding runs it")
    if words == ["resume=newest"]:  # its words are those of a run that broke off
        pytest.skip("test_resume runs it")
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


@pytest.mark.parametrize("command", MAKE)
def test_a_documented_make_target_exists(command: str) -> None:
    done = subprocess.run(["make", "-n", *shlex.split(command)[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_sweep_file_of_the_page_is_the_demos() -> None:
    (shown,) = blocks("sweeps.md", "yaml")
    assert shown.startswith("# @package _global_\n")
    assert yaml.safe_load(shown) == yaml.safe_load((ROOT / "sweeps" / "demo.yaml").read_text())


def test_bad_input_answers_as_the_readme_shows(labkit: Any) -> None:
    (shown,) = re.findall(r"^\$ labkit (.+)\n(labkit: .+)\n", (ROOT / "README.md").read_text(), re.M)
    answer = labkit(*shlex.split(shown[0]))
    assert (answer.code, answer.err.strip()) == (2, shown[1])
    assert answer.files == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().split()) <= 900


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings: lower case, blanks as hyphens, other signs left out."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_every_page_is_reached_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"(docs/{page.name})" not in readme] == []


def test_pages_that_code_and_configs_name_exist() -> None:
    places = [*(ROOT / "labkit").rglob("*.py"), *(ROOT / "conf").rglob("*.yaml"), ROOT / "Makefile"]
    named = {name for place in places for name in re.findall(r"(?<![\w/])docs/[a-z_]+\.md", place.read_text())}
    assert named >= {"docs/decisions.md", "docs/log.md"}
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_a_decision_is_dated_and_the_newest_comes_first() -> None:
    for page in ("decisions.md", "log.md"):
        text = (ROOT / "docs" / page).read_text()
        dates = re.findall(r"^## [^\n]+\n\n(2026-\d\d-\d\d)", text, re.M)
        assert len(dates) == len(re.findall(r"^## ", text, re.M)) > 10
        assert dates == sorted(dates, reverse=True), page
