"""A user's own pictures."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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


def test_palette_transparency_and_16_bit(tmp_path, folder):
    Image.new("P", (9, 9)).save(folder / "red" / "palette.png")
    Image.new("RGBA", (9, 9), (*RED, 10)).save(folder / "red" / "transparent.png")
    assert images(root=tmp_path).features.shape == (8, 3, 32, 32)


def test_camera_orientation(tmp_path, folder):
    picture = Image.new("RGB", (8, 8), RED)
    picture.paste(BLUE, (0, 0, 8, 4))  # the upper half, which the camera says is the right one
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(folder / "red" / "9.jpg", exif=exif, quality=95)
    turned = images(root=tmp_path, size=8).features[-1]
    assert turned[2, :, 6].min() > 150
    assert turned[2, :, 1].max() < 100


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
@pytest.mark.parametrize("keep", [0, 10, 60, 0.5])
def test_truncated_picture(tmp_path, folder, suffix, keep):
    path = folder / "red" / f"big{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(DataError, match=f"big{suffix}: cannot be decoded .* expected a whole PNG, JPEG or BMP"):
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
