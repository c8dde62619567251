"""Standard streams that never end a run: closed, of an encoding without our signs, left by their reader, full."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
import unicodedata
from typing import Any

_SIGNS = {  # plus-minus, times, minus, dashes, lines of tables, dots, an apostrophe
    **{"\u00b1": "+-", "\u00d7": "x", "\u2212": "-", "\u2013": "-", "\u2014": "-", "\u2500": "-", "\u2502": "|"},
    **{"\u2026": "...", "\u00b7": ".", "\u2019": "'"},
}


def prepare() -> None:
    """Let whatever is printed go somewhere; for the process of a command, before it prints anything."""
    codecs.register_error("labkit", _nearest)
    for number in range(3):
        _occupy(number)
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115
        elif name != "stdin" and stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, _lenient(stream))


def lost() -> str | None:
    """What became of standard output: None where all was taken, else a sentence.

    It is empty for a reader that left early, as `head` does: that needs no word.
    """
    sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if not isinstance(raw, _Lenient) or raw.error is None:
        return None
    return "" if raw.error.errno == errno.EPIPE else f"standard output: {raw.error.strerror}."


def _lenient(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    buffer = io.BufferedWriter(_Lenient(stream.fileno()))
    errors = "labkit" if stream.errors == "strict" else stream.errors
    return io.TextIOWrapper(
        buffer, stream.encoding, errors, line_buffering=stream.line_buffering, write_through=stream.write_through
    )


def _occupy(number: int) -> None:
    """Take a closed stream's number, lest the next file that is opened, such as the store, gets what is printed."""
    try:
        os.fstat(number)
    except OSError:
        nothing = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
        os.set_inheritable(nothing, True)


def _nearest(error: UnicodeError) -> tuple[str, int]:
    """What an encoding has for signs that it lacks."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    return "".join(_SIGNS.get(sign) or _letter(sign) or "?" for sign in text), error.end


def _letter(sign: str) -> str:
    return unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()


class _Lenient(io.RawIOBase):
    """A file descriptor that takes everything, and remembers the first error.

    Attributes:
        error: None while all is well.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self.error: OSError | None = None

    def write(self, content: Any) -> int:
        """All of `content`, to nobody once the reader has gone."""
        if self.error is None:
            try:
                return os.write(self._number, content)
            except OSError as error:
                self.error = error
        return len(content)

    def writable(self) -> bool:
        """Always."""
        return True

    def fileno(self) -> int:
        """The descriptor."""
        return self._number

    def isatty(self) -> bool:
        """Whether somebody watches."""
        return os.isatty(self._number)
