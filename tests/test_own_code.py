"""One's own code behind `targets`: which files it is, and that another version of it is another experiment."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labkit import own_code
from labkit.compose import compose
from labkit.config import ConfigError
from labkit.notebook import run, sweep
from labkit.runs.plan import plan
from labkit.tracking import session

RULES = """
from labkit.optim import rules
from .base import SCALE

def mine(*, lr: float = 0.1) -> rules.Rule:
    from my_package import late
    return rules.sgd(lr=lr * SCALE * late.TIMES)
"""
FILES = {
    "my_package/__init__.py": "",
    "my_package/rules.py": RULES,
    "my_package/base.py": "import numpy as np\nimport json\nSCALE = 1.0\n",
    "my_package/late.py": "import importlib\nTIMES = importlib.import_module('beside').TIMES\n",
    "my_package/unused.py": "X = 1\n",
    "beside.py": "TIMES = 1\n",
}
WORDS = ("targets=[my_package.rules.mine]", "optimizer._target_=my_package.rules.mine", "~optimizer.weight_decay")
SHORT = ("trainer.steps=2", "tracker.figures=false", "tracker.weights=false")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm_writers: Any) -> Iterator[Path]:
    """A user's folder, where the command runs."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with warm_writers():
        yield tmp_path
    own_code._look_in(str(tmp_path.parent))  # lets go of the modules


def rate(target: str = "my_package.rules.mine") -> float:
    return float(own_code.load(target)(lr=1.0).numbers["lr"])


def digests() -> dict[str, str]:
    own_code.renew()
    own_code.load("my_package.rules.mine")
    return own_code.versions(["my_package.rules.mine"])


def test_the_code_of_a_target_is_all_of_ones_own_that_it_imports(folder: Path) -> None:
    assert list(digests()) == [
        "beside.py",
        "my_package/__init__.py",
        "my_package/base.py",
        "my_package/late.py",
        "my_package/rules.py",
    ]


@pytest.mark.parametrize("name", [*FILES])
def test_a_changed_file_counts_where_it_is_imported(folder: Path, name: str) -> None:
    before = digests()
    (folder / name).write_text(FILES[name] + "Y = 2\n")
    assert own_code.changed(before, digests()) == ([] if "unused" in name else [name])


@pytest.mark.parametrize("text", ["# another word\n", "\n\n"])
def test_comments_and_layout_do_not_count(folder: Path, text: str) -> None:
    before = digests()
    (folder / "my_package/base.py").write_text(text + FILES["my_package/base.py"].replace(" = ", "  =  "))
    assert digests() == before


def test_a_moved_folder_holds_the_same_code(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digests()
    shutil.copytree(folder, folder / "elsewhere")
    monkeypatch.chdir(folder / "elsewhere")
    (folder / "elsewhere/my_package/base.py").write_text("SCALE = 3.0\n")
    assert rate() == 3.0, "of the folder the command runs in now"
    (folder / "elsewhere/my_package/base.py").write_text(FILES["my_package/base.py"])
    assert digests() == before


def test_what_runs_is_what_was_read_and_a_renewal_reads_anew(folder: Path) -> None:
    """In one process, also within one second and at the same size, which Python's own cache cannot tell apart."""
    before = own_code.versions(["my_package.rules.mine"])
    assert rate() == 1.0
    (folder / "my_package/base.py").write_text(FILES["my_package/base.py"].replace("1.0", "2.0"))
    assert rate() == 1.0
    assert own_code.versions(["my_package.rules.mine"]) == before, "of the code that runs"
    own_code.renew()
    assert rate() == 2.0
    assert own_code.changed(before, own_code.versions(["my_package.rules.mine"])) == ["my_package/base.py"]


def test_a_module_that_was_imported_before_is_read_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(folder))
    import my_package.rules  # type: ignore[import-not-found]  # noqa: F401

    (folder / "my_package/base.py").write_text("SCALE = 5.0\n")
    assert rate() == 5.0


def test_a_folder_that_python_knew_before_stays_known(folder: Path, tmp_path: Path) -> None:
    """A notebook's own entry of `sys.path` is not ours to take away; ours goes when the process leaves the folder."""
    known, other = str(tmp_path / "known"), str(tmp_path / "other")
    sys.path.append(known)
    for place in (known, other):
        own_code._look_in(place)
        assert sys.path.count(known) == sys.path.count(place) == 1
    own_code._look_in(known)
    assert sys.path.count(known) == 1
    assert other not in sys.path


def test_of_an_installed_package_the_version_counts() -> None:
    import scipy

    assert own_code.versions(["scipy.special.expit"]) == {"scipy": scipy.__version__}
    assert own_code.versions(["labkit.optim.rules.adam", "math.sqrt"]) == {}


def test_a_function_typed_at_a_prompt_counts_with_what_it_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = type(sys)("__main__")
    monkeypatch.setitem(sys.modules, "__main__", prompt)

    def typed(scale: float, unused: int = 0) -> dict[str, str]:
        exec(f"S = {scale}\nU = {unused}\ndef inner():\n  return S\ndef mine():\n  return inner()\n", vars(prompt))
        return own_code.versions(["__main__.mine"])

    before = typed(1.0)
    assert typed(1.0, unused=7) == before
    assert typed(2.0) != before


def test_the_hash_takes_in_ones_own_code_where_it_is_used(folder: Path) -> None:
    def planned(*words: str) -> tuple[str, str, str]:
        own_code.renew()
        ready = plan(compose(words), words)
        return ready.config_hash, ready.shape, ready.settings_hash

    listed, used = planned(WORDS[0]), planned(*WORDS)
    assert listed == planned()
    (folder / "my_package/base.py").write_text("SCALE = 2.0\n")
    assert planned(WORDS[0]) == listed
    assert planned(*WORDS)[0] != used[0]
    assert planned(*WORDS)[1:] == used[1:]


def test_data_of_ones_own_are_told_apart_whatever_they_say_of_themselves(folder: Path) -> None:
    (folder / "my_data.py").write_text(
        "import numpy as np\nfrom labkit.data.dataset import Dataset\n"
        "def load() -> Dataset:\n    x = np.load('x.npy').astype(np.float32)\n"
        "    return Dataset('mine', x, np.arange(40) % 2, ('a', 'b'), 'mine', 'always the same', 'vector')\n"
        "def wrong() -> int:\n    return 1\n"
    )
    words = ("targets=[my_data.load,my_data.wrong]", "data._target_=my_data.load", "preprocess=none", "model=softmax")
    hashes = []
    for scale in (1, 2):
        numpy = pytest.importorskip("numpy")
        numpy.save(folder / "x.npy", scale * numpy.arange(80).reshape(40, 2))
        hashes.append(plan(compose(words), words).config_hash)
    assert hashes[0] != hashes[1]
    with pytest.raises(ConfigError, match=r"expected my_data.wrong to return a labkit.data.Dataset, got int"):
        plan(compose([*words, "data._target_=my_data.wrong"]))


@pytest.mark.parametrize("text", ["def mine(:\n", "raise RuntimeError('not today')\n", "import not_there\n"])
def test_code_that_cannot_be_imported_is_said_in_a_sentence(folder: Path, text: str) -> None:
    (folder / "my_package/base.py").write_text(text)
    with pytest.raises(ConfigError, match=r"optimizer._target_: 'my_package.rules.mine' cannot be imported: "):
        plan(compose(WORDS), WORDS)


def test_old_numbers_are_not_reused_and_a_sentence_says_why(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sweep, a search and a single run, before and after a change of a file that the target imports."""
    rates, trial = "optimizer.lr=0.1,0.01", "optimizer.lr=choice(0.1)"
    searching = ("hydra/sweeper=optuna", "hydra/sweeper/sampler=grid", "hydra.sweeper.n_trials=1", "objective=val/loss")
    try:
        with session.keep_open():
            first = sweep(*WORDS, *SHORT, rates)
            sweep(*WORDS, *SHORT, *searching, "hydra.sweeper.study_name=mine", trial)
            assert "earlier version" not in capsys.readouterr().err
            (folder / "my_package/base.py").write_text("SCALE = 10.0\n")
            second = sweep(*WORDS, *SHORT, rates)
            told = "2 runs with the same settings are of an earlier version of my_package/base.py: trained again.\n"
            assert told in capsys.readouterr().err
            with pytest.raises(ConfigError, match=r"study 'mine'.*earlier version of my_package/base.py"):
                sweep(*WORDS, *SHORT, *searching, "hydra.sweeper.study_name=mine", trial)
            single = run(*WORDS, *SHORT, "optimizer.lr=0.1")
    finally:
        session.close()
    assert "1 run with the same settings is of an earlier version" in " ".join(capsys.readouterr().out.split())
    losses = [{row.params["optimizer.lr"]: row.metrics["val/loss"] for row in t.rows} for t in (first, second)]
    assert losses[0]["0.1"] == losses[1]["0.01"] != losses[1]["0.1"], "ten times the rate"
    assert single.metrics["val/loss"] == losses[1]["0.1"]
