"""The options of the `preprocess` group have every key of their constructor."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from labkit.compose import CONF, compose
from labkit.preprocess.prepare import Preprocess
from labkit.runs.plan import resolved

OPTIONS = sorted(path.stem for path in (CONF / "preprocess").glob("*.yaml"))


def keys(option: str) -> dict[str, Any]:
    node = dict(resolved(compose([f"preprocess={option}"]))["preprocess"])
    assert node.pop("_target_") == "labkit.preprocess.prepare.Preprocess"
    return node


@pytest.mark.parametrize("option", OPTIONS)
def test_all_keys_are_listed_and_accepted(option: str) -> None:
    node = keys(option)
    assert list(node) == [field.name for field in fields(Preprocess)]
    Preprocess(**node)


def test_the_default_of_the_constructor_is_the_default_file() -> None:
    assert Preprocess(**keys("normalise")) == Preprocess()


def test_the_others_differ_from_it_in_what_their_first_lines_say() -> None:
    assert Preprocess(**keys("none")) == Preprocess(scale=False, normalise="none")
    assert Preprocess(**keys("scale")) == Preprocess(normalise="none")
    assert Preprocess(**keys("pca")) == Preprocess(pca=30)
