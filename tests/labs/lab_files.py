"""Every lab of conf/labs, read once for all files of tests."""

from __future__ import annotations

from labkit.compose import CONF
from labkit.labs.schema import names, read

LABS = CONF / "labs"
KNOWN = {lab: read(LABS, lab) for lab in names(LABS)}
PARTS = [(lab, part) for lab, found in KNOWN.items() for part in found.parts]
