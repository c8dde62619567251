"""A stranger finds the test of `labkit/nn/linear.py` by its name.

It is `tests/nn/test_linear.py`, or the suite in `tests/nn` whose docstring names `linear.py`.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
LABKIT = TESTS.parent / "labkit"
FILES = [
    file
    for package in ("data", "engine", "models", "nn", "preprocess", "search", "tracking")
    for file in sorted((LABKIT / package).glob("*.py"))
    if file.stem != "__init__"
]


def named(folder: Path) -> set[str]:
    """The files that the tests of a folder are for, by their own names and in their docstrings."""
    found = set()
    for file in folder.glob("test_*.py"):
        said = ast.get_docstring(ast.parse(file.read_text())) or ""
        found |= {file.name.removeprefix("test_"), *re.findall(r"(?<![\w/])\w+\.py\b", said)}
    return found


@pytest.mark.parametrize("package", sorted({file.parent.name for file in FILES}))
def test_every_file_has_a_test_or_a_suite_that_names_it(package: str) -> None:
    files = {file.name for file in FILES if file.parent.name == package}
    assert files, package
    assert files - named(TESTS / package) == set()


@pytest.mark.parametrize("package", sorted({file.parent.name for file in FILES}))
def test_a_suite_names_no_file_that_is_gone(package: str) -> None:
    files = {file.name for file in FILES if file.parent.name == package}
    suites = {file.name.removeprefix("test_") for file in (TESTS / package).glob("test_*.py")}
    assert named(TESTS / package) - suites <= files
