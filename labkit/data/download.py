"""Download of published files: checksums, resuming, and a clear sentence when there is no network."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.data.dataset import DataError, MissingFileError

if TYPE_CHECKING:
    import requests

ATTEMPTS = 4  # most attempts to complete a download whose connection breaks
TIMEOUT = (10.0, 60.0)  # seconds to connect, seconds between two bytes
CHUNK = 1 << 18


@dataclass(frozen=True)
class Published:
    """One file as its publisher offers it.

    Attributes:
        base: Base address.
        name: Name of the file behind the base address.
        md5: Checksum of the file, in hexadecimal digits.
    """

    base: str
    name: str
    md5: str

    def url(self, mirror: str | None = None) -> str:
        """Return the address of the file; `mirror` replaces the publisher's base address."""
        return f"{(mirror or self.base).rstrip('/')}/{self.name}"


def fetch(file: Published, folder: Path, *, download: bool = True, mirror: str | None = None) -> Path:
    """Return the path of `file` in `folder`; download it first if it is not there.

    The bytes go to `<name>.part`, which a later call resumes. They get the final name in one rename, after the checksum
    was met. A file that is already there is returned unchecked: see `verify`.

    Args:
        file: Published file.
        folder: Folder to hold it.
        download: False to raise instead of downloading.
        mirror: Base address instead of the publisher's.

    Raises:
        MissingFileError: The file is not there and cannot be downloaded; the sentence says where to put it by hand.
        DataError: The folder cannot be written.
    """
    path = folder / file.name
    if path.exists():
        return path
    by_hand = f"put {file.url(mirror)} (md5 {file.md5}) there by hand"
    if not download:
        raise MissingFileError(f"{path} is missing and data.download is false: set it to true, or {by_hand}.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(folder):
            if not path.exists():  # another process may have been quicker
                _download(file, path, mirror)
    except _NetworkError as error:
        raise MissingFileError(f"{path} is missing and could not be downloaded ({error}): {by_hand}.") from error
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{path} is missing and cannot be written ({reason}): mend that, or {by_hand}.") from error
    return path


def verify(path: Path, md5: str) -> None:
    """Compare the md5 of a file with the published one.

    Raises:
        DataError: The two differ.
    """
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5:
        raise DataError(f"{path}: found md5 {found}, expected the published {md5}: delete the file and fetch it again.")


class _NetworkError(Exception):
    """No connection, a refusal by the server, or bytes that are not the published ones."""


def _download(file: Published, path: Path, mirror: str | None) -> None:
    """Let pooch check and place the bytes that `_Resuming` brings, with a few attempts on broken connections."""
    import pooch  # type: ignore[import-untyped,unused-ignore]

    pooch.get_logger().setLevel("WARNING")
    downloader = _Resuming(path.with_name(path.name + ".part"))
    for attempt in range(1, ATTEMPTS + 1):
        try:
            pooch.retrieve(
                file.url(mirror), f"md5:{file.md5}", fname=path.name, path=path.parent, downloader=downloader
            )
            return
        except _BrokenError as error:
            if attempt == ATTEMPTS or not downloader.received:
                raise _NetworkError(str(error)) from error
        except ValueError as error:  # pooch: the checksum differs; it has removed the file
            if not downloader.resumed:
                raise _NetworkError("the bytes received do not have the published checksum") from error
            downloader.resumed = False  # the old part may have been foreign: once more, from the first byte


class _BrokenError(Exception):
    """The connection failed or ended early; the part stays for the next attempt."""


@dataclass
class _Resuming:
    """A downloader for pooch: it continues `part`, and moves the whole file to the place that pooch names.

    Attributes:
        part: Path of the unfinished file.
        resumed: True if the last file began with bytes of an earlier attempt.
        received: Number of bytes that the last attempt brought.
    """

    part: Path
    resumed: bool = field(default=False, init=False)
    received: int = field(default=0, init=False)

    def __call__(self, url: str, output_file: str | os.PathLike[str], pooch: object, check_only: bool = False) -> None:
        import requests
        import urllib3

        self.received = 0
        have = self.part.stat().st_size if self.part.exists() else 0
        # "identity": a server must not wrap the published bytes in another compression.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        try:
            with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
                self._receive(response, have)
        except requests.RequestException as error:
            raise _BrokenError(_reason(error)) from error
        except urllib3.exceptions.HTTPError as error:
            raise _BrokenError(f"the connection broke: {type(error).__name__}") from error
        os.replace(self.part, output_file)

    def _receive(self, response: requests.Response, have: int) -> None:
        """Append the bytes of an answer to the part, which has `have` bytes; raise _BrokenError if some are missing."""
        if response.status_code == 416:  # nothing left to send: the part is whole, or it is foreign
            if response.headers.get("Content-Range") == f"bytes */{have}":
                self.resumed = True
                return
            self.part.unlink()
            self.received = 1  # not a dead connection: worth another attempt
            raise _BrokenError(f"the server does not know byte {have} of the file")
        response.raise_for_status()
        # A server without ranges answers 200 and sends everything again.
        start = have if response.headers.get("Content-Range", "").startswith(f"bytes {have}-") else 0
        if response.status_code == 206 and start != have:
            raise _BrokenError("the server sent another range than the one asked for")
        self.resumed = start > 0
        total = start + int(response.headers.get("Content-Length", 0)) or None
        with self.part.open("ab" if start else "wb") as part, _progress(self.part.stem, start, total) as advance:
            for chunk in response.raw.stream(CHUNK, decode_content=False):
                part.write(chunk)
                self.received += len(chunk)
                advance(len(chunk))
            part.flush()
            os.fsync(part.fileno())  # so that after a power cut the final name never holds a hole
        if total is not None and start + self.received != total:
            raise _BrokenError(f"the connection ended at byte {start + self.received} of {total}")


def _reason(error: Exception) -> str:
    """Return a short reason: the server's refusal or the kind of failure, without the objects in requests' own text."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code} {response.reason}"
    return f"no connection: {type(error).__name__}"


@contextmanager
def _progress(name: str, start: int, total: int | None) -> Iterator[Any]:
    """Show a bar on a terminal, nothing elsewhere; yield a function that advances it by a number of bytes."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda size: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task(name, total=total, completed=start)
        yield lambda size: progress.advance(task, size)


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Lock the folder while downloading, so that processes started together do not write one part at a time.

    Where the system or the file system has no such lock, the checksum still catches a mixed file.
    """
    handle = os.open(folder, os.O_RDONLY) if os.name == "posix" else None
    try:
        if handle is not None:
            import fcntl

            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        if handle is not None:
            os.close(handle)  # which unlocks it
