"""The one writer to MLflow, and the way back: what a run is called, tagged and linked to.

Reading order: `tracker` (what any backend is), `settings` (which one is chosen), `session` (the one of this process);
then MLflow's: `client` and `run` (what a trainer uses; standard library only), `writer` (the child process that imports
MLflow), `recorder` (one run inside that process), `store` (where the store is; opened by one process at a time),
`rows` and `tag` (a run as the store has it), `queries` (what is asked by name),
`reading` (the answers), `pages_server` (MLflow's own pages on loopback).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.tracking.client import MlflowTracker
    from labkit.tracking.pages_server import ui_command
    from labkit.tracking.reading import artifact, history, runs
    from labkit.tracking.rows import RunRow
    from labkit.tracking.store import TrackingError, default_store
    from labkit.tracking.tracker import Run, Tracker

_HOME = {
    "MlflowTracker": "client",
    "Run": "tracker",
    "Tracker": "tracker",
    "RunRow": "rows",
    "artifact": "reading",
    "history": "reading",
    "runs": "reading",
    "TrackingError": "store",
    "default_store": "store",
    "ui_command": "pages_server",
}
__all__ = [
    "MlflowTracker",
    "Run",
    "RunRow",
    "Tracker",
    "TrackingError",
    "artifact",
    "default_store",
    "history",
    "runs",
    "ui_command",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use, so that importing the package costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
