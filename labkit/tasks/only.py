"""The key `task.only` of tasks that do several things: which of them."""

from __future__ import annotations

from collections.abc import Iterable

from labkit.config import ConfigError, nearest


def names_asked_for(only: str | list[str] | None, known: Iterable[str], noun: str) -> list[str]:
    """The names to do, one or a list or None for all, in the order of `known`; raises ConfigError."""
    known = list(known)
    names = known if only is None else [only] if isinstance(only, str) else only
    if not names:
        raise ConfigError(f"task.only: expected at least one {noun}, got an empty list; valid: {', '.join(known)}.")
    for name in names:
        if name not in known:
            raise ConfigError(f"task.only: there is no {noun} {name!r}, {nearest(name, known)}")
    return [name for name in known if name in names]
