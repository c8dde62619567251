"""MLflow's own pages on the store, on loopback only: `python -m labkit.tracking.ui [port]`, which `make ui` calls."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from labkit.tracking.store import TrackingError, default_store, environment, is_http, open_store, shown, sqlite_file

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


def main() -> int:
    """Open the store of the current folder (made first if it is new: MLflow would make it without a lock)."""
    uri, artifact_root = default_store(Path.cwd())
    port = int(sys.argv[1]) if len(sys.argv) > 1 else PORT
    try:
        command = ui_command(uri, artifact_root, port)
        if sqlite_file(uri) is not None:
            open_store(uri, artifact_root)
    except TrackingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"MLflow on http://127.0.0.1:{port} (Ctrl-C stops it): {shown(uri)}", flush=True)
    os.execvp(command[0], command)


if __name__ == "__main__":
    sys.exit(main())
