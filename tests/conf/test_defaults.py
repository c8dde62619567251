"""A default is written in one place: in the YAML file of a part, where one reads it; its constructor takes it there."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from labkit.config import checked
from labkit.shipped import CONF, IN_FILE, constructors, defaults, groups

NOTHING = ("None", "()", "[]")  # the absence of something, not a value of it
FILES = [
    (target, path)
    for group in groups()
    for path in sorted((CONF / group).glob("*.yaml"))
    for target in (yaml.safe_load(path.read_text()).get("_target_"),)
    if target
]


def constructor(target: str) -> Any:
    module, _, name = target.rpartition(".")
    return getattr(importlib.import_module(module), name)


def written(target: str) -> Iterator[tuple[str, str]]:
    """The keywords of a constructor that have a default, and the default as its source says it."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(constructor(target)))).body
    if isinstance(tree, ast.ClassDef):
        lines = [line for line in tree.body if isinstance(line, ast.AnnAssign) and line.value is not None]
        yield from ((ast.unparse(line.target), ast.unparse(line.value)) for line in lines if line.value)
    elif isinstance(tree, ast.FunctionDef):
        pairs = zip(tree.args.kwonlyargs, tree.args.kw_defaults, strict=True)
        yield from ((name.arg, ast.unparse(default)) for name, default in pairs if default is not None)


@pytest.mark.parametrize(("target", "path"), FILES, ids=[f"{path.parent.name}={path.stem}" for _, path in FILES])
def test_no_default_of_a_file_stands_in_the_signature_too(target: str, path: Any) -> None:
    keys = yaml.safe_load(path.read_text())
    twice = {key: said for key, said in written(target) if key in keys and said not in (*NOTHING, "IN_FILE")}
    assert twice == {}


@pytest.mark.parametrize("target", sorted({target for target, _ in FILES}))
def test_a_default_has_the_type_of_its_keyword(target: str) -> None:
    made = constructor(target)
    given = {n: p.default for n, p in inspect.signature(made).parameters.items() if p.default is not p.empty}
    assert IN_FILE not in given.values()
    needed = {n: p for n, p in inspect.signature(made, eval_str=True).parameters.items() if n in given}

    def takes(**keys: Any) -> None: ...

    takes.__signature__ = inspect.Signature([*needed.values()])  # type: ignore[attr-defined]
    for name, value in checked("group", takes, given).items():
        assert value == given[name] or str(value) == given[name], name  # a path is a text in YAML


def test_every_constructor_that_a_file_names_is_looked_at() -> None:
    assert {target for target, _ in FILES} == {target for group in groups() for target in constructors(group)}


def test_a_function_and_a_dataclass_take_the_defaults_of_their_file() -> None:
    @defaults("optimizer/adam")
    def mine(*, lr: float, beta2: float = IN_FILE, other: int = 3) -> tuple[float, float, int]:
        return lr, beta2, other

    @dataclass(frozen=True)
    @defaults("optimizer/lion")
    class Mine:
        lr: float
        beta2: float = IN_FILE

    assert mine(lr=0.5) == (0.5, 0.999, 3)
    assert mine(lr=0.5, beta2=0.1, other=1) == (0.5, 0.1, 1)
    assert Mine(0.5) == Mine(0.5, 0.99)
    with pytest.raises(TypeError):
        mine()  # type: ignore[call-arg]


def test_a_keyword_that_the_file_lacks_is_an_error_at_once() -> None:
    def mine(*, gamma: float = IN_FILE) -> float:
        return gamma

    with pytest.raises(KeyError, match="gamma"):
        defaults("optimizer/adam")(mine)
