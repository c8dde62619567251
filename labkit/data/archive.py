"""Members of a tar.gz, read by name one after the other; none is ever written to disk."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Callable, Collection
from pathlib import Path, PurePosixPath
from typing import IO

from labkit.data.dataset import DataError
from labkit.data.files import readable


def read_members(path: Path, wanted: Collection[str], read: Callable[[str, IO[bytes]], None]) -> None:
    """Call `read(name, open stream)` for each wanted member, in the archive's order.

    Args:
        path: Path of a `.tar.gz` file.
        wanted: Names of members, `folder/file`.
        read: Function that takes its bytes from the stream, which is valid during the call only.

    Raises:
        DataError: The file is no archive or truncated, a member points outside, or a wanted one is missing or no file.
    """
    missing = set(wanted)
    with readable(path), path.open("rb") as raw:
        try:
            with gzip.GzipFile(fileobj=raw) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as tar:
                for member in tar:
                    _refuse_outside(path, member)
                    name = str(PurePosixPath(member.name))
                    if name in missing:
                        read(name, _content(path, tar, member))
                        missing.discard(name)
        except tarfile.TarError as error:
            raise DataError(f"{path}: near byte {raw.tell()}: found {error}, expected an intact tar.gz.") from error
    if missing:
        raise DataError(f"{path}: found no member {min(missing)!r}, expected it in the archive.")


def _refuse_outside(path: Path, member: tarfile.TarInfo) -> None:
    """Raise DataError for a member, or a link, that points outside the archive.

    Nothing is extracted here, but the publishers' archives have no such member: this one must be another.
    """
    targets = [member.name]
    if member.issym():
        targets.append(str(PurePosixPath(member.name).parent / member.linkname))
    elif member.islnk():
        targets.append(member.linkname)
    for target in targets:
        pure = PurePosixPath(target.replace("\\", "/"))
        if pure.is_absolute() or _climbs(pure) or ":" in pure.parts[:1][0]:
            raise DataError(
                f"{path}: byte {member.offset} of the tar: found member {member.name!r} that points outside, "
                "expected names inside the archive."
            )


def _climbs(pure: PurePosixPath) -> bool:
    """Return True if a relative path leaves the folder that it starts in."""
    depth = 0
    for part in pure.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return False


def _content(path: Path, tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    """Return the open stream of a member; raise DataError unless it is a plain file."""
    stream = tar.extractfile(member) if member.isreg() else None
    if stream is None:
        raise DataError(f"{path}: found member {member.name!r} that is no plain file, expected one.")
    return stream
