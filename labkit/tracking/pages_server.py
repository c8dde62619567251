"""MLflow's own pages on the store, on loopback only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from labkit.tracking.aftermath import take_care
from labkit.tracking.store import TrackingError, environment, is_http, open_store, shown

PORT = 5000


def ui_command(uri: str, artifact_root: str | Path, port: int = PORT) -> list[str]:
    """The command that serves the store's pages on 127.0.0.1:`port` until it is stopped.

    It begins with `env`: no job runners (two processes instead of ten), and only local host names are answered
    (MLflow's default list lets `10.evil.com` in). Raises TrackingError for a store that is itself a server.
    """
    if is_http(uri):
        raise TrackingError(f"tracking store {shown(uri)} is a server with pages of its own; open that address.")
    variables = environment() | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_SERVER_ALLOWED_HOSTS": "localhost:*,127.0.0.1:*",
    }
    settings = [f"{name}={value}" for name, value in variables.items()]
    server = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri]
    place = ["--default-artifact-root", str(artifact_root), "--host", "127.0.0.1", "--port", str(port)]
    return ["env", *settings, *server, *place]


def show_pages(uri: str, artifact_root: str | Path, port: int = PORT) -> None:
    """Serve the store's pages in place of this process until it is stopped; raises TrackingError before that.

    The store is opened first: MLflow would make a new one without a lock, and end with a traceback where it cannot.
    """
    command = ui_command(uri, artifact_root, port)
    take_care(open_store(uri, artifact_root), uri, artifact_root)
    print(f"MLflow on http://127.0.0.1:{port} (Ctrl-C stops it): {shown(uri)}", flush=True)
    os.execvp(command[0], command)
