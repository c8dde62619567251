"""What each of Pillow's modes becomes, against values worked out by hand."""

from __future__ import annotations

import io
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labkit.data import picture as module
from labkit.data.dataset import DataError
from labkit.data.picture import MODES, Picture, decode, flattened

WHITE, GROUND = (255, 255, 255), (10, 20, 30)
RAMP = np.arange(65536, dtype=np.uint16).reshape(256, 256)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def read(content: bytes, name: str = "x.png", size: int = 2, channels: int = 3, ground=WHITE) -> Picture:
    return decode(content, Path(name), size, channels, ground)


def palette(*colours: int) -> Image.Image:
    image = Image.new("P", (2, 2), 1)
    image.putpalette(colours)
    return image


# Mode -> a picture of one colour, and that colour.
COLOURS = {
    "1": (Image.new("1", (2, 2), 1), (255, 255, 255)),
    "L": (Image.new("L", (2, 2), 77), (77, 77, 77)),
    "P": (palette(0, 0, 0, 9, 99, 199), (9, 99, 199)),
    "RGB": (Image.new("RGB", (2, 2), (9, 99, 199)), (9, 99, 199)),
    "RGBX": (Image.new("RGBX", (2, 2), (9, 99, 199, 3)), (9, 99, 199)),
    "CMYK": (Image.new("CMYK", (2, 2), (255, 0, 255, 0)), (0, 255, 0)),
    "YCbCr": (Image.new("YCbCr", (2, 2), (128, 128, 128)), (128, 128, 128)),
    "HSV": (Image.new("HSV", (2, 2), (0, 255, 255)), (255, 0, 0)),
    "LAB": (Image.new("LAB", (2, 2), (255, 128, 128)), (255, 255, 255)),
    "I;16": (Image.fromarray(np.full((2, 2), 0x4DFF, np.uint16)), (0x4D, 0x4D, 0x4D)),
    "I;16B": (Image.frombytes("I;16B", (2, 2), b"\x4d\xff" * 4), (0x4D, 0x4D, 0x4D)),
    "I;16L": (Image.frombytes("I;16L", (2, 2), b"\xff\x4d" * 4), (0x4D, 0x4D, 0x4D)),
    "I;16N": (Image.frombytes("I;16N", (2, 2), np.full(4, 0x4DFF, "=u2").tobytes()), (0x4D, 0x4D, 0x4D)),
    # three quarters of the ground (10, 20, 30) and one of (80, 80, 80) or of (80, 160, 240)
    "LA": (Image.new("LA", (2, 2), (80, 64)), (28, 35, 43)),
    "La": (Image.new("La", (2, 2), (20, 64)), (28, 35, 43)),
    "PA": (palette(0, 0, 0, 80, 160, 240).convert("PA"), (80, 160, 240)),
    "RGBA": (Image.new("RGBA", (2, 2), (80, 160, 240, 64)), (28, 55, 83)),
    "RGBa": (Image.new("RGBa", (2, 2), (20, 40, 60, 64)), (28, 55, 83)),
}


def test_the_table_names_every_mode_of_pillow() -> None:
    assert set(MODES) == set(Image.MODES)
    assert set(COLOURS) == {mode for mode, kind in MODES.items() if kind != "no range"}
    assert set(MODES) <= set(re.findall(r"[\w;]+", module.__doc__))


@pytest.mark.parametrize("mode", COLOURS)
def test_every_mode(mode: str) -> None:
    image, expected = COLOURS[mode]
    assert image.mode == mode
    flat, transparent = flattened(image, 16 if MODES[mode] == "16 bit" else 0, GROUND)
    found = np.asarray(flat.convert("RGB"), dtype=int)
    rounding = 2 if MODES[mode] == "transparent" else mode == "LAB"  # of two mixtures, and of a colour profile
    assert np.abs(found - expected).max() <= rounding, found[0, 0]
    assert transparent == (MODES[mode] == "transparent" and mode != "PA")  # whose alpha is opaque here


@pytest.mark.parametrize(
    ("form", "name"), [("PNG", "x.png"), ("TIFF", "x.tif"), ("PPM", "x.pgm"), ("JPEG2000", "x.jp2")]
)
def test_16_bits_are_256_equal_steps(form: str, name: str) -> None:
    options = {"irreversible": False} if form == "JPEG2000" else {}
    found = read(saved(Image.fromarray(RAMP), form, **options), name, 256, 1).pixels[0]
    np.testing.assert_array_equal(found, RAMP // 256)


def test_16_bits_of_an_8_bit_picture_are_that_picture() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (9, 9)).astype(np.uint8)
    widened = Image.fromarray(grey.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read(saved(widened, "PNG"), size=9, channels=1).pixels[0], grey)


def test_12_bits_of_a_tiff() -> None:
    """Two rows of the grey values 0xABC and 0x123, each packed into three bytes by hand."""
    strip = bytes((0xAB, 0xC1, 0x23)) * 2
    tags = [(256, 2), (257, 2), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 2), (279, len(strip))]
    entries = b"".join(struct.pack("<HHII", tag, 3, 1, value) for tag, value in tags)
    content = b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + struct.pack("<H", len(tags)) + entries + bytes(4)
    assert read(content, "x.tif", channels=1).pixels.tolist() == [[[0xAB, 0x12], [0xAB, 0x12]]]


def transparent_files() -> dict[str, tuple[bytes, str]]:
    """A black square on a transparent ground, as each kind of file stores it; the transparent colour is black too."""
    alpha = np.zeros((4, 4), np.uint8)
    alpha[1:3, 1:3] = 255
    rgba = Image.fromarray(np.dstack([np.zeros((4, 4, 3), np.uint8), alpha]))
    grey = Image.fromarray(np.where(alpha, 0, 9).astype(np.uint8))
    wide = Image.fromarray(np.where(alpha, 0, 9).astype(np.uint16))
    indices = Image.fromarray(np.where(alpha, 0, 1).astype(np.uint8)).convert("P")
    indices.putpalette([0] * 6)
    return {
        "RGBA PNG": (saved(rgba, "PNG"), "x.png"),
        "LA PNG": (saved(rgba.convert("LA"), "PNG"), "x.png"),
        "RGBA WEBP": (saved(rgba, "WEBP", lossless=True, exact=True), "x.webp"),
        "RGBA TIFF": (saved(rgba, "TIFF"), "x.tif"),
        "palette PNG": (saved(indices, "PNG", transparency=1), "x.png"),
        "palette PNG, alpha by entry": (saved(indices, "PNG", transparency=b"\xff\x00"), "x.png"),
        "GIF": (saved(indices, "GIF", transparency=1), "x.gif"),
        "tRNS of an L PNG": (saved(grey, "PNG", transparency=9), "x.png"),
        "tRNS of an RGB PNG": (saved(grey.convert("RGB"), "PNG", transparency=(9, 9, 9)), "x.png"),
        "tRNS of a 16-bit PNG": (saved(wide, "PNG", transparency=9), "x.png"),
    }


@pytest.mark.parametrize("kind", list(transparent_files()))
@pytest.mark.parametrize("channels", [1, 3])
def test_a_black_square_on_a_transparent_ground(kind: str, channels: int) -> None:
    content, name = transparent_files()[kind]
    found = read(content, name, 4, channels)
    expected = np.full((channels, 4, 4), 255)
    expected[:, 1:3, 1:3] = 0
    np.testing.assert_array_equal(found.pixels, expected)
    assert found.transparent
    assert read(content, name, 4, channels, (0, 0, 0)).pixels.max() == 0


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_an_alpha_channel_that_is_opaque_all_over_shows_no_ground(mode: str) -> None:
    grey = Image.fromarray(np.full((2, 2), 77, np.uint8))
    found = read(saved(grey.convert(mode), "PNG"))
    assert not found.transparent
    assert np.unique(found.pixels).tolist() == [77]


def test_a_turned_picture_is_turned_with_its_transparency() -> None:
    image = Image.new("RGBA", (2, 2), (0, 0, 0, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    assert read(saved(image, "PNG", exif=exif), channels=1).pixels.tolist() == [[[0, 0], [0, 255]]]


@pytest.mark.parametrize(("form", "name"), [("PNG", "x.png"), ("TIFF", "x.tif")])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_is_turned_once(form: str, name: str, dtype: type) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: a quarter to the right puts it upright
    stored = np.array([[1, 2], [3, 4]], dtype) * (256 if dtype is np.uint16 else 1)
    content = saved(Image.fromarray(stored), form, exif=exif)
    assert read(content, name, channels=1).pixels.tolist() == [[[3, 1], [4, 2]]]


@pytest.mark.parametrize(("form", "name"), [("GIF", "x.gif"), ("TIFF", "x.tif"), ("WEBP", "x.webp"), ("PNG", "x.png")])
def test_of_several_frames_the_first(form: str, name: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue", "green")]
    options = {"lossless": True} if form == "WEBP" else {}
    found = read(saved(frames[0], form, save_all=True, append_images=frames[1:], **options), name, 4)
    assert found.frames == 3
    assert found.pixels[:, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(("dtype", "holds"), [(np.int32, "whole numbers of 32 bits"), (np.float32, "floats")])
def test_numbers_without_a_range_are_refused(dtype: type, holds: str) -> None:
    content = saved(Image.fromarray(RAMP.astype(dtype)), "TIFF")
    with pytest.raises(DataError, match=rf"x.tif: found {holds} \(Pillow's mode .\), of which no value means white"):
        read(content, "x.tif")


def test_a_file_is_what_it_holds_not_what_it_is_called() -> None:
    content = saved(Image.new("RGB", (2, 2), "red"), "BMP")
    assert read(content, "x.jpg").pixels[:, 0, 0].tolist() == [255, 0, 0]
