"""A light handle on one run of MLflow's, and what MLflow can hold: names, lengths, finite numbers."""

from __future__ import annotations

import math
import posixpath
import re
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from labkit.tracking.tracker import Run, Status

if TYPE_CHECKING:
    from labkit.tracking.client import MlflowTracker

PARAM_CHARACTERS, TAG_CHARACTERS, NAME_CHARACTERS = 6000, 8000, 250  # MLflow's limits; it cuts without a word


class MlflowRun(Run):
    """A handle on one run; every method but `id` returns without waiting for the store."""

    def __init__(self, tracker: MlflowTracker, number: int) -> None:
        super().__init__()
        self._tracker, self._number = tracker, number
        self._id = None  # until the writer has said it
        self._error = ""

    @property
    def id(self) -> str:
        """The run's id in the store; waits for the writer (up to two seconds after its start).

        Raises TrackingError if the run could not be created yet.
        """
        return self._tracker._wait_for_id(self)

    def begun(self) -> None:
        """Wait until the store has taken the run, or until it turns out that it takes none just now.

        Raises TrackingError if it never will.
        """
        self._tracker._wait_for_word(self)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Record metrics after `step` updates; infinities are recorded as NaN, which MLflow can hold."""
        numbers = {metric_name(key): finite(float(value)) for key, value in values.items()}
        self._send("log", step=int(step), time=now(), values=numbers)

    def check(self) -> None:
        """Raise TrackingError if something is already known to be lost; cheap enough for every evaluation."""
        self._tracker.check()

    def set_tag(self, key: str, value: str) -> None:
        """Set or replace a tag."""
        self._send("tag", key=metric_name(key), value=cut(str(value), TAG_CHARACTERS))

    def artifact_text(self, name: str, text: str) -> None:
        """Store `text` (UTF-8) as the artifact `name`, a relative path with forward slashes."""
        self._artifact(name, {"text": text})

    def artifact_bytes(self, name: str, content: bytes) -> None:
        """Store `content` as the artifact `name`."""
        import base64

        self._artifact(name, {"base64": base64.b64encode(content).decode()})

    def finish(self, status: Status, note: str = "") -> None:
        """End the run; `note` (the reason of a failure) becomes its description. A second end is ignored."""
        if self.open:
            self.open = False
            note = cut(note, TAG_CHARACTERS)
            self._tracker._record("finish", self._number, status=status, note=note, time=now())

    def _artifact(self, name: str, content: dict[str, str]) -> None:
        if name != posixpath.normpath(name) or name.startswith(("/", "..")):
            raise ValueError(f"artifact name {name!r}: expected a relative path such as 'figures/curves.png'")
        self._send("artifact", name=name, content=content)

    def _send(self, op: str, **fields: object) -> None:
        if not self.open:
            raise ValueError(f"{op}: this run has ended")
        self._tracker._record(op, self._number, **fields)


@cache
def metric_name(key: str) -> str:
    """A key that MLflow takes (metrics, params and tags alike): odd characters become "_", empty path parts go."""
    parts = re.sub(r"[^\w\-. :/]", "_", key).split("/")
    return "/".join(part for part in parts if part not in ("", ".", ".."))[:NAME_CHARACTERS] or "_"


def cut(text: str, characters: int) -> str:
    """`text`, shortened to fit with a visible mark at its end."""
    if len(text) <= characters:
        return text
    mark = f" ... [cut: {len(text)} characters]"
    return text[: characters - len(mark)] + mark


def finite(value: float) -> float:
    """NaN for infinities: MLflow would store them as the largest float, a lie in every plot."""
    return value if math.isfinite(value) else math.nan


def now() -> int:
    """Milliseconds since 1970, as MLflow counts time."""
    return time.time_ns() // 1_000_000
