"""The key `task.only` of tasks that do several things: it names some of them."""

from __future__ import annotations

from collections.abc import Iterable

from labkit.config import ConfigError, nearest


def names_asked_for(only: str | list[str] | None, known: Iterable[str], noun: str) -> list[str]:
    """Return the names that are asked for, in the order of `known`.

    Args:
        only: Name, or a list of names; None for all.
        known: Names there are.
        noun: Noun for messages, such as `test`.

    Raises:
        ConfigError: A name is unknown, or the list is empty.
    """
    known = list(known)
    names = known if only is None else [only] if isinstance(only, str) else only
    if not names:
        raise ConfigError(f"task.only: expected at least one {noun}, got an empty list; valid: {', '.join(known)}.")
    for name in names:
        if name not in known:
            raise ConfigError(f"task.only: there is no {noun} {name!r}, {nearest(name, known)}")
    return [name for name in known if name in names]
