"""Errors of the disk become one sentence, whatever wrote."""

from __future__ import annotations

import errno

import pytest

from labkit.disk import complaint


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "no", "/x"), "/x: no room is left on the disk; make room and call the command again."),
        (OSError(errno.EROFS, "no", "/x"), "/x: it lies on a disk that is read-only."),
        (PermissionError(errno.EACCES, "no", "/x"), "/x: no permission."),
        (OSError(errno.EDQUOT, "no"), "a file of the command: the quota of this user is used up; make room and call"),
        (FileNotFoundError(errno.ENOENT, "no", "/x"), ""),
        (ValueError("x"), ""),
    ],
)
def test_sentences(error: Exception, said: str) -> None:
    assert complaint(error).startswith(said)
    assert bool(complaint(error)) == bool(said)


def test_the_cause_counts() -> None:
    error = RuntimeError("a library's own words")
    error.__cause__ = OSError(errno.ENOSPC, "no", "/x")
    assert complaint(error).startswith("/x: no room")
