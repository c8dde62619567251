"""The configuration files that labkit ships: their folder, the constructors that they name, and their defaults.

A part is registered by its file: `_target_` may name only constructors that a file of labkit's own names. The user's
own folder (`-cd`) does not count here. A default is written in the file alone, where the user reads and overrides it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

Constructor = TypeVar("Constructor", bound=Callable[..., Any])
IN_FILE: Any = object()  # stands in a signature for the default that the constructor's YAML file gives

_PACKAGE = Path(__file__).resolve().parent
# In a checkout conf/ stands beside the package, in a wheel inside it.
CONF = next(folder for folder in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if folder.is_dir())

# Lines, not YAML: this is read before every run, and a parser takes fifty times as long.
_CHOICE = re.compile(r"^  - (\w+): \w+", re.M)
_TARGET = re.compile(r"^_target_: *([\w.]+)", re.M)


@cache
def constructors(group: str) -> tuple[str, ...]:
    """Return the constructors that the options of a config group name, sorted; empty if they name none."""
    texts = [file.read_text(encoding="utf-8") for file in sorted((CONF / group).glob("*.yaml"))]
    return tuple(sorted({target for text in texts for target in _TARGET.findall(text)}))


@cache
def groups() -> tuple[str, ...]:
    """Return the config groups whose options name constructors, in the order of `config.yaml`."""
    chosen = _CHOICE.findall((CONF / "config.yaml").read_text(encoding="utf-8"))
    return tuple(group for group in chosen if constructors(group))


def defaults(file: str) -> Callable[[Constructor], Constructor]:
    """Decorate a constructor: a keyword whose default is `IN_FILE` has the value that `conf/<file>.yaml` gives it.

    A call from Python then has the defaults that the command line shows. On a dataclass it stands below `@dataclass`.

    Args:
        file: Group and option, `optimizer/adam`.

    Raises:
        KeyError: The file lacks such a keyword.
    """
    said: dict[str, Any] = yaml.load((CONF / f"{file}.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)

    def filled(made: Constructor) -> Constructor:
        if isinstance(made, type):
            for name in [name for name, value in vars(made).items() if value is IN_FILE]:
                setattr(made, name, said[name])
        else:
            given: dict[str, Any] = made.__kwdefaults__ or {}
            made.__kwdefaults__ = {name: said[name] if value is IN_FILE else value for name, value in given.items()}
        return made

    return filled
