"""The configuration files that labkit brings: where they lie, and which constructors they name.

A part is registered by its file: what no file of labkit's own names, `_target_` may not name either. A folder of the
user's (`-cd`) counts for nothing here.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
# In a checkout conf/ stands beside the package, in a wheel inside it.
CONF = next(folder for folder in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if folder.is_dir())

# Lines, not YAML: this is read before every run, and a parser takes fifty times as long.
_CHOICE = re.compile(r"^  - (\w+): \w+", re.M)
_TARGET = re.compile(r"^_target_: *([\w.]+)", re.M)


@cache
def constructors(group: str) -> tuple[str, ...]:
    """Return the constructors that the options of a config group name, sorted; none for a group that has no such."""
    texts = [file.read_text(encoding="utf-8") for file in sorted((CONF / group).glob("*.yaml"))]
    return tuple(sorted({target for text in texts for target in _TARGET.findall(text)}))


@cache
def groups() -> tuple[str, ...]:
    """Return the config groups whose options name constructors, in the order of `config.yaml`."""
    chosen = _CHOICE.findall((CONF / "config.yaml").read_text(encoding="utf-8"))
    return tuple(group for group in chosen if constructors(group))
