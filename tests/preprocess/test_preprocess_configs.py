"""The files of the `preprocess` group name every key of their constructor."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from labkit.preprocess.prepare import Preprocess

FILES = sorted((Path(__file__).parents[2] / "conf" / "preprocess").glob("*.yaml"))


def keys(path: Path) -> dict[Any, Any]:
    node = OmegaConf.to_container(OmegaConf.load(path))
    assert isinstance(node, dict)
    assert node.pop("_target_") == "labkit.preprocess.prepare.Preprocess"
    return node


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_all_keys_are_listed_and_accepted(path: Path) -> None:
    node = keys(path)
    assert list(node) == [field.name for field in fields(Preprocess)]
    Preprocess(**node)


def test_the_default_of_the_constructor_is_the_default_file() -> None:
    assert Preprocess(**keys(next(path for path in FILES if path.stem == "normalise"))) == Preprocess()
