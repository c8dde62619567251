"""One picture file, decoded as 8-bit grey or RGB.

The result for each of Pillow's modes:

| mode | holds | becomes |
|---|---|---|
| `1 L P RGB` | black and white, grey, a palette, colour | itself |
| `RGBX CMYK YCbCr HSV LAB` | colour, written otherwise | RGB, by Pillow's conversion |
| `LA La PA RGBA RGBa` | grey, a palette or colour with transparency | laid on the ground |
| `1 L P RGB I;16` with a transparent colour | PNG's tRNS or GIF's transparent colour | laid on the ground |
| `I;16 I;16L I;16B I;16N` | 16-bit grey | the upper 8 of its bits: 0..65535 to 0..255 in equal steps |
| `I` of a PNG or PNM file | 16-bit grey | the upper 8 of its bits |
| `I` of any other file, `F` | whole numbers of 32 bits, floats | refused: no value of them means white |

Grey is made of RGB by ITU-R 601 (Pillow's `L`). Colours of 16 bits per channel reach us with their upper 8 bits.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labkit.data.dataset import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

MODES = {
    **dict.fromkeys(("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"), "colour"),
    **dict.fromkeys(("LA", "La", "PA", "RGBA", "RGBa"), "transparent"),
    **dict.fromkeys(("I;16", "I;16L", "I;16B", "I;16N"), "16 bit"),
    **dict.fromkeys(("I", "F"), "no range"),
}

# Formats that are recognised by content, whatever the file's name. Formats that start other programs (EPS) or that only
# wrap others are not read.
COMMON = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
# Formats with so short a signature that the file's ending has to confirm them.
BY_NAME = ("AVIF", "JPEG2000", "TGA", "PCX", "SGI", "QOI", "ICO", "DIB")
_BITS_PER_SAMPLE = 258  # TIFF's tag


@dataclass(frozen=True)
class Picture:
    """A decoded file.

    Attributes:
        pixels: Pixels, 0 to 255, shape (channels, size, size), uint8.
        transparent: True if the ground shows through somewhere.
        frames: Number of pictures or pages in the file; the first is read.
    """

    pixels: np.ndarray
    transparent: bool
    frames: int


@cache
def endings() -> dict[str, str]:
    """Return the endings of file names that are read, with their format: `{".png": "PNG", ...}`."""
    from PIL import Image

    known = Image.registered_extensions()
    return {ending: form for form in (*COMMON, *BY_NAME) for ending, own in known.items() if own == form}


def decode(content: bytes, path: Path, size: int, channels: int, ground: tuple[int, int, int]) -> Picture:
    """Return one picture, turned upright as its camera recorded and resized (bilinear) to a square.

    Args:
        content: Bytes of the file.
        path: Path, whose ending may name the format; also named in the error.
        size: Height and width in pixels.
        channels: Number of channels: 1 for grey, 3 for red, green and blue.
        ground: Red, green and blue, 0 to 255, behind transparent parts.

    Raises:
        DataError: The file cannot be decoded by Pillow, or holds numbers without a range.
    """
    from PIL import Image, ImageOps

    formats = dict.fromkeys([*COMMON, *filter(None, [endings().get(path.suffix.lower())])])
    try:
        with Image.open(io.BytesIO(content), formats=list(formats)) as stored:
            frames = getattr(stored, "n_frames", 1) if stored.format != "MPO" else 1  # a camera's preview
            _refuse_no_range(stored, path)
            flat, transparent = flattened(ImageOps.exif_transpose(stored), _bits(stored), ground)
        square = flat.convert("L" if channels == 1 else "RGB").resize((size, size), Image.Resampling.BILINEAR)
    except DataError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more
        raise DataError(
            f"{path}: cannot be decoded ({type(error).__name__}), expected a whole picture (PNG, JPEG, TIFF, ...)."
        ) from error
    return Picture(np.asarray(square).reshape(size, size, channels).transpose(2, 0, 1), transparent, frames)


def flattened(picture: Image, bits: int, ground: tuple[int, int, int]) -> tuple[Image, bool]:
    """Return a picture as grey (`L`) or `RGB`, and True if the ground shows through somewhere.

    Args:
        picture: Picture in any of `MODES` but those without a range.
        bits: Number of bits of a grey value that has more than 8, else 0.
        ground: Red, green and blue, 0 to 255.
    """
    eight_bits = _upper_bits(picture, bits) if bits else picture
    if eight_bits.has_transparency_data:
        return _laid_on(eight_bits, ground)
    return eight_bits if eight_bits.mode == "L" else eight_bits.convert("RGB"), False


def _refuse_no_range(picture: Image, path: Path) -> None:
    """Raise DataError for a mode whose numbers have no value that means white."""
    holds = {"I": "whole numbers of 32 bits", "F": "floats"}.get(picture.mode)
    if holds is None or (picture.mode == "I" and picture.format in ("PNG", "PPM")):
        return
    raise DataError(
        f"{path}: found {holds} (Pillow's mode {picture.mode}), of which no value means white; "
        "expected 8 or 16 bits per channel."
    )


def _bits(picture: Image) -> int:
    """Return the number of bits of a grey value that has more than 8 of them, else 0."""
    if picture.mode != "I" and MODES.get(picture.mode) != "16 bit":
        return 0
    tags = getattr(picture, "tag_v2", {})  # a TIFF file may say 12
    return int(tags.get(_BITS_PER_SAMPLE, (16,))[0])


def _upper_bits(picture: Image, bits: int) -> Image:
    """Return grey of `bits` bits as grey of 8; if one value is transparent, with an alpha channel."""
    from PIL import Image

    values = np.asarray(picture)
    grey = Image.fromarray((values >> (bits - 8)).clip(0, 255).astype(np.uint8))
    key = picture.info.get("transparency")
    if key is not None:
        grey.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    return grey


def _laid_on(picture: Image, ground: tuple[int, int, int]) -> tuple[Image, bool]:
    """Return the picture on its ground, and True if that shows: an alpha channel may be opaque all over."""
    from PIL import Image

    straight = picture.convert("LA") if picture.mode == "La" else picture  # Pillow goes no other way from La
    above = straight.convert("RGBA")
    below = Image.new("RGBA", picture.size, (*ground, 255))
    return Image.alpha_composite(below, above).convert("RGB"), bool(np.asarray(above)[..., 3].min() < 255)
