"""Reading files exactly: present, filled to the last byte, hashed on the way, and nothing behind the end."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np

from labkit.data.dataset import DataError, MissingFileError

CHUNK = 1 << 20  # bytes read and hashed together: they are still in the cache when the hash sees them


class Digest(Protocol):
    """What we use of a `hashlib` object."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...


class Stream(Protocol):
    """What we use of an open binary file."""

    def read(self, size: int, /) -> bytes: ...
    def readinto(self, buffer: memoryview, /) -> int | None: ...


def present(path: Path, hint: str) -> Path:
    """`path` itself, when something is there.

    Args:
        path: a file or folder.
        hint: what to put there, in words.

    Raises:
        MissingFileError: nothing is there.
    """
    if not path.exists():
        raise MissingFileError(f"{path} is missing: put {hint} there.")
    return path


def of_ending(folder: Path, ending: str) -> list[Path]:
    """The files of a folder with this ending in small letters or capitals, by name, without hidden ones (`._x.wav`)."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() == ending and not path.name.startswith("."))


@contextmanager
def readable(path: Path | str) -> Iterator[None]:
    """Turn what the operating system and a decompressor raise while `path` is read into one sentence."""
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
    """Read exactly `target.nbytes` bytes into `target` without a copy between, hashing them.

    Args:
        stream: open binary file.
        target: C-contiguous array of any dtype and shape, overwritten.
        digest: fed every byte read.
        path: for the error.
        offset: position of the first byte, for the error.

    Raises:
        DataError: the stream ends too early; says at which byte.
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
    """Refuse bytes behind byte `size`, the end of the content; lets gzip compare its own checksum too.

    Raises:
        DataError: there is at least one byte more.
    """
    if stream.read(1):
        raise DataError(f"{path}: found more bytes at byte {size}, expected the end of the file there.")


def combined_sha256(digests: Iterable[tuple[str, str]]) -> str:
    """One SHA-256 of several contents: over the lines `name digest`, in the order given.

    So a set read from an archive and from its extracted folder has the same hash.
    """
    lines = "".join(f"{name} {digest}\n" for name, digest in digests)
    return hashlib.sha256(lines.encode()).hexdigest()
