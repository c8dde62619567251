#!/usr/bin/env bash
# hydra-core 1.3.8: range(start, stop, step) with fractions in a multirun.
#
# The stop is outside, as in Python, and whole numbers keep to that. With fractions the values are sums of steps in
# binary, so whether the stop is tried too depends on its value: range(0.1,0.4,0.1) has the four values 0.1 to 0.4,
# range(0.1,0.5,0.1) ends before 0.5, range(0.01,0.05,0.01) has five values. And one of the values is written
# 0.30000000000000004, which goes into folder names, overrides and whatever is keyed by them.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check hydra-core==1.3.8
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from hydra.core.override_parser.overrides_parser import OverridesParser

print("hydra-core", version("hydra-core"))
parser = OverridesParser.create()


def values(text):
    found = list(parser.parse_override(f"x={text}").sweep_string_iterator())
    print(f"{text:24}", ", ".join(found))
    return found


assert values("range(1,4,1)") == ["1", "2", "3"]
assert values("range(0.1,0.4,0.1)") == ["0.1", "0.2", "0.30000000000000004", "0.4"]
assert values("range(0.1,0.5,0.1)") == ["0.1", "0.2", "0.30000000000000004", "0.4"]
assert values("range(0.0,0.3,0.1)") == ["0.0", "0.1", "0.2"]
assert values("range(0.01,0.05,0.01)") == ["0.01", "0.02", "0.03", "0.04", "0.05"]
PYTHON
