"""A process as others may know it later: is the one that began a run, or holds a search, still alive?

Process ids are numbers of a namespace, and two containers with one host name have the same numbers for different
processes. So a process is told by host, boot of the kernel, namespace, id and start; what cannot be seen from here is
not known to be dead.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_FIRST_NAMESPACE = "4026531836"  # of every kernel: the one that is no container's and sees all others


@dataclass(frozen=True)
class Process:
    """One process.

    Attributes:
        host: its machine's name, or its container's.
        boot: a number that the kernel drew when it started; empty where it draws none, or from an earlier labkit.
        namespace: of its id, likewise.
        id: its number there.
        begun: its start, in the kernel's clock ticks; empty where that is not told.
    """

    host: str
    boot: str
    namespace: str
    id: int
    begun: str

    def __str__(self) -> str:
        return f"{self.host} {self.boot or '-'} {self.namespace or '-'} {self.id} {self.begun}"


def own() -> Process:
    """This process."""
    number = os.getpid()
    return Process(socket.gethostname(), _boot(), _namespace("self"), number, _begun(number))


def read(text: str) -> Process | None:
    """From one line, also of an earlier labkit (host, id and start); None where it is none."""
    words = text.split(" ")
    if len(words) == 3:
        words = [words[0], "-", "-", *words[1:]]
    if len(words) != 5 or not words[3].isdecimal():
        return None
    host, boot, namespace, number, begun = words
    return Process(host, boot.strip("-"), namespace.strip("-"), int(number), begun)


def dead(process: Process) -> bool:
    """Whether a process is known to have ended; False where that cannot be seen from here."""
    here = own()
    ended = _begun(process.id) != process.begun
    if not process.boot:  # of an earlier labkit
        return process.host == here.host and ended
    if (process.boot, process.namespace) == (here.boot, here.namespace):
        return ended
    if process.host != here.host or here.namespace != _FIRST_NAMESPACE:
        return False
    if process.boot != here.boot:  # this machine was started again since; of a container's kernel nothing is known
        return process.namespace == _FIRST_NAMESPACE
    seen = _namespaces()
    return process.namespace not in seen and "" not in seen


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
    return ""


def _namespace(process: str) -> str:
    with suppress(OSError):
        return os.readlink(f"/proc/{process}/ns/pid").strip("pid:[]")
    return ""


def _namespaces() -> set[str]:
    """Those of all processes here; an empty one stands for a process that may not be asked."""
    return {_namespace(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()}


def _begun(number: int) -> str:
    """When a process started; empty if there is none of that id."""
    with suppress(OSError):
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[19]
    return ""
