"""Which processes are known to be dead: here, in another container, on another machine, and in earlier records."""

from __future__ import annotations

import dataclasses
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from labkit import process
from labkit.process import dead, own, read

pytestmark = pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="needs Linux")
HERE = own()


def test_it_is_read_back_as_it_was_written() -> None:
    assert read(str(HERE)) == HERE
    assert read("") is read("host") is read("host x y") is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, False),
        ({"begun": "1"}, True),
        ({"id": 2**22 + 1}, True),
        ({"host": "renamed"}, False),
        ({"host": "renamed", "begun": "1"}, True),
        ({"host": "elsewhere", "boot": "another", "begun": "1"}, False),
        ({"boot": "", "namespace": ""}, False),  # of an earlier labkit
        ({"boot": "", "namespace": "", "begun": "1"}, True),
        ({"boot": "", "namespace": "", "host": "elsewhere", "begun": "1"}, False),
    ],
)
def test_seen_from_here(change: dict[str, object], expected: bool) -> None:
    assert dead(dataclasses.replace(HERE, **change)) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mine", "theirs", "boot", "seen", "expected"),
    [
        ("container", "another", "same", {"container"}, False),  # one host name, two containers
        ("container", "first", "same", {"container"}, False),
        ("first", "container", "same", {"first", "container"}, False),
        ("first", "container", "same", {"first"}, True),  # the container is gone, and all processes are seen from here
        ("first", "container", "same", {"first", ""}, False),  # some may not be asked
        ("first", "first", "before", {"first"}, True),  # the machine was started again
        ("first", "container", "before", {"first"}, False),
        ("container", "container", "before", {"container"}, False),
    ],
)
def test_seen_from_another_namespace(
    monkeypatch: pytest.MonkeyPatch, mine: str, theirs: str, boot: str, seen: set[str], expected: bool
) -> None:
    names = {"first": process._FIRST_NAMESPACE}
    monkeypatch.setattr(process, "_namespace", lambda _: names.get(mine, mine))
    monkeypatch.setattr(process, "_namespaces", lambda: {names.get(one, one) for one in seen})
    monkeypatch.setattr(process, "_boot", lambda: "same")
    theirs = names.get(theirs, theirs)
    assert dead(process.Process(socket.gethostname(), boot, theirs, 2**22 + 1, "1")) is expected


def test_two_namespaces_of_one_host_for_real() -> None:
    """A process looked at from a namespace where its number is nobody's, and one that ended with its namespace."""
    unshare = [shutil.which("unshare") or "unshare", "--pid", "--fork", "--mount-proc"]
    python = [sys.executable, "-c", "import sys; from labkit.process import *; print(eval(sys.argv[1]))"]
    inside = [*unshare, *python, f"dead(read({str(HERE)!r})), own()"]
    done = subprocess.run(inside, capture_output=True, text=True, check=False)
    if "Operation not permitted" in done.stderr:
        pytest.skip("needs the right to make namespaces")
    assert done.stdout.startswith("(False, "), done.stderr
    assert f"id={HERE.id}" not in done.stdout
