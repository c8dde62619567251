"""A second backend, to hold the seam against: every call is a line of JSON in `runs.jsonl`, and reading folds them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from labkit.tracking import tag
from labkit.tracking.queries import Wanted
from labkit.tracking.rows import RunRow
from labkit.tracking.run import now
from labkit.tracking.settings import Tracking
from labkit.tracking.tracker import Run, Tracker


class JsonLines(Tracking):
    def open(self, root: Path) -> Tracker:
        return LinesTracker(Path(root).absolute())


class LinesTracker(Tracker):
    def __init__(self, folder: Path) -> None:
        self.folder, self.started = folder, list[Run]()

    def write(self, run_id: str, **said: Any) -> None:
        with (self.folder / "runs.jsonl").open("a") as lines:
            lines.write(json.dumps({"run_id": run_id, **said}) + "\n")

    def lines(self) -> list[dict[str, Any]]:
        file = self.folder / "runs.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def start_run(self, experiment: str, name: str, *, params: Any = None, tags: Any = None, **more: Any) -> Run:
        self.started.append(run := LinesRun(self))
        known = {**(tags or {}), **({tag.PARENT: parent} if (parent := more.get("parent_run_id")) else {})}
        about = {"experiment": experiment, "name": name, "params": params or {}, "tags": known}
        self.write(run.id, **about, status="RUNNING", start_time=now())
        return run

    def resume(self, run_id: str, *, reopen: bool = False) -> Run:
        self.write(run_id, **({"status": "RUNNING"} if reopen else {}))
        return LinesRun(self, run_id)

    def find(self, wanted: Wanted = Wanted()) -> list[RunRow]:  # noqa: B008
        rows: dict[str, RunRow] = {}
        for line in self.lines():
            row = rows.get(line["run_id"], RunRow(line["run_id"]))
            told = {key: value for key, value in line.items() if key != "step"}
            joined = {key: {**getattr(row, key), **value} for key, value in told.items() if isinstance(value, dict)}
            rows[row.run_id] = replace(row, **{**told, **joined})
        return [row for row in rows.values() if wanted.fits(row) and not wanted.deleted]

    def histories(self, run_ids: Any, keys: Any) -> list[dict[str, list[tuple[int, float]]]]:
        logged = [(line["run_id"], line["step"], line["metrics"]) for line in self.lines() if "step" in line]
        return [{k: [(s, m[k]) for r, s, m in logged if r == run and k in m] for k in keys} for run in run_ids]

    def abandon(self, error: BaseException) -> None:
        for run in self.started:
            run.finish("FAILED", str(error))


class LinesRun(Run):
    def __init__(self, tracker: LinesTracker, run_id: str = "") -> None:
        super().__init__(run_id)
        self.tracker = tracker

    def log(self, step: int, values: Any) -> None:
        self.tracker.write(self.id, step=step, metrics=dict(values))

    def set_tag(self, key: str, value: str) -> None:
        self.tracker.write(self.id, tags={key: value})

    def artifact_bytes(self, name: str, content: bytes) -> None:
        place = self.tracker.folder / "artifacts" / self.id / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    def finish(self, status: Any, note: str = "") -> None:
        if self.open:
            self.tracker.write(self.id, status=status, end_time=now())
        self.open = False
