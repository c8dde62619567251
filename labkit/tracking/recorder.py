"""One run in the store: what is buffered, what is lost, how it ends.

What the store will never take is counted in `lost` and reported, and a run that lost anything never ends FINISHED. Any
other failure is raised: the spool still has what it hit.
"""

from __future__ import annotations

import base64
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from labkit.tracking import tag
from labkit.tracking.complaints import invalid, passing

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Metric, Param, RunTag

T = TypeVar("T")
METRICS_PER_BATCH, TAGS_PER_BATCH, PARAMS_PER_BATCH = 800, 100, 100  # MLflow takes 100 of each and 1000 in all
PATIENCE_SECONDS = 30.0
_WAITS = (0.2, 0.5, 1.0, 2.0, 4.0)  # seconds between tries at something that may pass


class Patience:
    """Tries again while the store is locked, full or restarting, within one budget for the whole process.

    Args:
        seconds: The budget, for tries and the waits between them.
        note: Told the error of each try that may pass; gets the exception.
    """

    def __init__(
        self, seconds: float = PATIENCE_SECONDS, note: Callable[[Exception], None] = lambda error: None
    ) -> None:
        self.seconds, self.note = seconds, note

    def __call__(self, action: Callable[[], T], repeatable: bool = True) -> T:
        """The result of `action`; raises its last error when waiting did not help.

        An action that is not `repeatable` is given up where it may have been done although it failed.
        """
        for wait in _WAITS:
            began = time.monotonic()
            try:
                return action()
            except Exception as error:
                self.seconds -= time.monotonic() - began + wait
                if passing(error):
                    self.note(error)
                if not passing(error, repeatable) or self.seconds <= 0:
                    raise
                time.sleep(wait)
        return action()


class Recorder:
    """One run in the store.

    Args:
        client: an open MLflow client.
        run_id: the run's id in the store.
        artifact_uri: Place of its files.
        owned: True where this process answers for the run's end, False for a run that is only annotated.
        patience: shared by all runs of the process.
        report: told each error that lost something; gets the exception.
    """

    def __init__(
        self,
        client: MlflowClient,
        run_id: str,
        artifact_uri: str,
        owned: bool,
        patience: Patience,
        report: Callable[[Exception], None],
    ) -> None:
        self.client, self.run_id, self.artifact_uri, self.owned = client, run_id, artifact_uri, owned
        self.patience, self.report = patience, report
        self.metrics: list[Metric] = []
        self.tags: list[RunTag] = []
        self.params: list[Param] = []
        self.newest: dict[str, tuple[int, float]] = {}  # step and value of each metric's last row
        self.lost = 0
        self.process = ""  # who trains it, as the store has it; empty where that was not said

    def begin(self, params: dict[str, str], facts: Mapping[str, object] | None) -> None:
        """Record the flattened configuration, buffered, and the data as an MLflow input."""
        from mlflow.entities import Param

        self.params += [Param(key, value) for key, value in params.items()]
        if facts:
            self._write(lambda: self.client.log_inputs(self.run_id, datasets=[dataset_input(facts)]))

    def take_up(self, stored: Iterable[Metric]) -> None:
        """Take note of the last row of each metric that the store has from an earlier call of the same run."""
        self.newest = {metric.key: (metric.step, metric.value) for metric in stored}

    def log(self, step: int, milliseconds: int, values: dict[str, float]) -> None:
        """Buffer one evaluation, without what is stored already; `flush` writes it.

        A run that goes on sends its evaluations from the first one, and every run says its last one again at its end.
        """
        from mlflow.entities import Metric

        new = {key: value for key, value in values.items() if not self._known(key, step, value)}
        self.newest |= {key: (step, value) for key, value in new.items()}
        self.metrics += [Metric(key, value, milliseconds, step) for key, value in new.items()]

    def _known(self, key: str, step: int, value: float) -> bool:
        last, stored = self.newest.get(key, (-1, 0.0))
        return step < last or (step == last and (value == stored or (math.isnan(value) and math.isnan(stored))))

    def tag(self, key: str, value: str) -> None:
        """Set or replace one tag; `flush` writes it."""
        from mlflow.entities import RunTag

        self.tags = [*(known for known in self.tags if known.key != key), RunTag(key, value)]
        if key == tag.PROCESS:
            self.process = value

    def taken_over(self) -> bool:
        """Return whether another process goes on with the run, so that this one must leave it alone."""
        try:
            owner = self.client.get_run(self.run_id).data.tags.get(tag.PROCESS, "")
        except Exception:  # then nobody can go on with it either
            return False
        return bool(self.process) and owner != self.process

    @property
    def waiting(self) -> int:
        """The number of values that are buffered."""
        return len(self.metrics) + len(self.tags) + len(self.params)

    def flush(self) -> Exception | None:
        """Write what is buffered; an error is returned, and what it hit is kept for the next time."""
        while self.waiting:
            metrics, tags = self.metrics[:METRICS_PER_BATCH], self.tags[:TAGS_PER_BATCH]
            params = self.params[:PARAMS_PER_BATCH]
            try:
                self.client.log_batch(self.run_id, metrics=metrics, params=params, tags=tags)
            except Exception as error:
                if not invalid(error):
                    return error
                self._lose(len(metrics) + len(tags) + len(params), error)
            del self.metrics[: len(metrics)], self.tags[: len(tags)], self.params[: len(params)]
        return None

    def drain(self) -> None:
        """Write what is buffered now; raise where that is not possible."""

        def write() -> None:
            error = self.flush()
            if error is not None:
                raise error

        self.patience(write)

    def artifact(self, name: str, content: dict[str, str]) -> None:
        """Store one file: `content` has its "text", or its bytes in "base64"."""
        self._write(lambda: self._store_file(name, content))

    def finish(self, status: str, note: str, milliseconds: int) -> None:
        """Flush, then write the terminal status last, so that a status says everything before it is there."""
        self.drain()
        if self.lost and status == "FINISHED":
            status, note = "FAILED", f"{note} {self.lost} tracked values or files could not be stored.".strip()
        if note:
            self._write(lambda: self._note(note))
        elif status == "FINISHED":
            self._take_back_note()
        self._write(lambda: self.client.set_terminated(self.run_id, status, milliseconds))
        self.owned = False

    def _note(self, note: str) -> None:
        """Say why the run ended, where MLflow's pages show it; our own tag tells it from what users write there."""
        for key in (tag.NOTE, tag.SHOWN_NOTE):
            self.client.set_tag(self.run_id, key, note)

    def _take_back_note(self) -> None:
        """A run that ended well after all, or in a later call, does not go on saying why it was given up."""
        try:
            self.client.delete_tag(self.run_id, tag.NOTE)
        except Exception:  # there is none, as almost always
            return
        self._write(lambda: self.client.delete_tag(self.run_id, tag.SHOWN_NOTE))

    def _write(self, action: Callable[[], object]) -> None:
        try:
            self.patience(action)
        except Exception as error:
            if not invalid(error):
                raise
            self._lose(1, error)

    def _lose(self, count: int, error: Exception) -> None:
        self.lost += count
        self.report(error)

    def _store_file(self, name: str, content: dict[str, str]) -> None:
        """MLflow keeps a file's own name, so the bytes go to a temporary folder under the wanted name first."""
        place = Path(name)
        folder = None if place.parent == Path() else str(place.parent)
        with tempfile.TemporaryDirectory(prefix="labkit-") as scratch:
            source = Path(scratch) / place.name
            if "text" in content:
                source.write_text(content["text"], encoding="utf-8")
            else:
                source.write_bytes(base64.b64decode(content["base64"]))
            self._artifacts.log_artifact(str(source), folder)

    @cached_property
    def _artifacts(self) -> Any:
        """The place of this run's artifacts, made once: a file then takes 1 ms instead of the client's 11."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        return get_artifact_repository(self.artifact_uri)


def dataset_input(facts: Mapping[str, object]) -> DatasetInput:
    """MLflow's record of a data set: name, digest (36 characters at most), source, and what it was used for."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = str(facts.get("source", ""))
    web = source.startswith(("http://", "https://"))
    entry = Dataset(
        name=str(facts["name"]),
        digest=str(facts["digest"])[:36],
        source_type="http" if web else "local",
        source=json.dumps({"url" if web else "uri": source}),
        profile=json.dumps(facts["profile"]) if "profile" in facts else None,
    )
    return DatasetInput(entry, [InputTag(tag.DATA_CONTEXT, str(facts.get("context", "training")))])
