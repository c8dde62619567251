"""A user's own folder of configs, with a module of their own constructors."""

from __future__ import annotations

from pathlib import Path

import pytest

OWN_MODULE = """
from labkit.models.network import Model
from labkit.optim.rules import Rule

def broken(*, lr: float) -> Rule:
    def update(theta, gradient, slots, numbers, t):
        raise ArithmeticError("the loss is negative")
    return Rule(update, (), {"lr": lr, "weight_decay": 0.0})

def tiny(*, units: int) -> Model:
    return Model("tanh", [{"linear": {"units": units}}, {"linear": {"units": "classes"}}], [])
"""
OWN_CONFIGS = {
    "experiment/mine.yaml": "# @package _global_\n# Mine.\ndefaults:\n  - override /model: tiny\nname: mine\n"
    "targets: [own_parts.tiny]\ntrainer:\n  epochs: 1\n",
    "model/tiny.yaml": "# Two layers.\n_target_: own_parts.tiny\nunits: 6\n",
    "optimizer/broken.yaml": "# Fails.\n_target_: own_parts.broken\nlr: 0.1\n",
}


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: configs, and a module with constructors."""
    folder = tmp_path_factory.mktemp("own")
    for name, text in OWN_CONFIGS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "own_parts.py").write_text(OWN_MODULE)
    return folder
