"""The `tracker` and `paths` groups: what is recorded, and by which backend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from labkit.config import ConfigError, Flag
from labkit.shipped import IN_FILE, defaults

if TYPE_CHECKING:
    from labkit.tracking.tracker import Tracker


@dataclass(frozen=True)
@defaults("tracker/mlflow")
class Tracking(ABC):
    """Keys of `tracker`; a backend is a subclass that opens it.

    Attributes:
        enabled: False where nothing is recorded.
        has_pages: True where `labkit ui` shows what is recorded.
        figures: Figures of a run, drawn or not; `auto`: unless it is one of many, a job of a multirun.
        weights: Final weights, kept or not; `auto`: likewise.
        published: Curves of somebody else's run, drawn dashed in its learning curves: a name that labkit has curves
            for (`kth_figure_3`) or a YAML file of your own; see `labkit.report.published`.
        animation: GIF of the decision regions over the epochs, kept or not; only for samples with two features.
        checkpoint_every: Seconds of training between two checkpoints at least, and more where they would take over 2%
            of the time; None for no checkpoints.
    """

    enabled: ClassVar[bool] = True
    has_pages: ClassVar[bool] = False

    figures: Literal["auto"] | Flag = IN_FILE
    weights: Literal["auto"] | Flag = IN_FILE
    published: str | None = None
    animation: Flag = IN_FILE
    checkpoint_every: Annotated[float, Field(ge=0)] | None = IN_FILE

    def __post_init__(self) -> None:
        if self.animation and not self.enabled:
            raise ConfigError("tracker.animation: nothing is recorded here, expected tracker=mlflow with it.")

    def store(self, root: Path) -> str:
        """Return the store's name, the same for all settings that share a tracker.

        Args:
            root: Key `paths.root`.
        """
        return f"{type(self).__module__}.{type(self).__qualname__} {Path(root).absolute()}"

    @abstractmethod
    def open(self, root: Path) -> Tracker:
        """Return a tracker of the store; nothing is written before a run starts.

        Args:
            root: Key `paths.root`.
        """

    def in_order(self, root: Path, experiment: str) -> bool:
        """Return whether training may begin before the store has taken the first run, since nothing speaks against it.

        Args:
            root: Key `paths.root`.
            experiment: Name of the group of runs that the first run goes to.
        """
        return False


@dataclass(frozen=True)
class Mlflow(Tracking):
    """Every run in the MLflow store under `mlruns/`, or where `MLFLOW_TRACKING_URI` says."""

    has_pages: ClassVar[bool] = True

    def store(self, root: Path) -> str:
        """Return the store's tracking URI."""
        from labkit.tracking.store import default_store

        return default_store(root)[0]

    def open(self, root: Path) -> Tracker:
        """Start the writer process and return the line to it."""
        from labkit.tracking.client import MlflowTracker
        from labkit.tracking.store import default_store

        return MlflowTracker(*default_store(root))

    def in_order(self, root: Path, experiment: str) -> bool:
        """Return whether a glance at a SQLite store shows nothing against it; of a server only MLflow can tell."""
        from labkit.tracking.glance import in_order
        from labkit.tracking.store import default_store

        return in_order(*default_store(root), experiment)


@dataclass(frozen=True)
class Unrecorded(Tracking):
    """Nothing is recorded."""

    enabled: ClassVar[bool] = False

    def open(self, root: Path) -> Tracker:
        """Return a tracker that keeps nothing."""
        from labkit.tracking.tracker import Tracker

        return Tracker()


@dataclass(frozen=True)
class Paths:
    """Keys of `paths`.

    Attributes:
        root: Folder whose `mlruns/` holds the store; the folder the command runs in unless told.
        data: Folder of the data files.
    """

    root: Path
    data: Path
