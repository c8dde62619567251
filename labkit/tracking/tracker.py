"""The tracker: the seam behind which MLflow lies, or a backend of one's own. Standard library only.

A backend is a class of settings that `tracker._target_` names (`labkit.tracking.settings.Tracking`), the tracker that
it opens, and the runs that the tracker starts. The classes here keep nothing: what a backend does not override is not
kept. Sweeps, searches and labs read back what earlier calls left, so they need a backend that overrides `find`,
`resume` and `histories` too.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal
from uuid import uuid4

from labkit.tracking.queries import Queries, Wanted
from labkit.tracking.rows import RunRow

Status = Literal["FINISHED", "FAILED", "KILLED"]
Curves = dict[str, list[tuple[int, float]]]  # metric -> [(updates done, value)]


class Run:
    """A handle on one run; training waits for every call, so a call should take microseconds.

    Args:
        run_id: Id of the run in the store; a new one unless told.

    Attributes:
        open: True until the run has ended by this handle.
    """

    def __init__(self, run_id: str = "") -> None:
        self._id: str | None = run_id or uuid4().hex
        self.open = True

    @property
    def id(self) -> str:
        """The run's id in the store; raises TrackingError where the run could not be created."""
        assert self._id is not None
        return self._id

    @property
    def known_id(self) -> str:
        """The run's id, without waiting: empty as long as the store has not said it."""
        return self._id or ""

    def begun(self) -> None:
        """Wait until the store has taken the run or cannot for now; raises TrackingError if it never will."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Record metrics after `step` updates; what the store has already from an earlier call is left out."""

    def set_tag(self, key: str, value: str) -> None:
        """Set or replace a tag."""

    def artifact_bytes(self, name: str, content: bytes) -> None:
        """Store `content` as the artifact `name`, a relative path with forward slashes."""

    def artifact_text(self, name: str, text: str) -> None:
        """Store `text` (UTF-8) as the artifact `name`."""
        self.artifact_bytes(name, text.encode())

    def check(self) -> None:
        """Raise TrackingError if something is already known to be lost; cheap enough for every evaluation."""

    def finish(self, status: Status, note: str = "") -> None:
        """End the run; a second end is ignored.

        Args:
            status: Status at the end.
            note: Reason of a failure.
        """
        self.open = False


def remove(folders: Iterable[Path]) -> None:
    """Remove folders, which may be gone already, and the ones they lie in where those are empty then."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            folder.parent.rmdir()


class Tracker(Queries):
    """A process's way to a store of runs."""

    @property
    def reads(self) -> bool:
        """True where the backend reads runs back."""
        return type(self).find is not Tracker.find

    def start_run(
        self,
        experiment: str,
        name: str,
        *,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        dataset: Mapping[str, object] | None = None,
        parent_run_id: str | None = None,
    ) -> Run:
        """Create a run and return its handle.

        Args:
            experiment: Name of the group of runs it belongs to.
            name: Name of the run.
            params: Flattened configuration.
            tags: Facts about the run, see `labkit.tracking.tag`.
            dataset: `name`, `digest` and `source` of its data.
            parent_run_id: Id of the run of the multirun that it is a job of.
        """
        return Run()

    def resume(self, run_id: str, *, reopen: bool = False) -> Run:
        """Return a handle on a run that an earlier process created.

        Args:
            run_id: Id of the run.
            reopen: True to make it RUNNING again, so that this tracker answers for its end.

        Raises:
            NotImplementedError: The backend does not read.
        """
        raise NotImplementedError

    def find(self, wanted: Wanted = Wanted()) -> list[RunRow]:  # noqa: B008  (frozen)
        """Return the runs that a question asks for, oldest first; raise NotImplementedError where it cannot."""
        raise NotImplementedError

    def histories(self, run_ids: Sequence[str], keys: Sequence[str]) -> list[Curves]:
        """Return the curves of the metrics `keys` for each run; raise NotImplementedError where it cannot."""
        raise NotImplementedError

    def discard(self, folders: Sequence[Path]) -> None:
        """Remove folders once everything that was sent so far is in the store; never, where something was lost.

        Args:
            folders: Folders that may be gone already.
        """
        remove(folders)

    def settle(self) -> None:
        """Wait until everything sent so far is in the store; raises TrackingError if something was lost."""

    def close(self) -> None:
        """Wait until everything is written, for the last time; raises TrackingError if something was lost."""

    def abandon(self, error: BaseException) -> None:
        """Close after an exception; a backend that answers for open runs ends them here, and raises nothing."""
        self.close()
