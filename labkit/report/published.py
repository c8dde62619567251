"""Published learning curves, drawn dashed beside a run's own."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked

from labkit.config import ConfigError, made, nearest

_SHIPPED = Path(__file__).with_name("curves")
_Metric = Literal["train/cost", "train/loss", "train/accuracy", "val/cost", "val/loss", "val/accuracy"]


@checked(frozen=True, config=ConfigDict(extra="forbid"))
class PublishedCurves:
    """Curves of somebody else's run.

    Attributes:
        source: Name of the publisher, and the place where they were published.
        curves: Points (updates done, value) of each metric, under the name that a run's own metric has.
    """

    source: str
    curves: dict[_Metric, Annotated[list[tuple[float, float]], Field(min_length=1)]]

    @property
    def version(self) -> str:
        """Return twelve hexadecimal digits that change with the source and with any point."""
        # Stored runs carry the hash of this very spelling: with another their curves would look changed.
        return hashlib.sha256(f"Published(source={self.source!r}, curves={self.curves!r})".encode()).hexdigest()[:12]


def published_curves(name: str | None) -> PublishedCurves | None:
    """Return curves that labkit ships, or those of a YAML file of the user's own.

    Args:
        name: Name of shipped curves, such as `kth_figure_3`, or path of a file; None: no curves.

    Raises:
        ConfigError: There are no such curves, or the file does not hold curves.
    """
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
    return made(PublishedCurves, content, where)
