"""MLflow's pages: up on loopback, listing the runs, deaf to other host names."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labkit.tracking.client import MlflowTracker
from labkit.tracking.store import default_store


def ask(port: int, method: str, path: str, body: str | None = None, host: str | None = None) -> tuple[int, bytes]:
    """(status, content) of one request to the server, under the host name `host`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Content-Type": "application/json"} | ({"Host": host} if host else {})
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    """Until the server answers, a minute at most."""
    for _ in range(240):
        assert server.poll() is None, "the server ended"
        try:
            if ask(port, "GET", "/health")[0] == 200:
                return
        except OSError:
            time.sleep(0.25)
    raise AssertionError("the server does not answer")


@pytest.mark.slow
def test_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs and their artifacts are served, on 127.0.0.1 only."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = default_store(tmp_path)
    with MlflowTracker(*store) as tracker:
        run = tracker.start_run("kth", "shown")
        run.artifact_text("note.txt", "hello")
        run.finish("FINISHED")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "labkit", "ui", f"task.port={port}"]
    server = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port, server)
        query = json.dumps({"experiment_ids": ["1"]})
        status, content = ask(port, "POST", "/api/2.0/mlflow/runs/search", query)
        assert status == 200
        assert [found["info"]["run_name"] for found in json.loads(content)["runs"]] == ["shown"]
        assert ask(port, "GET", f"/get-artifact?path=note.txt&run_uuid={run.id}") == (200, b"hello")
        assert ask(port, "POST", "/api/2.0/mlflow/runs/search", query, host="10.evil.com")[0] == 403
        listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        assert {f[1] for f in listening if f[3] == "0A" and f[1].endswith(f":{port:04X}")} == {f"0100007F:{port:04X}"}
    finally:
        server.terminate()
        server.wait(20)
