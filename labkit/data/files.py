"""Exact reading of files: every expected byte is read and hashed, and none may follow."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np

from labkit.data.dataset import DataError, MissingFileError

CHUNK = 1 << 20  # bytes read and hashed together: they are still in the cache when they are hashed


class Digest(Protocol):
    """The part of a `hashlib` object that is used here."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...


class Stream(Protocol):
    """The part of an open binary file that is used here."""

    def read(self, size: int, /) -> bytes: ...
    def readinto(self, buffer: memoryview, /) -> int | None: ...


def present(path: Path, hint: str) -> Path:
    """Return `path` itself if a file or folder is there.

    Args:
        path: Path of a file or folder.
        hint: Words for the thing to put there.

    Raises:
        MissingFileError: Nothing is there.
    """
    if not path.exists():
        raise MissingFileError(f"{path} is missing: put {hint} there.")
    return plain(path)


def plain(path: Path) -> Path:
    """Return `path` itself; raise DataError where it is a pipe, a device or a socket, which may never end."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise DataError(f"{path}: found a pipe, a device or a socket, expected a plain file.")
    return path


def of_ending(folder: Path, ending: str) -> list[Path]:
    """Return the files of a folder with this ending, in any case, sorted, without hidden ones (`._x.wav`)."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() == ending and not path.name.startswith("."))
    return [plain(path) for path in found]


@contextmanager
def readable(path: Path | str) -> Iterator[None]:
    """Raise DataError for any error of the operating system or of a decompressor while `path` is read."""
    try:
        yield
    except DataError:
        raise
    except EOFError as error:
        raise DataError(
            f"{path}: the compressed stream stops at byte {Path(path).stat().st_size}, before its end marker "
            "(truncated?)."
        ) from error
    except zlib.error as error:
        raise DataError(f"{path}: found a damaged compressed stream ({error}), expected an intact one.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def fill(stream: Stream, target: np.ndarray, digest: Digest, path: Path | str, offset: int) -> None:
    """Read and hash exactly `target.nbytes` bytes into `target`, without a copy between.

    Args:
        stream: Open binary file.
        target: C-contiguous array of any dtype and shape, overwritten.
        digest: Hash that gets every byte read.
        path: Path named in the error.
        offset: Position of the first byte in the file, for the error.

    Raises:
        DataError: The stream ends too early; the sentence says at which byte.
    """
    view = target.reshape(-1).view(np.uint8).data
    done = 0
    while done < len(view):
        got = stream.readinto(view[done : done + CHUNK])
        if not got:
            raise DataError(
                f"{path}: ends at byte {offset + done}, expected at least {offset + len(view)} bytes (truncated?)."
            )
        digest.update(view[done : done + got])
        done += got


def ended(stream: Stream, path: Path | str, size: int) -> None:
    """Raise DataError unless the file ends after `size` bytes.

    Raises:
        DataError: There is at least one byte more.
    """
    # To read past the end also makes gzip compare its own checksum.
    if stream.read(1):
        raise DataError(f"{path}: found more bytes at byte {size}, expected the end of the file there.")


def combined_sha256(digests: Iterable[tuple[str, str]]) -> str:
    """Return one SHA-256 for several contents: that of the lines `name digest`, in the order given.

    A set read from an archive thus has the same hash as the same set read from its extracted folder.
    """
    lines = "".join(f"{name} {digest}\n" for name, digest in digests)
    return hashlib.sha256(lines.encode()).hexdigest()
