"""Nothing is left out: every layer class, activation and shipped model is in the table of checks."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import labkit.nn
from labkit.checks.input import Input
from labkit.checks.layers import LAYERS
from labkit.checks.networks import SAMPLES, model_subjects, subject
from labkit.checks.sanity import MEMORISING
from labkit.checks.suite import subjects
from labkit.compose import CONF, compose
from labkit.config import ConfigError
from labkit.models.network import Model
from labkit.nn.activation import ACTIVATIONS, Activation
from labkit.nn.layer import Layer
from labkit.nn.normalisation import BatchNorm
from labkit.runs.plan import resolved
from labkit.tasks.check import shipped_models

MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))


def below(kind: type[Layer]) -> Iterator[type[Layer]]:
    for child in kind.__subclasses__():
        yield child
        yield from below(child)


def layer_classes() -> set[type[Layer]]:
    """Every class of labkit/nn that can be made."""
    for path in labkit.nn.__path__:
        for file in Path(path).glob("*.py"):
            importlib.import_module(f"labkit.nn.{file.stem}")
    return {
        kind
        for kind in below(Layer)
        if kind.__module__.startswith("labkit.nn.") and not getattr(kind, "__abstractmethods__", None)
    }


def test_every_layer_class_is_checked() -> None:
    assert len(layer_classes()) >= 10
    assert {type(case.layer) for case in LAYERS.values()} == layer_classes()


def test_every_layer_is_checked_inside_a_network_too() -> None:
    inside = {type(stage.layer) for s in subjects({}) for stage in s.network.stages}
    assert inside - {Input} == layer_classes()


def test_every_activation_is_checked() -> None:
    assert {c.layer.function for c in LAYERS.values() if isinstance(c.layer, Activation)} == set(ACTIVATIONS)


def test_a_layer_that_differs_in_training_is_checked_in_both_modes() -> None:
    for kind in ("dropout", "batch_norm"):
        assert {case.training for case in LAYERS.values() if case.layer.kind == kind} == {True, False}
    assert any(isinstance(case.layer, BatchNorm) and not case.training for case in LAYERS.values())


def test_every_shipped_model_is_checked() -> None:
    assert {f"model={name}" for name in MODELS} < {s.name for s in subjects(shipped_models())}


@pytest.mark.parametrize("name", ["extended", "extended_skips_a", "char_rnn", "residual"])
def test_a_shipped_model_is_what_hydra_composes(name: str) -> None:
    node = resolved(compose([f"model={name}"]))["model"]
    model = shipped_models()[name]
    assert (model.activation, model.layers) == (node.get("activation", "relu"), node["layers"])
    assert [list(skip) for skip in model.skips] == node.get("skips", [])


def test_the_models_that_must_memorise_are_shipped() -> None:
    assert set(MEMORISING) <= set(MODELS)


def test_a_model_that_fits_no_sample_is_an_error_and_not_left_out() -> None:
    model = Model("relu", [{"max_pool2d": {}}, {"linear": {"units": "classes"}}], [])
    with pytest.raises(ConfigError, match="max_pool2d"):
        model_subjects({"odd": model})


@pytest.mark.parametrize("kind", SAMPLES)
def test_the_input_is_a_variable_unless_it_is_ids(kind: str) -> None:
    name = {"embedding": "char_rnn", "conv1d": "audio_cnn", "conv2d": "cnn"}[kind]
    made = subject(name, shipped_models()[name])
    assert isinstance(made.network.stages[0].layer, Input) == (kind != "embedding")
