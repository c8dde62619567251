"""MNIST and Fashion-MNIST from small files in the published format.

It also covers files.py.
"""

import gzip
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labkit.data import idx
from labkit.data.dataset import DataError

N_TRAIN, N_TEST = 30, 20


def idx_bytes(array: np.ndarray) -> bytes:
    header = bytes((0, 0, 8, array.ndim)) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def arrays() -> list[np.ndarray]:
    """Contents of the four files in the order of `idx.NAMES`."""
    draw = np.random.default_rng(0)
    images = [draw.integers(0, 256, (n, 28, 28), dtype=np.uint8) for n in (N_TRAIN, N_TEST)]
    return [*images, np.arange(N_TRAIN) % 10, np.arange(N_TEST) % 10]


def write(root: Path, monkeypatch: pytest.MonkeyPatch, contents: list[bytes], name: str = "mnist") -> Path:
    """Store the four files under `root/name` and make their md5s the published ones."""
    folder = root / name
    folder.mkdir(exist_ok=True)
    published = []
    for file, content in zip(idx.MNIST, contents, strict=True):
        packed = gzip.compress(content, mtime=0)
        (folder / file.name).write_bytes(packed)
        published.append(replace(file, md5=hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(idx, name.upper(), tuple(published))
    return folder


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_reads_images_labels_and_the_published_split(tmp_path, monkeypatch, arrays, name):
    write(tmp_path, monkeypatch, [idx_bytes(array) for array in arrays], name)
    data = getattr(idx, name)(root=tmp_path, download=False)
    assert data.features.dtype == np.uint8
    assert data.features.shape == (50, 1, 28, 28)
    np.testing.assert_array_equal(data.features[:, 0], np.concatenate(arrays[:2]))
    np.testing.assert_array_equal(data.labels, np.concatenate(arrays[2:]))
    np.testing.assert_array_equal(data.splits["train"], np.arange(30))
    np.testing.assert_array_equal(data.splits["test"], np.arange(30, 50))
    assert data.verified
    assert data.name == name
    assert len(data.class_names) == 10


def test_the_last_training_images_can_be_the_validation_part(tmp_path, monkeypatch, arrays):
    write(tmp_path, monkeypatch, [idx_bytes(array) for array in arrays])
    whole, data = (idx.mnist(root=tmp_path, held_out=n, download=False) for n in (0, 10))
    assert data.sha256 == whole.sha256
    assert {name: (part[0], part[-1]) for name, part in data.splits.items()} == {
        "train": (0, 19),
        "validation": (20, 29),
        "test": (30, 49),
    }
    with pytest.raises(DataError, match="expected fewer than the 30 training images, got 30"):
        idx.mnist(root=tmp_path, held_out=30, download=False)


def test_unpacked_files_give_the_same_hash_but_are_unverified(tmp_path, monkeypatch, arrays):
    contents = [idx_bytes(array) for array in arrays]
    folder = write(tmp_path, monkeypatch, contents)
    packed = idx.mnist(root=tmp_path, download=False)
    for file, content in zip(idx.NAMES, contents, strict=True):
        (folder / file).unlink()
        (folder / file.removesuffix(".gz")).write_bytes(content)
    unpacked = idx.mnist(root=tmp_path, download=False)
    assert unpacked.sha256 == packed.sha256
    assert packed.verified
    assert not unpacked.verified


@pytest.mark.parametrize(
    "form", ["{dotted}", "{dotted}.gz", "{plain}/{plain}", "{dotted}/{dotted}", "{plain}/{dotted}"]
)
def test_the_names_that_unpackers_give(tmp_path, monkeypatch, arrays, form):
    """Nothing is fetched: `download` is true and there is no network in a test."""
    contents = [idx_bytes(array) for array in arrays]
    folder = write(tmp_path, monkeypatch, contents)
    packed = idx.mnist(root=tmp_path, download=False)
    monkeypatch.setattr(idx, "fetch", None)
    for file, content in zip(idx.NAMES, contents, strict=True):
        (folder / file).unlink()
        plain = file.removesuffix(".gz")
        path = folder / form.format(plain=plain, dotted=plain.replace("-idx", ".idx"))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    found = idx.mnist(root=tmp_path)
    assert found.sha256 == packed.sha256
    assert not found.verified


def test_the_published_file_goes_first(tmp_path, monkeypatch, arrays):
    folder = write(tmp_path, monkeypatch, [idx_bytes(array) for array in arrays])
    (folder / "train-images.idx3-ubyte").write_bytes(b"no idx file")
    (folder / "train-images-idx3-ubyte").mkdir()
    assert idx.mnist(root=tmp_path).verified


def bad_contents(arrays: list[np.ndarray]) -> dict[str, tuple[list[bytes], str]]:
    """Fault -> contents of the four files, what the sentence says."""
    good = [idx_bytes(array) for array in arrays]
    nothing_of_3 = np.where(arrays[2] == 3, 4, arrays[2]), np.where(arrays[3] == 3, 4, arrays[3])
    bad_label = arrays[2].copy()
    bad_label[7] = 10
    return {
        "magic": ([b"\0\0\x0d\3" + good[0][4:], *good[1:]], "byte 0: found magic 00000d03, expected 00000803"),
        "label file for images": ([good[2], *good[1:]], "found magic 00000801, expected 00000803"),
        "short": ([good[0][:-5], *good[1:]], "train-images-idx3-ubyte.gz: ends at byte 23531, expected at least 23536"),
        "no header": ([good[0][:6], *good[1:]], "ends at byte 6, expected at least 16"),
        "empty": ([b"", *good[1:]], "ends at byte 0"),
        "long": ([good[0] + b"x", *good[1:]], "found more bytes at byte 23536"),
        "absurd shape": ([good[0][:4] + b"\xff" * 12 + good[0][16:], *good[1:]], "byte 4: found the shape"),
        "shapes": ([good[0], idx_bytes(arrays[1][:, :14]), *good[2:]], r"found samples of shape \(14, 28\), expected"),
        "counts": ([*good[:2], idx_bytes(arrays[2][:-1]), good[3]], "found 29 labels, expected 30"),
        "label": ([*good[:2], idx_bytes(bad_label), good[3]], "byte 15: found label 10, expected 0 to 9"),
        "empty class": ([*good[:2], *map(idx_bytes, nothing_of_3)], "found no sample of class '3'"),
    }


FAULTS = ["magic", "label file for images", "short", "no header", "empty", "long", "absurd shape", "shapes", "counts"]


@pytest.mark.parametrize("fault", [*FAULTS, "label", "empty class"])
def test_bad_content(tmp_path, monkeypatch, arrays, fault):
    contents, sentence = bad_contents(arrays)[fault]
    write(tmp_path, monkeypatch, contents)
    with pytest.raises(DataError, match=sentence):
        idx.mnist(root=tmp_path, download=False)


def test_truncated_gzip(tmp_path, monkeypatch, arrays):
    folder = write(tmp_path, monkeypatch, [idx_bytes(array) for array in arrays])
    path = folder / idx.NAMES[0]
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"train-images.*the compressed stream stops at byte 5000"):
        idx.mnist(root=tmp_path, download=False)


def test_damaged_gzip(tmp_path, monkeypatch, arrays):
    folder = write(tmp_path, monkeypatch, [idx_bytes(array) for array in arrays])
    path = folder / idx.NAMES[0]
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # gzip's own checksum
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot be read: CRC check failed"):
        idx.mnist(root=tmp_path, download=False)


def test_a_file_that_is_no_gzip(tmp_path, monkeypatch, arrays):
    folder = write(tmp_path, monkeypatch, [idx_bytes(array) for array in arrays])
    (folder / idx.NAMES[1]).write_text("<html>sign in to the network</html>")
    with pytest.raises(DataError, match=r"t10k-images.*Not a gzipped file"):
        idx.mnist(root=tmp_path, download=False)


def test_wrong_checksum(tmp_path, monkeypatch, arrays):
    folder = write(tmp_path, monkeypatch, [idx_bytes(array) for array in arrays])
    other = 255 - arrays[1]
    (folder / idx.NAMES[1]).write_bytes(gzip.compress(idx_bytes(other)))
    with pytest.raises(DataError, match=r"t10k-images.*found md5 \w{32}, expected the published \w{32}"):
        idx.mnist(root=tmp_path, download=False)


def test_missing_file_without_download(tmp_path):
    with pytest.raises(
        DataError, match=r"train-images-idx3-ubyte.gz is missing and data.download is false.*md5 f68b3c2d"
    ):
        idx.mnist(root=tmp_path, download=False)
