"""The `tracker` and `paths` groups."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from labkit.config import Flag


@dataclass(frozen=True)
class Tracking:
    """Keys of `tracker`.

    Attributes:
        enabled: whether the run is recorded.
        figures: whether its figures are drawn; `auto`: unless it is one of many, a job of a multirun.
        weights: whether its final weights are kept; `auto`: likewise.
    """

    enabled: Flag = True
    figures: Literal["auto"] | Flag = "auto"
    weights: Literal["auto"] | Flag = "auto"


@dataclass(frozen=True)
class Paths:
    """Keys of `paths`.

    Attributes:
        root: the folder whose `mlruns/` holds the store; default the folder the command runs in.
        data: where data files live.
    """

    root: Path
    data: Path
