"""A user's own pictures."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labkit.config import ConfigError
from labkit.data.dataset import DataError
from labkit.data.images import images

RED, BLUE = (250, 0, 0), (0, 0, 250)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two classes in three formats and sizes, with files that are no pictures beside them."""
    top = tmp_path / "images"
    for name, colour in (("red", RED), ("blue", BLUE)):
        (top / name).mkdir(parents=True)
        for index, suffix in enumerate((".png", ".JPG", ".bmp")):
            Image.new("RGB", (20 + index, 10), colour).save(top / name / f"{index}{suffix}")
        (top / name / "notes.txt").write_text("not a picture")
        (top / name / ".hidden.png").write_text("nor this")
    (top / ".cache").mkdir()
    return top


def test_folders_are_classes(tmp_path, folder):
    data = images(root=tmp_path, size=8)
    assert data.features.shape == (6, 3, 8, 8)
    assert data.features.dtype == np.uint8
    assert data.class_names == ("blue", "red")
    assert list(data.labels) == [0, 0, 0, 1, 1, 1]
    assert np.abs(data.features.mean(axis=(2, 3)) - np.repeat([BLUE, RED], 3, axis=0)).max() < 6  # JPEG is not exact


def test_grey(tmp_path, folder):
    assert images(root=tmp_path, size=5, channels=1).features.shape == (6, 1, 5, 5)


def test_what_is_laid_on_the_ground_is_told(tmp_path, folder):
    Image.new("P", (9, 9)).save(folder / "red" / "palette.png")
    Image.new("RGBA", (9, 9), (*RED, 0)).save(folder / "red" / "transparent.png")
    data = images(root=tmp_path, background="blue")
    assert data.features.shape == (8, 3, 32, 32)
    assert data.features[-1, :, 0, 0].tolist() == [0, 0, 255]
    assert "1 of 8 pictures have transparent parts, laid on data.background=blue" in data.notes


def test_a_ground_that_is_no_colour(tmp_path, folder):
    with pytest.raises(ConfigError, match=r"data.background: expected a colour .*, got 'whit': did you mean 'white'\?"):
        images(root=tmp_path, background="whit")
    with pytest.raises(ConfigError, match=r"got '#ffffff00'"):
        images(root=tmp_path, background="#ffffff00")


def test_every_ending_and_subfolders_are_read_and_the_rest_counted(tmp_path, folder):
    """Six pictures in the fixture's folders, one more in each of these formats, two below and three files of no use."""
    suffixes = (".webp", ".tif", ".TIFF", ".gif", ".ppm", ".pgm", ".tga", ".jp2", ".jpe", ".pcx", ".qoi", ".avif")
    picture = Image.new("RGB", (12, 12), RED)
    for suffix in suffixes:
        picture.convert("L" if suffix == ".pgm" else "RGB").save(folder / "red" / f"more{suffix}")
    (folder / "red" / "session" / "two").mkdir(parents=True)
    picture.save(folder / "red" / "session" / "9.png")
    picture.save(folder / "red" / "session" / "two" / "9.webp")
    (folder / "readme.txt").write_text("no picture")
    (folder / "red" / "drawing.psd").write_bytes(b"8BPS")
    data = images(root=tmp_path, size=8)
    assert len(data.labels) == 6 + len(suffixes) + 2
    assert data.labels.tolist() == [0] * 3 + [1] * (5 + len(suffixes))
    assert data.notes == (
        "left out 3 files: no pictures (2 .txt, 1 .psd)",
        "left out 1 file: in no class's folder (1 .txt)",
        "2 of 20 pictures lie in folders below their class's and are read as that class",
    )


def test_nothing_is_said_of_a_plain_folder(tmp_path, folder):
    for notes in folder.glob("*/notes.txt"):
        notes.unlink()
    assert images(root=tmp_path).notes == ()


@pytest.mark.parametrize("inside", ["a", "a b/c"])
def test_pictures_one_level_deeper(tmp_path, folder, inside):
    for part, name in (("test", "1.png"), ("train", "1.png"), ("train", "2.png")):
        (folder / part / inside).mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4)).save(folder / part / inside / name)
    with pytest.raises(DataError) as caught:
        images(root=tmp_path)
    below = inside.partition("/")[0]
    assert f"train: found its 2 pictures one level deeper, in {below}: if those are" in str(caught.value)
    assert f"say data.folder={folder / 'train'}; if 'train' is one, move its pictures up." in str(caught.value)


def test_pictures_without_folders(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("L", (4, 4)).save(tmp_path / "images" / "1.png")
    with pytest.raises(DataError, match="found 1 files and no folder, expected one folder of pictures per class"):
        images(root=tmp_path)


def test_a_flat_folder_has_the_hash_of_earlier_versions(tmp_path, folder):
    """SHA-256 over the lines `class/file digest`, pictures of a class by name."""
    files = [path for name in ("blue", "red") for path in sorted((folder / name).glob("[0-9].*"))]
    lines = [f"{path.parent.name}/{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in files]
    assert images(root=tmp_path).sha256 == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_camera_orientation(tmp_path, folder):
    picture = Image.new("RGB", (8, 8), RED)
    picture.paste(BLUE, (0, 0, 8, 4))  # the upper half, which the camera says is the right one
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(folder / "red" / "9.jpg", exif=exif, quality=95)
    turned = images(root=tmp_path, size=8).features[-1]
    assert turned[2, :, 6].min() > 150
    assert turned[2, :, 1].max() < 100


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".gif", ".tif", ".webp", ".ppm", ".tga", ".jp2", ".qoi"])
@pytest.mark.parametrize("keep", [0, 10, 60, 0.5])
def test_truncated_picture(tmp_path, folder, suffix, keep):
    path = folder / "red" / f"big{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(DataError, match=f"big{suffix}: cannot be decoded .* expected a whole picture"):
        images(root=tmp_path)


def test_class_without_a_picture(tmp_path, folder):
    (folder / "green").mkdir()
    with pytest.raises(DataError, match=r"green: found no picture of this class, expected files ending in .png"):
        images(root=tmp_path)


def test_one_class_none_and_no_folder(tmp_path, folder):
    with pytest.raises(DataError, match="pictures is missing: put one folder of pictures per class"):
        images(root=tmp_path, folder=Path("pictures"))
    with pytest.raises(DataError, match="found no sample"):
        images(root=tmp_path, folder=folder / ".cache")
    shutil.rmtree(folder / "blue")
    with pytest.raises(DataError, match=r"found only one class \(red\)"):
        images(root=tmp_path)
