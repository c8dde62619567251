"""Data sets, each read or generated as one in-memory `Dataset`; a file is imported only when it is needed.

A set with the name of a file here would be hidden by that file once it is imported. Such a set is imported from it:
`from labkit.data.table import table`, `from labkit.data.mat import gmm`.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "DataError": "dataset",
    "Dataset": "dataset",
    "check": "checks",
    "mnist": "idx",
    "fashion_mnist": "idx",
    "cifar10": "cifar",
    "cifar100": "cifar",
    "swissroll": "mat",
    "peaks": "mat",
    "fsdd": "wav",
    "names": "text",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Import the file that holds `name` on first use; raise AttributeError if there is none."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
