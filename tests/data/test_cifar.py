"""CIFAR-10 and CIFAR-100 from small files in the published layout.

It also covers archive.py and cifar_names.py.
"""

import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labkit.data import cifar
from labkit.data.dataset import DataError

PER_FILE = 20
FOLDER = "cifar-10-batches-bin"


def records(seed: int, label_bytes: int = 1, classes: int = 10) -> np.ndarray:
    """`(20, label_bytes + 3072)` uint8 with every class of ten."""
    content = np.random.default_rng(seed).integers(0, 256, (PER_FILE, label_bytes + 3072), dtype=np.uint8)
    content[:, :label_bytes] = (np.arange(PER_FILE) % classes)[:, None]
    return content


@pytest.fixture
def files(monkeypatch) -> dict[str, np.ndarray]:
    """Records of each file of a small CIFAR-10, in the publisher's order."""
    small = dict.fromkeys(cifar.LAYOUT10.records, PER_FILE)
    monkeypatch.setattr(cifar, "LAYOUT10", replace(cifar.LAYOUT10, records=small))
    monkeypatch.setattr(cifar, "RECORDS", 8)  # a last, shorter chunk too
    return {name: records(seed) for seed, name in enumerate(small)}


def write_folder(root: Path, files: dict[str, np.ndarray], folder: str = FOLDER) -> Path:
    (root / folder).mkdir()
    for name, content in files.items():
        (root / folder / name).write_bytes(content.tobytes())
    return root / folder


def write_archive(
    root: Path, monkeypatch: pytest.MonkeyPatch, contents: dict[str, bytes], extra: tarfile.TarInfo | None = None
) -> Path:
    """A tar.gz in an order of its own, whose md5 becomes the published one."""
    path = root / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        if extra is not None:
            tar.addfile(extra)
        for name in sorted(contents, reverse=True):
            member = tarfile.TarInfo(name)
            member.size = len(contents[name])
            tar.addfile(member, io.BytesIO(contents[name]))
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setattr(cifar, "LAYOUT10", replace(cifar.LAYOUT10, archive=replace(cifar.LAYOUT10.archive, md5=md5)))
    return path


def in_folder(files: dict[str, np.ndarray]) -> dict[str, bytes]:
    return {f"{FOLDER}/{name}": content.tobytes() for name, content in files.items()}


def test_reads_the_published_split_from_the_folder(tmp_path, files):
    write_folder(tmp_path, files)
    data = cifar.cifar10(root=tmp_path)
    stored = np.concatenate(list(files.values()))
    assert data.features.dtype == np.uint8
    assert data.features.shape == (120, 3, 32, 32)
    np.testing.assert_array_equal(data.features, stored[:, 1:].reshape(-1, 3, 32, 32))
    np.testing.assert_array_equal(data.labels, stored[:, 0])
    np.testing.assert_array_equal(data.splits["train"], np.arange(100))
    np.testing.assert_array_equal(data.splits["test"], np.arange(100, 120))
    assert not data.verified
    assert "unverified" in data.source


def test_kth_split_reads_three_files_only(tmp_path, files):
    used = {name: files[name] for name in ("data_batch_1.bin", "data_batch_2.bin", "test_batch.bin")}
    write_folder(tmp_path, used)
    data = cifar.cifar10(root=tmp_path, split="kth")
    for part, content in zip(("train", "validation", "test"), used.values(), strict=True):
        np.testing.assert_array_equal(data.features[data.splits[part]].reshape(PER_FILE, -1), content[:, 1:])


def test_one_batch(tmp_path, files):
    used = {name: files[name] for name in ("data_batch_4.bin", "test_batch.bin")}
    write_folder(tmp_path, used)
    data = cifar.cifar10(root=tmp_path, split="batch_4")
    train = data.features[data.splits["train"]].reshape(PER_FILE, -1)
    np.testing.assert_array_equal(train, files["data_batch_4.bin"][:, 1:])


@pytest.mark.parametrize("split", ["published", "kth", "batch_2"])
def test_archive_and_folder_agree(tmp_path, monkeypatch, files, split):
    write_folder(tmp_path, files)
    folder = cifar.cifar10(root=tmp_path, split=split)
    write_archive(tmp_path, monkeypatch, in_folder(files))
    archive = cifar.cifar10(root=tmp_path, split=split)
    assert archive.verified
    assert archive.sha256 == folder.sha256
    np.testing.assert_array_equal(archive.features, folder.features)
    np.testing.assert_array_equal(archive.labels, folder.labels)
    assert not list(tmp_path.glob("**/*.part"))


@pytest.mark.parametrize(("labels", "classes", "column"), [("fine", 100, 1), ("coarse", 20, 0)])
def test_cifar100(tmp_path, monkeypatch, labels, classes, column):
    n = 200
    content = np.random.default_rng(0).integers(0, 256, (n, 2 + 3072), dtype=np.uint8)
    content[:, 0], content[:, 1] = np.arange(n) % 20, np.arange(n) % 100
    monkeypatch.setattr(cifar, "LAYOUT100", replace(cifar.LAYOUT100, records={"train.bin": n, "test.bin": n}))
    write_folder(tmp_path, {"train.bin": content, "test.bin": content[::-1]}, "cifar-100-binary")
    data = cifar.cifar100(root=tmp_path, labels=labels)
    assert len(data.class_names) == len(set(data.class_names)) == classes
    np.testing.assert_array_equal(data.labels[:n], content[:, column])
    np.testing.assert_array_equal(data.features[n:].reshape(n, -1), content[::-1, 2:])


def test_truncated_file(tmp_path, files):
    folder = write_folder(tmp_path, files)
    (folder / "data_batch_3.bin").write_bytes(files["data_batch_3.bin"].tobytes()[:-1])
    with pytest.raises(DataError, match=r"data_batch_3.bin: ends at byte 61459, expected 61460 bytes \(20 records\)"):
        cifar.cifar10(root=tmp_path)


def test_missing_file_in_the_folder(tmp_path, files):
    folder = write_folder(tmp_path, files)
    (folder / "test_batch.bin").unlink()
    with pytest.raises(DataError, match=r"test_batch.bin is missing: put the file from cifar-10-binary.tar.gz there"):
        cifar.cifar10(root=tmp_path)


def test_label_out_of_range_names_the_byte(tmp_path, files):
    files["data_batch_2.bin"][5, 0] = 10
    write_folder(tmp_path, files)
    with pytest.raises(DataError, match=r"data_batch_2.bin: byte 15365: found label 10, expected 0 to 9"):
        cifar.cifar10(root=tmp_path)


def test_nothing_there_and_no_download(tmp_path):
    with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz is missing.*md5 c32a1d4ab5d03f1284b67883e8d87530"):
        cifar.cifar10(root=tmp_path, download=False)


def outside(kind: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo({"parent": "../evil", "absolute": "/tmp/evil"}.get(kind, f"{FOLDER}/link"))
    if kind in ("symlink", "hardlink"):
        member.type = tarfile.SYMTYPE if kind == "symlink" else tarfile.LNKTYPE
        member.linkname = "../../evil" if kind == "symlink" else "../evil"
    return member


@pytest.mark.parametrize("kind", ["parent", "absolute", "symlink", "hardlink"])
def test_archive_member_that_points_outside(tmp_path, monkeypatch, files, kind):
    write_archive(tmp_path, monkeypatch, in_folder(files), outside(kind))
    before = sorted(tmp_path.parent.rglob("*"))
    with pytest.raises(DataError, match=r"tar.gz: byte 0 of the tar: found member .* that points outside"):
        cifar.cifar10(root=tmp_path)
    assert sorted(tmp_path.parent.rglob("*")) == before  # and nothing was written anywhere


def test_wanted_member_that_is_a_link(tmp_path, monkeypatch, files):
    contents = in_folder(files)
    del contents[f"{FOLDER}/test_batch.bin"]
    link = tarfile.TarInfo(f"{FOLDER}/test_batch.bin")
    link.type, link.linkname = tarfile.SYMTYPE, "data_batch_1.bin"
    write_archive(tmp_path, monkeypatch, contents, link)
    with pytest.raises(DataError, match=r"test_batch.bin' that is no plain file"):
        cifar.cifar10(root=tmp_path)


def test_archive_without_a_member(tmp_path, monkeypatch, files):
    contents = in_folder(files)
    del contents[f"{FOLDER}/data_batch_5.bin"]
    write_archive(tmp_path, monkeypatch, contents)
    with pytest.raises(DataError, match=r"found no member 'cifar-10-batches-bin/data_batch_5.bin'"):
        cifar.cifar10(root=tmp_path)


def test_short_member(tmp_path, monkeypatch, files):
    contents = in_folder(files)
    contents[f"{FOLDER}/data_batch_1.bin"] = contents[f"{FOLDER}/data_batch_1.bin"][:3000]
    write_archive(tmp_path, monkeypatch, contents)
    with pytest.raises(DataError, match=r"tar.gz/cifar-10-batches-bin/data_batch_1.bin: ends at byte 3000"):
        cifar.cifar10(root=tmp_path)


@pytest.mark.parametrize("keep", [0, 10, 2000, 100_000, -10])
def test_truncated_archive(tmp_path, monkeypatch, files, keep):
    path = write_archive(tmp_path, monkeypatch, in_folder(files))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz: (the compressed stream stops at|near|found md5)"):
        cifar.cifar10(root=tmp_path)


def test_wrong_checksum(tmp_path, monkeypatch, files):
    path = write_archive(tmp_path, monkeypatch, in_folder(files))
    monkeypatch.undo()
    small = dict.fromkeys(cifar.LAYOUT10.records, PER_FILE)
    monkeypatch.setattr(cifar, "LAYOUT10", replace(cifar.LAYOUT10, records=small))
    with pytest.raises(DataError, match=r"found md5 \w{32}, expected the published c32a1d4ab5d03f1284b67883e8d87530"):
        cifar.cifar10(root=tmp_path)
    assert path.exists()  # a user's file is never removed
