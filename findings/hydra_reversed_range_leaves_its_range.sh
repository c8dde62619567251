#!/usr/bin/env bash
# hydra-core 1.3.8: sort(range(...), reverse=true) in a multirun.
#
# range(0,10,3) is 0, 3, 6, 9, and sorted it is the same. Sorted in reverse it is not 9, 6, 3, 0 but 7, 4, 1, -2: the
# ends are swapped and the step is turned round, whether or not the step divides the range. A sweep over widths, epochs
# or seeds then trains values that nobody wrote, a negative one among them, and none of those that were asked for.
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
    print(f"{text:36}", ", ".join(found))
    return found


assert values("range(0,10,3)") == ["0", "3", "6", "9"]
assert values("sort(range(0,10,3))") == ["0", "3", "6", "9"]
assert values("sort(range(0,10,3),reverse=true)") == ["7", "4", "1", "-2"]
assert values("sort(choice(0,3,6,9),reverse=true)") == ["9", "6", "3", "0"]
PYTHON
