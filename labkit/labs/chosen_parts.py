"""The parts that `lab=` and `part=` ask for, from the files of conf/labs."""

from __future__ import annotations

from labkit.compose import CONF
from labkit.config import ConfigError, nearest
from labkit.labs.schema import Lab, names, read

LABS = CONF / "labs"
ALL = "all"


def parts_asked_for(name: str, part: str | None) -> list[tuple[Lab, str]]:
    """Return the parts that are asked for, each with its lab.

    Args:
        name: Name of a lab, or `all`.
        part: Name of one of its parts, or `all`; None with `lab=all` only.

    Raises:
        ConfigError: There is no such lab or part, a part is named of all labs, or none of a single one.
    """
    if name == ALL and part not in (None, ALL):
        raise ConfigError(f"part: lab=all is every part of every lab, expected no part or {ALL}, got {part!r}.")
    if name == ALL:
        return [(one, key) for one in (read(LABS, each) for each in names(LABS)) for key in one.parts]
    found = read(LABS, name)
    if part is None:
        raise ConfigError(f"part: which of lab {name!r}? valid: {', '.join(found.parts)}, {ALL}.")
    if part == ALL:
        return [(found, key) for key in found.parts]
    if part not in found.parts:
        raise ConfigError(f"part: lab {name!r} has no part {part!r}, {nearest(part, [*found.parts, ALL])}")
    return [(found, part)]
