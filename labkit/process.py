"""The identity of a process, by which a later one finds out if it still lives: the owner of a run or of a search.

Process ids are numbers within a namespace, and two containers with one host name use the same numbers for different
processes. So host, boot of the kernel, namespace, id and start identify a process together. A process that cannot be
seen from here is never taken for dead.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_FIRST_NAMESPACE = "4026531836"  # the same for every Linux kernel: that of no container, which sees all others


@dataclass(frozen=True)
class Process:
    """The identity of one process.

    Attributes:
        host: Name of its machine or container.
        boot: Number that the kernel drew when it started; empty where it draws none, or in a line of an earlier labkit.
        namespace: Namespace of its id; empty where the system has none, or in a line of an earlier labkit.
        id: Number of the process in that namespace.
        begun: Start of the process in the kernel's clock ticks since boot; empty where the system does not say.
    """

    host: str
    boot: str
    namespace: str
    id: int
    begun: str

    def __str__(self) -> str:
        return f"{self.host} {self.boot or '-'} {self.namespace or '-'} {self.id} {self.begun}"


def own() -> Process:
    """Return the identity of this process."""
    number = os.getpid()
    return Process(socket.gethostname(), _boot(), _namespace("self"), number, _begun(number))


def read(text: str) -> Process | None:
    """Return the process of a line, also of an earlier labkit's (host, id and start); None for any other text."""
    words = text.split(" ")
    if len(words) == 3:
        words = [words[0], "-", "-", *words[1:]]
    if len(words) != 5 or not words[3].isdecimal():
        return None
    host, boot, namespace, number, begun = words
    return Process(host, boot.strip("-"), namespace.strip("-"), int(number), begun)


def dead(process: Process) -> bool:
    """Return True if a process is known to have ended, False if it lives or cannot be seen from here."""
    here = own()
    # The start tells a process from a later one that was given the same id.
    ended = _begun(process.id) != process.begun
    if not process.boot:  # of an earlier labkit
        return process.host == here.host and ended
    if (process.boot, process.namespace) == (here.boot, here.namespace):
        return ended
    if process.host != here.host or here.namespace != _FIRST_NAMESPACE:
        return False
    if process.boot != here.boot:  # this machine has rebooted since; nothing is known of a container's kernel
        return process.namespace == _FIRST_NAMESPACE
    seen = _namespaces()
    return process.namespace not in seen and "" not in seen


def _boot() -> str:
    """Return the number that the kernel drew when it started; empty where there is none."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
    return ""


def _namespace(process: str) -> str:
    """Return the namespace of a process's id; empty where the system does not say."""
    with suppress(OSError):
        return os.readlink(f"/proc/{process}/ns/pid").strip("pid:[]")
    return ""


def _namespaces() -> set[str]:
    """Return the namespaces of all processes here; an empty one stands for a process that may not be read."""
    return {_namespace(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()}


def _begun(number: int) -> str:
    """Return the start of a process in clock ticks since boot; empty if there is none of that id."""
    # Field 22 of the line, counted behind the name in parentheses, which may hold blanks and parentheses itself.
    with suppress(OSError):
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[19]
    return ""
