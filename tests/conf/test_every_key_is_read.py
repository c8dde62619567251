"""Every key of every option under conf/ is read, and a neighbour that nothing reads is refused in one sentence."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

import labkit
from labkit.compose import CONF
from labkit.config import ConfigError, checked
from labkit.models.network import Model
from labkit.runs.prepared_data import SPLIT_KEYS
from labkit.shipped import constructors, groups

OPTIONS = [(group, path) for group in groups() for path in sorted((CONF / group).glob("*.yaml"))]
NAMES = [f"{group}={path.stem}" for group, path in OPTIONS]
TARGETS = [(group, target) for group in groups() for target in constructors(group)]


def keys(path: Path) -> dict[str, Any]:
    """The keys of a file and of those of its folder that its defaults name, uninterpolated."""
    content: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    named = [one for one in content.pop("defaults", []) if isinstance(one, str) and one != "_self_"]
    return {key: value for one in named for key, value in keys(path.with_name(f"{one}.yaml")).items()} | content


def constructor(target: str) -> Callable[..., Any]:
    module, _, name = target.rpartition(".")
    return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]


@cache
def attributes_read() -> frozenset[str]:
    """Every `something.name` that a line of labkit reads."""
    trees = (ast.parse(path.read_text()) for path in Path(labkit.__file__).parent.rglob("*.py"))
    return frozenset(
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    )


def names_read(function: Callable[..., Any]) -> set[str]:
    """The variables that a function's body reads."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(tree, ast.FunctionDef)
    return {node.id for line in tree.body for node in ast.walk(line) if isinstance(node, ast.Name)}


def read(target: str) -> set[str]:
    """The keywords that a constructor does something with: a class keeps them for whoever asks."""
    made = constructor(target)
    parameters = {*inspect.signature(made).parameters}
    return parameters & (attributes_read() if isinstance(made, type) else names_read(made))


@pytest.mark.parametrize(("group", "path"), OPTIONS, ids=NAMES)
def test_every_key_of_an_option_is_read(group: str, path: Path) -> None:
    node = keys(path)
    known = read(str(node.pop("_target_"))) | ({*SPLIT_KEYS} if group == "data" else set())
    if group == "model":
        known = {*inspect.signature(Model).parameters} | {key for key in node if f"${{model.{key}" in str(node)}
    assert {*node} <= known


@pytest.mark.parametrize(("group", "target"), TARGETS, ids=[target for _, target in TARGETS])
def test_a_constructor_reads_each_of_its_keywords_and_refuses_others(group: str, target: str) -> None:
    made = constructor(target)
    named = {name for name, one in inspect.signature(made).parameters.items() if one.kind is not one.VAR_KEYWORD}
    if group == "model":  # `dropout` is a name for the lists; labkit.multirun.unread_words refuses one that none reads
        assert named - read(target) == {"dropout"}
        return
    assert named == read(target)
    with pytest.raises(ConfigError, match=rf"^{group}: unknown key 'keyy', .*[?.]$"):
        checked(group, made, {"keyy": 1})


def test_a_keyword_that_a_constructor_forgets_is_found() -> None:
    def forgets(*, lr: float, decay: float) -> float:
        """Mentions decay, and reads lr."""
        return lr

    assert names_read(forgets) == {"lr"}
