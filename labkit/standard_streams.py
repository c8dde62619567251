"""Standard streams that never end a run, even if they are closed, full, left by their reader or lack our signs."""

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
    """Make every later print succeed; a command's process calls this before it prints anything."""
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
    """Return None if standard output took everything, else a sentence about the failure.

    The sentence is empty for a reader that left early, as `head` does: that is no failure.
    """
    sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if not isinstance(raw, _Lenient) or raw.error is None:
        return None
    return "" if raw.error.errno == errno.EPIPE else f"standard output: {raw.error.strerror}."


def _lenient(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """Return a stream like the given one that takes everything."""
    buffer = io.BufferedWriter(_Lenient(stream.fileno()))
    errors = "labkit" if stream.errors == "strict" else stream.errors
    return io.TextIOWrapper(
        buffer, stream.encoding, errors, line_buffering=stream.line_buffering, write_through=stream.write_through
    )


def _occupy(number: int) -> None:
    """Occupy the number of a closed stream, or else the next opened file, such as the store, would get the prints."""
    try:
        os.fstat(number)
    except OSError:
        nothing = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
        os.set_inheritable(nothing, True)


def _nearest(error: UnicodeError) -> tuple[str, int]:
    """Return replacements for signs that the encoding lacks, and the position behind them: a codec error handler."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    return "".join(_SIGNS.get(sign) or _letter(sign) or "?" for sign in text), error.end


def _letter(sign: str) -> str:
    """Return the ASCII letters of a sign without its accents; empty if there are none."""
    return unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()


class _Lenient(io.RawIOBase):
    """A file descriptor that takes everything, and remembers the first error.

    Attributes:
        error: First error of a write, None before.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self.error: OSError | None = None

    def write(self, content: Any) -> int:
        """Write `content` and return the number of bytes taken; after the first error, take all and drop it."""
        if self.error is None:
            try:
                return os.write(self._number, content)
            except OSError as error:
                self.error = error
        return len(content)

    def writable(self) -> bool:
        """Return True, always."""
        return True

    def fileno(self) -> int:
        """Return the number of the file descriptor."""
        return self._number

    def isatty(self) -> bool:
        """Return True if the descriptor is a terminal."""
        return os.isatty(self._number)
