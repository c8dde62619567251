"""Standard streams that never end a run, each for real: a shell closes, leaves or fills them."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import os, sys
from labkit import standard_streams
standard_streams.prepare()
for _ in range(20000):
    print("7.0 \\u00b1 0.1 \\u4e16\\u00b1 caf\\u00e9")
print("in stderr", file=sys.stderr)
lost = standard_streams.lost()
print("lost:", lost, file=sys.stderr)
assert all(os.get_inheritable(number) for number in range(3))
assert os.open(os.devnull, os.O_RDONLY) > 2, "a closed stream's number is not the next file's"
open(sys.argv[1], "w").write("to the end")
"""


@pytest.mark.parametrize(
    ("redirection", "out", "err"),
    [
        ("| sort -u", "7.0 +- 0.1 ?+- cafe\n", "in stderr\nlost: None\n"),
        (">&-", "", "in stderr\nlost: None\n"),
        ("| head -1", "7.0 +- 0.1 ?+- cafe\n", "in stderr\nlost: \n"),
        (">/dev/full", "", "in stderr\nlost: standard output: No space left on device.\n"),
        (">&- 2>&- <&-", "", ""),
        (">/dev/null 2>/dev/full", "", ""),
    ],
)
def test_the_command_comes_to_its_end(tmp_path: object, redirection: str, out: str, err: str) -> None:
    command = f'PYTHONIOENCODING=ascii "$0" -c "$1" "$2" {redirection}; exit ${{PIPESTATUS[0]}}'
    words = ["bash", "-c", command, sys.executable, CODE, f"{tmp_path}/end"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == (out, err, 0)
    with open(f"{tmp_path}/end") as end:
        assert end.read() == "to the end"
