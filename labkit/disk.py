"""A disk that is full, read-only or somebody else's: one sentence, whatever it was that could not be written."""

from __future__ import annotations

import errno

_MEANINGS = {
    errno.ENOSPC: "no room is left on the disk; make room and call the command again",
    errno.EDQUOT: "the quota of this user is used up; make room and call the command again",
    errno.EROFS: "it lies on a disk that is read-only",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.EIO: "the disk fails",
}


def complaint(error: BaseException) -> str:
    """Return the sentence for an error, or for the one that it stems from; empty where no disk is to blame."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _MEANINGS:
            return f"{seen.filename or 'a file of the command'}: {_MEANINGS[seen.errno]}."
        seen = seen.__cause__
    return ""
