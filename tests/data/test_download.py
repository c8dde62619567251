"""Downloading from a local server: whole, resumed, refused, foreign, offline."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from labkit.data.dataset import DataError
from labkit.data.download import ATTEMPTS, Published, fetch, verify

CONTENT = np.random.default_rng(0).bytes(1_000_000)


class Handler(BaseHTTPRequestHandler):
    """Serves `server.content`; knows Range unless `server.ranges` is false; breaks off after `server.cuts`' bytes."""

    def do_GET(self) -> None:
        server = self.server
        asked = self.headers.get("Range")
        server.asked.append(asked)
        size = len(server.content)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and server.ranges else 0
        if server.status != 200:
            self.send_error(server.status)
            return
        if start >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if asked and server.ranges else 200)
        if asked and server.ranges:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.send_header("Content-Length", str(size - start))
        self.end_headers()
        keep = server.cuts.pop(0) if server.cuts else size
        self.wfile.write(server.content[start : start + keep])

    def log_message(self, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """The server is on this machine, whatever the environment says about proxies."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.content, server.status, server.ranges, server.cuts, server.asked = CONTENT, 200, True, [], []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def file(server) -> Published:
    return Published(f"http://127.0.0.1:{server.server_port}", "set.gz", hashlib.md5(CONTENT).hexdigest())


def is_whole(folder: Path) -> bool:
    """The file is there, right, and alone."""
    return [path.name for path in folder.iterdir()] == ["set.gz"] and (folder / "set.gz").read_bytes() == CONTENT


def test_fetches_into_a_new_folder_and_only_once(tmp_path, server, file):
    folder = tmp_path / "deep" / "data"
    assert fetch(file, folder) == fetch(file, folder) == folder / "set.gz"
    assert is_whole(folder)
    assert server.asked == [None]


def test_mirror(tmp_path, server, file):
    elsewhere = Published("http://publisher.invalid/sets", file.name, file.md5)
    fetch(elsewhere, tmp_path, mirror=file.base + "/")
    assert is_whole(tmp_path)


def test_takes_up_a_part_of_an_earlier_process(tmp_path, server, file):
    (tmp_path / "set.gz.part").write_bytes(CONTENT[:400_000])
    fetch(file, tmp_path)
    assert is_whole(tmp_path)
    assert server.asked == ["bytes=400000-"]


def test_takes_up_a_part_that_was_already_whole(tmp_path, server, file):
    (tmp_path / "set.gz.part").write_bytes(CONTENT)
    fetch(file, tmp_path)
    assert is_whole(tmp_path)


def test_broken_connection_is_taken_up_at_once(tmp_path, server, file):
    server.cuts = [300_000, 300_000]
    fetch(file, tmp_path)
    assert is_whole(tmp_path)
    assert server.asked == [None, "bytes=300000-", "bytes=600000-"]


def test_too_many_breaks_leave_a_part_that_is_no_file(tmp_path, server, file):
    server.cuts = [1000] * ATTEMPTS
    with pytest.raises(DataError, match=r"set.gz is missing and could not be downloaded \(.*\): put .* there by hand"):
        fetch(file, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["set.gz.part"]
    fetch(file, tmp_path)
    assert is_whole(tmp_path)
    assert server.asked[-1] == f"bytes={1000 * ATTEMPTS}-"


def test_server_without_ranges(tmp_path, server, file):
    server.ranges = False
    (tmp_path / "set.gz.part").write_bytes(CONTENT[:400_000])
    fetch(file, tmp_path)
    assert is_whole(tmp_path)


@pytest.mark.parametrize("size", [500, 1_000_000, 2_000_000])
def test_a_foreign_part_is_thrown_away(tmp_path, server, file, size):
    (tmp_path / "set.gz.part").write_bytes(bytes(size))
    fetch(file, tmp_path)
    assert is_whole(tmp_path)


def test_wrong_bytes_never_get_the_name(tmp_path, server, file):
    server.content = b"<html>sign in to the network</html>"
    with pytest.raises(DataError, match="the bytes received do not have the published checksum"):
        fetch(file, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_refused(tmp_path, server, file):
    server.status = 404
    with pytest.raises(DataError, match=r"could not be downloaded \(the server answered 404 Not Found\): put http"):
        fetch(file, tmp_path)
    assert len(server.asked) == 1
    assert list(tmp_path.iterdir()) == []


def test_offline_says_which_file_to_put_where(tmp_path):
    file = Published("http://127.0.0.1:9/sets", "set.gz", "0" * 32)  # the discard port: nobody listens
    with pytest.raises(DataError) as caught:
        fetch(file, tmp_path)
    path = tmp_path / "set.gz"
    assert str(caught.value) == (
        f"{path} is missing and could not be downloaded (no connection: ConnectionError): "
        f"put http://127.0.0.1:9/sets/set.gz (md5 {'0' * 32}) there by hand."
    )


def test_switched_off(tmp_path, server, file):
    with pytest.raises(DataError, match=r"set.gz is missing and data.download is false"):
        fetch(file, tmp_path, download=False)
    assert server.asked == []


def test_folder_that_cannot_be_written(tmp_path, file):
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"set.gz is missing and cannot be written \(.*\): mend that"):
        fetch(file, tmp_path / "data")


def test_processes_that_start_together_download_once(tmp_path, server, file):
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: fetch(file, tmp_path), range(8)))) == 1
    assert is_whole(tmp_path)
    assert len(server.asked) == 1


def test_verify(tmp_path):
    path = tmp_path / "set.gz"
    path.write_bytes(CONTENT)
    verify(path, hashlib.md5(CONTENT).hexdigest())
    with pytest.raises(DataError, match=r"set.gz: found md5 \w{32}, expected the published f00: delete the file"):
        verify(path, "f00")
