"""`labkit resume=<run id>` and `resume=newest`: the command of a run that broke off, called again where it was."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from labkit.config import ConfigError, nearest
from labkit.runs import checkpoint_files
from labkit.runs.checkpoints import RESUME

_KEY, _ROOT = "resume=", "paths.root="
_NEWEST = "newest"


def resumed(words: Sequence[str]) -> list[str]:
    """Return the words of the run that a command line asks to go on with; its checkpoint is named in the environment.

    Raises:
        ConfigError: There is no such run, it is under way, it belongs to a multirun, or other words would change it.
    """
    more = [word for word in words if not word.startswith((_KEY, _ROOT))]
    if more:
        raise ConfigError(f"resume: a run goes on as it began, so {more[0]} cannot be given with it.")
    wanted = next(word for word in words if word.startswith(_KEY)).removeprefix(_KEY)
    roots = [word.removeprefix(_ROOT) for word in words if word.startswith(_ROOT)]
    root = Path(roots[-1] if roots else ".").absolute()
    owned, facts = _found(wanted, root)
    if facts["parent"]:
        raise ConfigError(
            f"resume: run {wanted} is a job of a multirun; the command of the multirun, called again, goes on with it."
        )
    if not Path(facts["folder"]).is_dir():
        raise ConfigError(f"resume: the run began in {facts['folder']}, which is no folder any more.")
    os.chdir(facts["folder"])
    os.environ[RESUME] = str(owned)
    told = shlex.split(facts["command"])
    start = told.index("labkit")
    for assigned in told[:start]:
        name, _, value = assigned.partition("=")
        os.environ.setdefault(name, value)
    return told[start + 1 :]


def _found(wanted: str, root: Path) -> tuple[Path, dict[str, Any]]:
    """Return the folder of the checkpoints that are asked for, and what the newest one says."""
    known: dict[str, tuple[Path, dict[str, Any]]] = {}
    for owned in checkpoint_files.all_folders(root):
        facts = checkpoint_files.newest_facts(owned)
        if facts is None:
            continue
        if wanted == _NEWEST and not facts["parent"] and checkpoint_files.is_left(owned):
            return owned, facts
        for run_id in filter(None, facts["run_ids"]):
            known.setdefault(run_id, (owned, facts))
    place = checkpoint_files.folder(root)
    if wanted == _NEWEST:
        raise ConfigError(f"resume: no run that broke off has left a checkpoint under {place}.")
    if wanted not in known:
        near = nearest(wanted, list(known)) if known else "there is none at all."
        raise ConfigError(f"resume: no checkpoint of run {wanted!r} under {place}; {near}")
    owned, facts = known[wanted]
    if checkpoint_files.is_alive_here(owned):
        raise ConfigError(f"resume: run {wanted} is under way in another process.")
    return owned, facts
