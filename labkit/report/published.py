"""Published learning curves, drawn dashed beside a run's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked

from labkit.config import ConfigError, made, nearest

_SHIPPED = Path(__file__).with_name("curves")
_Metric = Literal["train/cost", "train/loss", "train/accuracy", "val/cost", "val/loss", "val/accuracy"]


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class Published:
    """Curves of somebody else's run.

    Attributes:
        source: who published them, and where.
        curves: (update step, value) points by metric, named as a run's own.
    """

    source: str
    curves: dict[_Metric, Annotated[list[tuple[float, float]], Field(min_length=1)]]


def published(name: str | None) -> Published | None:
    """Curves that labkit has, by name, or those of a YAML file of your own; raises ConfigError. None without a name."""
    if name is None:
        return None
    shipped = {file.stem: file for file in sorted(_SHIPPED.glob("*.yaml"))}
    file = shipped.get(name, Path(name))
    where = f"tracker.published: {file.name}"
    if not file.is_file():
        raise ConfigError(
            f"tracker.published: expected a YAML file or curves that labkit has, got {name!r}, {nearest(name, shipped)}"
        )
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{where}: expected a YAML file, got {type(error).__name__}.") from None
    return made(Published, content, where)
