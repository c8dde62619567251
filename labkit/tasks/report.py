"""`task=report`: the results of a lab, or of all labs, as a Markdown page from the records in the store."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from omegaconf import DictConfig

from labkit.config import ConfigError
from labkit.labs import part_record
from labkit.labs.chosen_parts import ALL, parts_asked_for
from labkit.labs.course import Course
from labkit.labs.page import page, page_entries
from labkit.labs.schema import Claim, Lab
from labkit.multirun.sweep_outcome import nearby
from labkit.runs.commands import written
from labkit.tasks import check
from labkit.tracking import tag
from labkit.tracking.reading import runs
from labkit.tracking.store import default_store


def report(
    *, file: str | None = None, unverified: dict[str, str] | None = None
) -> Callable[[DictConfig, Sequence[str]], None]:
    """Make the task that writes the page for the lab `lab`, or for `lab=all`.

    Args:
        file: Path of the page, from `paths.root`; None: `mlruns/reports/results.md` for all labs, `<lab>.md` for one.
        unverified: Name of a data set whose files are not the published archive -> a remark on them.

    Returns:
        The task. It raises ConfigError where there is no such lab, no part of it has run, or `file` is a folder.
    """

    def write(config: DictConfig, overrides: Sequence[str]) -> None:
        """Write the page of the labs that `config` names; raises as `report` says."""
        root = Path(config.paths.root).absolute()
        target = page_path(root, config.lab, file)
        uri, _ = default_store(root)
        wanted = parts_asked_for(config.lab, config.part or ALL)
        rows = runs(uri, experiments=sorted({*(lab.name for lab, _ in wanted), check.EXPERIMENT}))
        by_id = {row.run_id: row for row in rows}
        found, absent = [], []
        for lab, part in wanted:
            own = [row for row in rows if row.tags.get(tag.LAB_PART) == f"{lab.name}/{part}"]
            kept = list(part_record.read(own, root))
            unread = sum(tag.PART_DEFINITION in row.tags for row in own) - len(kept)
            if unread:
                print(f"{lab.name} {part}: {unread} records of other versions of labkit are left out")
            parts = page_entries(f"{lab.name} {part}", lab.parts[part], kept, by_id, partial(today, lab, part))
            found += parts
            if all(one.record.given for one in parts):
                absent.append(f"{lab.name} {part}")
        if not found:
            raise ConfigError(f"report: no part of lab {config.lab!r} has a record in {uri}.")
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        draft.write_text(page(found, absent, unverified or {}, written(overrides)), encoding="utf-8")
        draft.replace(target)
        missing = f", {len(absent)} have no record" if absent else ""
        print(f"{len(found)} part{'' if len(found) == 1 else 's'} in {nearby(target)}{missing}")

    return write


def today(lab: Lab, part: str, one: part_record.Record) -> tuple[str, list[Claim]]:
    """Return the definition and the claims that a part has now, in the profile and on the data of a record.

    They are "" and none where that data set is gone.
    """
    course = Course(one.profile, Path(), data=one.given, sha256=one.row.tags.get(tag.PART_GIVEN_SHA256, ""))
    try:
        return course.definition(lab, part), list(course.claims_of(lab.parts[part]))
    except ConfigError:  # there is no such data set any more
        return "", []


def page_path(root: Path, lab: str, file: str | None) -> Path:
    """Return the path of the page, beside the store unless told.

    Args:
        root: Folder of the store.
        lab: Name of a lab, or `all`.
        file: Path from `root`, or None.

    Raises:
        ConfigError: `file` is a folder.
    """
    target = root / (file or f"mlruns/reports/{'results' if lab == ALL else lab}.md")
    if target.is_dir():
        raise ConfigError(f"task.file: expected the path of a page such as {file}/results.md, got the folder {file}.")
    return target
