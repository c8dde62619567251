"""`task=ui`, or `labkit ui`: MLflow's own pages on the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from omegaconf import DictConfig
from pydantic import Field

from labkit.shipped import IN_FILE, defaults
from labkit.tracking.pages_server import show_pages
from labkit.tracking.store import default_store

Port = Annotated[int, Field(ge=1, le=65535, strict=True)]


@defaults("task/ui")
def ui(*, port: Port = IN_FILE) -> Callable[[DictConfig, Sequence[str]], None]:
    """Make the task that serves the pages on 127.0.0.1 until it is stopped.

    Args:
        port: Port of 127.0.0.1.

    Returns:
        The task. It raises TrackingError where there is no store to show.
    """

    def task(config: DictConfig, overrides: Sequence[str]) -> None:
        show_pages(*default_store(Path(config.paths.root)), port)

    return task
