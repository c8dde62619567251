"""Freed blocks stay with the process, so a step like the one before gets no new pages from the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

COUNT = """
import resource
import torch
from labkit.engine.memory import keep_freed_memory

torch.set_num_threads(1)
keep_freed_memory()
def step():
    blocks = [torch.ones(2**19) for _ in range(20)]  # 2 MiB each, as the activations of a convolution
for _ in range(10):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_a_repeated_step_faults_no_pages() -> None:
    """100,000 where glibc gives the blocks back, as it does in half of all processes without being asked not to."""
    done = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1000
