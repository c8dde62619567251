"""`labkit.data` is a list of names that imports nothing by itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from labkit import data

HEAVY = "scipy sklearn PIL pooch requests rich torch pandas hydra mlflow"


def test_every_listed_name_is_there():
    for name in data.__all__:
        assert callable(getattr(data, name))
    with pytest.raises(AttributeError, match="no attribute 'mnits'"):
        _ = data.mnits


def test_no_listed_name_is_a_file_too():
    """Importing `labkit.data.x` sets the attribute `x` of the package, which would hide a listed `x`."""
    files = {path.stem for path in Path(data.__file__).parent.glob("*.py")}
    assert not files & set(data.__all__)


def test_loaders_import_only_numpy_until_they_are_called():
    files = "checks idx cifar mat wav text table images download archive"
    program = (
        f"import sys, importlib; [importlib.import_module('labkit.data.' + f) for f in {files.split()!r}]; "
        f"print(*[m for m in {HEAVY.split()!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
