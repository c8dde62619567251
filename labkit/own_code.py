"""The user's own code behind `targets`: loading it, and telling its versions apart.

A target's code is its module and all of the user's own modules that it imports, at the top or inside a function. They
are found by reading the files, not by running them. Comments and layout do not count: a file is compared by its syntax
tree, written out. Of an installed package the version counts, of a compiled module its bytes. An import under a name
that is computed at run time is not seen.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from pathlib import Path
from types import CodeType
from typing import Any

Versions = dict[str, str]  # file (or installed package) -> digest (or version)

_NOT_OURS = ("labkit", "hydra_plugins")  # labkit.config.NUMERICS_VERSION tells labkit's own versions apart


@dataclass(frozen=True)
class _Loaded:
    """The code that this process runs for a target.

    Attributes:
        versions: Versions of its files when they were imported.
        modules: Names of the modules that it lies in.
    """

    versions: Versions
    modules: tuple[str, ...]


_loaded: dict[str, _Loaded] = {}
_folder = ""  # working directory when a module was last loaded
_appended = ""  # the same folder where we made it known to Python, else empty


def load(target: str) -> Any:
    """Return the object that `target` names, imported from `sys.path` or from the working directory.

    A module that was imported before labkit first saw it may be older than its file, so it is imported anew. Whatever
    the import raises passes through.
    """
    _look_in(os.getcwd())
    module, _, name = target.rpartition(".")
    if target in _loaded:
        return getattr(importlib.import_module(module), name)
    modules = _closure(module)
    if not any(known.rpartition(".")[0] == module for known in _loaded):
        _forget(modules)
    # Read before the import: a file that changes in between then counts as changed.
    versions = _read(target)
    found = getattr(importlib.import_module(module), name)
    _loaded[target] = _Loaded(versions, tuple(modules))
    return found


def versions(targets: Iterable[str]) -> Versions:
    """Return the versions of the code behind `targets`: as this process runs it, else as it lies on disk."""
    _look_in(os.getcwd())
    found: Versions = {}
    for target in targets:
        found |= _loaded[target].versions if target in _loaded else _read(target)
    return dict(sorted(found.items()))


def renew() -> None:
    """Drop modules whose files changed since they were imported, so that the next `load` reads them again."""
    importlib.invalidate_caches()
    for target in [target for target, known in _loaded.items() if _read(target) != known.versions]:
        _forget(_loaded.pop(target).modules)


def changed(was: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the files whose versions are not the same in both."""
    return sorted(file for file in {**was, **now} if was.get(file) != now.get(file))


def _look_in(folder: str) -> None:
    """Let Python find modules in `folder`, and no longer in the folder that the process has left."""
    global _folder, _appended
    if folder == _folder:
        return
    for target in list(_loaded):
        _forget(_loaded.pop(target).modules)
    if _appended in sys.path:
        sys.path.remove(_appended)
    _appended = "" if folder in sys.path else folder  # a folder that Python knew before stays when we leave it
    if _appended:
        sys.path.append(folder)
    _folder = folder


def _forget(modules: Iterable[str]) -> None:
    """Remove modules from this process, except compiled ones, which cannot be loaded twice."""
    for name in modules:
        spec = getattr(sys.modules.get(name), "__spec__", None)
        if spec is None or name == "__main__" or str(spec.origin).endswith(tuple(EXTENSION_SUFFIXES)):
            continue
        del sys.modules[name]
        if spec.cached:  # Python compares it with its source by whole seconds and size: too coarse for two quick edits
            with suppress(OSError):
                os.unlink(spec.cached)


def _read(target: str) -> Versions:
    """Return the versions of a target's code as it lies on disk, or as it was typed at a prompt."""
    module, _, name = target.rpartition(".")
    top = module.partition(".")[0]
    if top in _NOT_OURS:
        return {}
    if module == "__main__" and not hasattr(sys.modules["__main__"], "__file__"):
        return {"__main__": _digest(_typed(name))}
    found = _closure(module)
    if not found:
        return _installed(top)
    return {_file_name(name, spec): _version(spec) for name, spec in found.items() if spec.origin}


def _installed(package: str) -> Versions:
    """Return the versions of the distributions that hold an installed package."""
    from importlib.metadata import packages_distributions, version

    return {name: version(name) for name in packages_distributions().get(package, ())}


def _closure(module: str) -> dict[str, ModuleSpec]:
    """Return the module, its packages, and all own modules that these import; empty for an installed module."""
    found: dict[str, ModuleSpec] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        spec = None if name in found else _spec(name)
        if spec is None or not _is_own(name, spec):
            continue
        found[name] = spec
        waiting += [name.rpartition(".")[0], *_imported(name, spec)]
    return found


def _spec(name: str) -> ModuleSpec | None:
    """Return the spec of a module; unlike `importlib.util.find_spec`, import none of the packages that it lies in."""
    if name == "__main__":
        return importlib.util.spec_from_file_location(name, sys.modules[name].__file__ or "")
    path, spec = None, None
    for end in range(1, name.count(".") + 2):
        part = ".".join(name.split(".")[:end])
        if not part or (spec is not None and path is None):
            return None
        spec = next(filter(None, (finder.find_spec(part, path) for finder in sys.meta_path)), None)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return spec


def _is_own(name: str, spec: ModuleSpec) -> bool:
    """Return True for a module that is neither Python's, nor labkit's, nor an installed package's."""
    if name.partition(".")[0] in _NOT_OURS or spec.origin in ("built-in", "frozen"):
        return False
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or [])
    python = [Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "platstdlib")]
    for place in map(Path, filter(None, places)):
        installed = {"site-packages", "dist-packages"} & set(place.parts)
        if installed or any(folder in place.resolve().parents for folder in python):
            return False
    return bool(places)


def _imported(name: str, spec: ModuleSpec) -> Iterator[str]:
    """Yield the names that a module imports anywhere, some of which may be attributes and no modules."""
    tree = _tree(spec)
    package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
    for node in ast.walk(tree) if tree is not None else ():
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = _absolute("." * level + (module or ""), package)
                yield from (base, *(f"{base}.{alias.name}" for alias in names))
            case ast.Call(args=[ast.Constant(value=str(wanted)), *_]) if _imports(node.func):
                yield _absolute(wanted, package)


def _imports(function: ast.expr) -> bool:
    return ast.unparse(function) in ("importlib.import_module", "import_module", "__import__")


def _absolute(name: str, package: str) -> str:
    try:
        return importlib.util.resolve_name(name, package)
    except ImportError:
        return ""


def _tree(spec: ModuleSpec) -> ast.Module | None:
    """Return the syntax tree of a module; None if it has no source that Python can read."""
    try:
        source: str | None = spec.loader.get_source(spec.name)  # type: ignore[union-attr]
        return None if source is None else ast.parse(source)
    except (AttributeError, ImportError, SyntaxError, ValueError):
        return None


def _version(spec: ModuleSpec) -> str:
    tree = _tree(spec)
    return _digest(ast.unparse(tree) if tree is not None else Path(str(spec.origin)).read_bytes())


def _digest(content: str | bytes) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()[:12]


def _file_name(name: str, spec: ModuleSpec) -> str:
    """Return the file of a module as the user knows it: `my_package/rules.py`."""
    stem = name.replace(".", "/") if name != "__main__" else Path(str(spec.origin)).stem
    inside = "/__init__" if spec.submodule_search_locations is not None else ""
    return stem + inside + "".join(Path(str(spec.origin)).suffixes[-1:])


def _typed(target: str) -> str:
    """Return code typed at a prompt as text: `target`, and the functions, classes and constants that it uses there."""
    known = vars(sys.modules["__main__"])
    found: dict[str, str] = {}
    waiting = [target]
    while waiting:
        name = waiting.pop()
        value = known.get(name)
        if name in found or name not in known:
            continue
        if isinstance(value, bool | int | float | str | tuple | list | dict):
            found[name] = repr(value)
        elif getattr(value, "__module__", "") == "__main__":
            functions = [value, *(vars(value).values() if isinstance(value, type) else ())]
            codes = [function.__code__ for function in functions if hasattr(function, "__code__")]
            given = [repr(getattr(function, "__kwdefaults__", None)) for function in functions]
            found[name] = repr([given, *map(_instructions, codes)])
            waiting += [used for code in codes for used in _names(code)]
    return repr(sorted(found.items()))


def _instructions(code: CodeType) -> list[Any]:
    """Return the instructions of a function, without the file and the lines where it was typed."""
    inner = [_instructions(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return [code.co_code.hex(), code.co_names, code.co_varnames, inner]


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _names(one)
