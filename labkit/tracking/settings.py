"""The `tracker` and `paths` groups."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from labkit.config import ConfigError, Flag
from labkit.shipped import IN_FILE, defaults


@dataclass(frozen=True)
@defaults("tracker/mlflow")
class Tracking:
    """Keys of `tracker`.

    Attributes:
        enabled: whether the run is recorded.
        figures: whether its figures are drawn; `auto`: unless it is one of many, a job of a multirun.
        weights: whether its final weights are kept; `auto`: likewise.
        published: curves of somebody else's run, drawn dashed in its learning curves: a name that labkit has curves
            for (`kth_figure_3`) or a YAML file of your own; see `labkit.report.published`.
        animation: whether its decision regions over the epochs are kept as a GIF; only for samples with two features.
    """

    enabled: Flag = IN_FILE
    figures: Literal["auto"] | Flag = IN_FILE
    weights: Literal["auto"] | Flag = IN_FILE
    published: str | None = None
    animation: Flag = IN_FILE

    def __post_init__(self) -> None:
        if self.animation and not self.enabled:
            raise ConfigError("tracker.animation: nothing is recorded here, expected tracker=mlflow with it.")


@dataclass(frozen=True)
class Paths:
    """Keys of `paths`.

    Attributes:
        root: the folder whose `mlruns/` holds the store; default the folder the command runs in.
        data: where data files live.
    """

    root: Path
    data: Path
