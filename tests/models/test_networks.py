"""Every model of conf/ as a whole: gradients against autograd, counts against arithmetic by hand.

It also covers network.py.
"""

from __future__ import annotations

import pytest

from labkit.compose import CONF
from labkit.config import ConfigError
from labkit.models.entries import Sizing
from labkit.models.network import layers
from tests.models.model_cases import Sample, assert_backward_is_the_gradient, network

NAMES = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
# Beside every option as it stands: its variants that take another path through the code.
VARIANTS = [
    ("mlp", "model.dropout=0.3", "model.batch_norm=true"),
    ("mlp", "model.activation=gaussian", "model.hidden=[9]"),
    ("cnn", "model.dropout=0.3", "model.batch_norm=true"),
    ("baseline", "model.downsample=maxpool"),
    ("two_layer", "model.activation=silu"),
    ("residual", "model.activation=leaky_relu", "model.blocks=2"),
    ("audio_cnn", "model.batch_norm=false"),
]
# name, sample, sizing, parameters, hidden units
COUNTS = [
    ("softmax", (3, 32, 32), Sizing(10), 3072 * 10 + 10, 0),
    ("two_layer", (3, 32, 32), Sizing(10), 154_160, 50),
    ("mlp", (64,), Sizing(10), 64 * 64 + 64 + 64 * 32 + 32 + 32 * 10 + 10, 96),
    ("cnn", (3, 32, 32), Sizing(10), 448 + 4_640 + (2_048 * 64 + 64) + 650, 64),
    ("baseline", (3, 32, 32), Sizing(10), 448 + 4_640 + 9_248 + (512 * 64 + 64) + 650, 64),
    ("extended", (3, 32, 32), Sizing(10), 448 + 4_640 + 11 * 9_248 + (512 * 64 + 64) + 650, 64),
    ("extended_skips_a", (3, 32, 32), Sizing(10), 448 + 4_640 + 11 * 9_248 + (512 * 64 + 64) + 650, 64),
    ("extended_skips_b", (3, 32, 32), Sizing(10), 448 + 4_640 + 11 * 9_248 + (512 * 64 + 64) + 650, 64),
    ("standard", (2,), Sizing(5), 48 + 3 * (16 * 16 + 16) + 85, 16 + 3 * 16),
    ("shallow", (3, 32, 32), Sizing(10), 3072 * 128 + 128 + 1_290, 128),
    ("residual", (2,), Sizing(5), 48 + 3 * (16 * 16 + 16 + 16 * 16) + 85, 16 + 3 * 32),
    ("audio_cnn", (1, 8000), Sizing(10), (288 + 32) + (4_640 + 64) + (5_152 + 64) + 330, 0),
    ("char_rnn", (20,), Sizing(18, tokens=27), 27 * 16 + (16 * 64 + 64 * 64 + 128) + 65 * 18, 0),
]


@pytest.mark.parametrize("words", [(name,) for name in NAMES] + VARIANTS, ids=" ".join)
@pytest.mark.parametrize(("members", "shared"), [(1, True), (3, True), (3, False)])
def test_whole_backward_is_the_gradient_of_the_loss(words: tuple[str, ...], members: int, shared: bool) -> None:
    assert_backward_is_the_gradient(Sample(network(*words), members, shared))


def test_every_model_is_counted() -> None:
    assert {name for name, *_ in COUNTS} == set(NAMES)


@pytest.mark.parametrize(("name", "shape", "sizing", "parameters", "hidden"), COUNTS, ids=[row[0] for row in COUNTS])
def test_counts_by_hand(name: str, shape: tuple[int, ...], sizing: Sizing, parameters: int, hidden: int) -> None:
    net = network(name, shape=shape, sizing=sizing)
    assert net.parameter_count == parameters
    assert net.hidden_units == hidden
    names = [name for name, _ in net.parameters]
    assert len(set(names)) == len(names)


def test_the_caltech_labs_convolution() -> None:
    entries = [{"conv2d": {"channels": 8, "kernel": 5, "padding": 0}}, {"linear": {"units": "classes"}}]
    net = layers(layers=entries).build((3, 32, 32), Sizing(10))
    assert net.stages[0].output_shape == (8, 28, 28)
    assert net.parameter_count - (8 * 28 * 28 * 10 + 10) == 608


def test_a_network_that_ends_in_pooling_has_no_hidden_units() -> None:
    net = layers(layers=[{"conv2d": {"channels": 4}}, "global_average_pool"]).build((1, 6, 6), Sizing(4))
    assert net.hidden_units == 0


def test_two_norms_at_one_point_keep_names_of_their_own() -> None:
    entries = [{"linear": {"units": 4, "batch_norm": True}}, "batch_norm", {"linear": {"units": "classes"}}]
    net = layers(layers=entries).build((6,), Sizing(3))
    names = [name for name, _ in net.parameters]
    assert len(set(names)) == len(names) == 8


BUDGETS = [
    (("two_layer", "model.max_parameters=154160"), None),
    (("two_layer", "model.max_parameters=154159"), "the network has 154160 parameters, at most 154159 allowed"),
    (("mlp", "model.max_hidden_units=96"), None),
    (("mlp", "model.max_hidden_units=95"), "the network has 96 hidden units, at most 95 allowed"),
]


@pytest.mark.parametrize(("words", "complaint"), BUDGETS)
def test_budgets(words: tuple[str, ...], complaint: str | None) -> None:
    if complaint is None:
        network(*words, shape=(3, 32, 32), sizing=Sizing(10))
        return
    with pytest.raises(ConfigError, match=complaint):
        network(*words, shape=(3, 32, 32), sizing=Sizing(10))


def test_structure_tells_layers_from_numbers() -> None:
    assert network("mlp", "model.dropout=0.1").structure == network("mlp", "model.dropout=0.9").structure
    assert network("mlp").structure != network("mlp", "model.dropout=0.1").structure
    assert network("mlp").structure != network("mlp", "model.activation=tanh").structure
    assert network("extended").structure != network("extended_skips_a").structure
