"""What asks for too much is refused before anything is allocated; ceilings are lowered here, no input is large.

It also covers bounded_yaml.py.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from labkit import bounded_yaml, limits, permissions
from labkit.compose import compose
from labkit.config import ConfigError
from labkit.data import checks, mat, table
from labkit.data.dataset import DataError
from labkit.data.files import plain
from labkit.models import entries
from labkit.multirun import override_grammar
from labkit.runs import plan
from tests.conftest import Command

MIB = 2**20


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets so many bytes be free."""
    return lambda amount: monkeypatch.setattr(limits, "free_memory", lambda: amount)


def test_memory_is_what_the_machine_its_group_and_the_process_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = limits.free_memory()
    assert found is not None
    assert 0 < found < 2**50
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    monkeypatch.setattr(limits, "_CGROUP", tmp_path)
    assert limits.free_memory() == 600
    (tmp_path / "memory.max").write_text("max\n")
    assert limits.free_memory() != 600
    limits.require(100, "a little")


def test_a_refusal_says_what_it_takes_and_what_there_is(free: Callable[[int], None]) -> None:
    free(300 * MIB)
    with pytest.raises(ConfigError, match=r"^model: it needs at least 2\.0 GiB of memory, and 300 MiB are free\.$"):
        limits.require(2**31, "model")


WORDS = {  # words of a command -> what is refused where 8 MiB are free
    "data=circle data.samples=1000000": "data=circle data.samples=1,000,000",
    "data=spirals data.samples=1000000": "data=spirals data.samples=1,000,000",
    "data=swissroll_generated data.samples=1000000": "data.samples=1,000,000",
    "data=peaks_generated data.samples=1000000": "data.samples=1,000,000",
    "data=gmm_generated data.samples=1000000": "data=gmm_generated data.samples=1,000,000",
    "data=gmm_generated data.dimensions=20000": "data=gmm_generated data.",
    "data=tones data.samples=100000": "data=tones data.samples=100,000",
    "data=syllables data.samples=1000000": "data=syllables data.samples=1,000,000",
    "data=cluttered_digits data.samples=100000": "data=cluttered_digits data.samples=100,000",
    "model.hidden=100000": "model: 7,500,010 parameters",
}


@pytest.mark.parametrize("words", WORDS)
def test_what_does_not_fit_is_not_begun(free: Callable[[int], None], words: str) -> None:
    config = compose([*words.split(), "tracker=none"])
    free(8 * MIB)
    with pytest.raises(ConfigError, match="it needs at least") as refused:
        plan.plan(config)
    assert WORDS[words] in str(refused.value)


def test_ceilings_of_multiruns(labkit: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    many = ("-m", "optimizer.lr=range(0.1,1,0.1)", "seed=range(0,3)")
    for words, said in {
        (*many, "hydra.sweeper.max_jobs=26"): "hydra.sweeper.max_jobs: the multirun has 27 jobs, at most 26 allowed.",
        (*many, "hydra.sweeper.max_jobs=100", "seeds=4"): "the multirun has 108 jobs, at most 100 allowed.",
        ("-m", "seeds=10001"): "seeds: expected at most 10,000, got 10,001.",
        ("-m", "seed=range(0,2000000)"): "seed=range(0,2000000): a range of more than 1,000,000 values.",
    }.items():
        answer = labkit(*words)
        assert (answer.code, answer.files) == (2, []), answer.err
        assert said in answer.err
    monkeypatch.setattr(override_grammar, "MOST_VALUES", 5)
    assert "more than 5 values" in labkit(*many).err
    assert labkit(*many, "hydra.sweeper.dry_run=true", "seed=0").code == 2


def test_ceilings_of_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "MOST_LAYERS", 10)
    for entry in ({"linear": {"units": 4, "repeat": 10**9}}, {"residual": {"width": 4, "blocks": 10**9}}):
        with pytest.raises(ConfigError, match=r"more than 10 layers"):
            entries.expand([entry], "relu", entries.Sizing(10))


@pytest.mark.parametrize(
    ("target", "said"),
    [("a", "a.b"), ("a b.c", "a b.c"), ("a..b", "a..b"), (".", "."), ("3.x", "3.x")],
)
def test_a_target_is_a_name(target: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"targets: expected names such as my_module\.my_network"):
        plan.resolved(compose([f"targets=['{target}']"]))


def test_only_plain_files_are_opened(tmp_path: Path, labkit: Command) -> None:
    """A pipe waits for ever, a device may never end."""
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "device.csv").symlink_to("/dev/null")
    for name in ("pipe.csv", "device.csv"):
        with pytest.raises(DataError, match="expected a plain file"):
            plain(tmp_path / name)
        answer = labkit("data=table", f"data.file={tmp_path / name}", "data.target=y")
        assert (answer.code, "found a pipe, a device or a socket" in answer.err) == (2, True)
    (tmp_path / "x").write_text("")
    assert plain(tmp_path / "x").exists()
    assert plain(tmp_path / "missing")


def read_table(path: Path) -> None:
    table.table(root=path.parent, file=Path(path.name), target="y")


def test_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: Callable[[int], None]) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a,b,y\n" + "".join(f"{k},{k},c{k}\n" for k in range(20)))
    monkeypatch.setattr(checks, "MOST_CLASSES", 10)
    with pytest.raises(DataError, match=r"20 classes in 20 samples, expected at most 10; is the target a number"):
        read_table(file)
    monkeypatch.setattr(table, "MOST_COLUMNS", 2)
    with pytest.raises(DataError, match="found 3 columns, expected at most 2"):
        read_table(file)
    file.write_text("x" * 200_000)
    with pytest.raises(DataError, match="cells of at most 131,072 characters"):
        read_table(file)
    free(1000)
    with pytest.raises(ConfigError, match=r"t\.csv: it needs at least"):
        read_table(file)


def test_npz_files(tmp_path: Path, free: Callable[[int], None]) -> None:
    """What an archive would unfold to counts, not its size."""
    np.savez(tmp_path / "empty.npz", x=np.zeros((0, 3)), y=np.zeros(0))
    with pytest.raises(DataError, match="array 'y' is empty"):
        read_table(tmp_path / "empty.npz")
    np.savez_compressed(tmp_path / "packed.npz", x=np.zeros((10_000, 10)), y=np.zeros(10_000))
    assert (tmp_path / "packed.npz").stat().st_size < 10_000
    free(MIB)
    with pytest.raises(ConfigError, match=r"packed\.npz: it needs at least 2 MiB"):
        read_table(tmp_path / "packed.npz")


def test_mat_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is not the published one unfolds to a ceiling, and scipy never sees more."""
    from scipy.io import savemat

    (tmp_path / "bgu").mkdir()
    file = tmp_path / "bgu" / "PeaksData.mat"
    savemat(file, {key: np.zeros((5, 1000)) for key in mat.KEYS}, do_compression=True)
    monkeypatch.setattr(mat, "MOST_UNFOLDED", 100_000)
    monkeypatch.setattr(mat, "read_mat", lambda *_: pytest.fail("it was parsed"))
    with pytest.raises(DataError, match="unfolds to more than"):
        mat.peaks(root=tmp_path)


def test_idx_files(tmp_path: Path, free: Callable[[int], None]) -> None:
    from labkit.data.idx import read_idx

    file = tmp_path / "sparse"
    with file.open("wb") as stream:
        stream.write(bytes((0, 0, 8, 1)) + (4 * MIB).to_bytes(4, "big"))
        stream.truncate(8 + 4 * MIB)
    free(MIB)
    with pytest.raises(ConfigError, match=r"sparse: it needs at least 4 MiB"):
        read_idx([file], 1)


def load(content: str) -> object:
    from omegaconf import OmegaConf

    bounded_yaml.bound()
    return OmegaConf.to_container(OmegaConf.load(io.StringIO(content)))


def test_yaml_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load("a: &x [1, 2]\nb: *x\nc: {d: 1e3}\n") == {"a": [1, 2], "b": [1, 2], "c": {"d": 1000.0}}
    monkeypatch.setattr(bounded_yaml, "MOST_NODES", 40)
    load("a: &x [1, 2, 3]\nb: [*x, *x, *x]\n")
    cases = {
        "a: &x [1, 2, 3]\nb: &y [*x, *x, *x]\nc: [*y, *y, *y]\n": "more than 40 values, aliases unfolded",
        "a: " + "[" * 80 + "]" * 80: "more than 60 levels inside each other",
    }
    for content, said in cases.items():
        with pytest.raises(Exception, match=said):
            load(content)
    monkeypatch.setattr(bounded_yaml, "LONGEST", 10)
    with pytest.raises(Exception, match="a value of 11 characters, expected at most 10"):
        load("a: xxxxxxxxxxx")
    monkeypatch.setattr(bounded_yaml, "LARGEST", 5)
    with pytest.raises(Exception, match="more than 5 characters"):
        load("a: 123")


def test_a_file_that_is_too_much_is_named(tmp_path: Path, labkit: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "deep.yaml").write_text("name: " + "[" * 80 + "]" * 80)
    answer = labkit("-cd", str(tmp_path), "experiment=deep")
    assert answer.code == 2
    assert "deep.yaml, line 1" in answer.err
    assert "this is too much: more than 60 levels" in answer.err
    monkeypatch.setattr(permissions, "LONGEST_WORD", 30)
    answer = labkit("name=" + "x" * 40)
    assert "name: 45 characters on the command line, expected at most 30; a file has room" in answer.err


def test_an_array_that_claims_more_than_its_file_holds(tmp_path: Path) -> None:
    """NPZ members with a size that the archive does not hold are damaged, not allocated."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)})
    with zipfile.ZipFile(tmp_path / "lies.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue())
        archive.writestr("y.npy", header.getvalue())
    with pytest.raises(DataError, match="cannot be read as an NPZ file"):
        read_table(tmp_path / "lies.npz")
