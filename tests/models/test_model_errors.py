"""What a model file can get wrong, each said in one sentence that names the place and the way out.

It also covers entries.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from labkit.config import ConfigError, build
from labkit.models.entries import Sizing
from labkit.models.network import layers

OUT = {"linear": {"units": "classes"}}
VECTOR, SOUND, IMAGE = (8,), (1, 20), (1, 8, 8)

# layers, further keys, sample, what the sentence must say
WRONG: list[tuple[list[Any], dict[str, Any], tuple[int, ...], tuple[str, ...]]] = [
    ([{"linaer": {"units": 3}}], {}, VECTOR, ("layers[0]", "'linaer'", "did you mean 'linear'?")),
    ([OUT, "flattn"], {}, VECTOR, ("layers[1]", "'flattn'", "did you mean 'flatten'?")),
    ([3], {}, VECTOR, ("layers[0]", "got 3")),
    ([{"linear": {"units": 3}, "flatten": {}}], {}, VECTOR, ("layers[0]", "expected a layer")),
    ([{"linear": {"units": 3, "actvation": "relu"}}], {}, VECTOR, ("'actvation'", "did you mean 'activation'?")),
    ([{"conv2d": {"channels": 3, "padd": 1}}], {}, IMAGE, ("layers[0].conv2d", "'padd'", "'padding'")),
    ([{"linear": {}}], {}, VECTOR, ("layers[0].linear.units", "a value is needed")),
    (["linear"], {}, VECTOR, ("layers[0].linear.units", "a value is needed")),
    ([{"linear": {"units": "many"}}], {}, VECTOR, ("linear.units", "'classes'", "'many'")),
    ([{"linear": {"units": -1}}], {}, VECTOR, ("linear.units", "at least 1", "-1")),
    ([{"linear": {"units": 2.5}}], {}, VECTOR, ("linear.units", "2.5")),
    ([{"linear": {"units": True}}], {}, VECTOR, ("linear.units", "got ")),
    ([{"linear": {"units": 3, "bias": "no"}}], {}, VECTOR, ("linear.bias", "true or false", "'no'")),
    ([{"linear": {"units": 3, "dropout": 1.5}}], {}, VECTOR, ("linear.dropout", "at most 1", "1.5")),
    ([{"dropout": {"p": -0.1}}], {}, VECTOR, ("dropout.p", "at least 0", "-0.1")),
    ([{"conv2d": {"channels": 3, "downsample": "half"}}], {}, IMAGE, ("downsample", "'stride'", "'half'")),
    ([{"linear": {"units": 3, "activation": "rleu"}}], {}, VECTOR, ("'rleu'", "did you mean 'relu'?")),
    ([{"activation": {"function": "tnah"}}], {}, VECTOR, ("'tnah'", "did you mean 'tanh'?")),
    ([OUT], {"activation": "sigmod"}, VECTOR, ("model.activation", "'sigmod'", "did you mean 'sigmoid'?")),
    ([{"linear": {"units": 4}}], {}, VECTOR, ("gives (4,)", "expected (3,)", "one per class")),
    ([], {}, VECTOR, ("no layer has parameters",)),
    (["flatten"], {}, VECTOR, ("no layer has parameters",)),
    ([{"conv2d": {"channels": 3}}, OUT], {}, VECTOR, ("conv2d", "(channels, height, width)", "got (8,)")),
    ([{"conv1d": {"channels": 3}}, OUT], {}, IMAGE, ("conv1d", "(channels, length)", "got (1, 8, 8)")),
    ([{"conv2d": {"channels": 3, "kernel": 9, "padding": 0}}, OUT], {}, IMAGE, ("kernel 9", "does not fit")),
    ([{"max_pool2d": {"kernel": 9}}, OUT], {}, IMAGE, ("max_pool2d", "at least 9", "got (1, 8, 8)")),
    ([{"average_pool1d": {"stride": 0}}, OUT], {}, SOUND, ("average_pool1d.stride", "got 0")),
    (["global_average_pool", OUT], {}, VECTOR, ("global_average_pool", "got (8,)")),
    ([{"rnn": {"units": 3}}], {}, VECTOR, ("rnn", "(length, features)", "got (8,)")),
    ([{"embedding": {"size": 3}}], {}, VECTOR, ("embedding needs texts", "data=names")),
    ([{"linear": {"units": 8}}, OUT], {"skips": [(1, 1)]}, VECTOR, ("[1, 1]", "0 <= a < b <= 2")),
    ([{"linear": {"units": 8}}, OUT], {"skips": [(2, 1)]}, VECTOR, ("[2, 1]", "0 <= a < b <= 2")),
    ([{"linear": {"units": 8}}, OUT], {"skips": [(0, 3)]}, VECTOR, ("[0, 3]", "0 <= a < b <= 2")),
    ([{"linear": {"units": 7}}, OUT], {"skips": [(0, 1)]}, VECTOR, ("[0, 1]", "(8,)", "(7,)", "one shape")),
    ([{"conv2d": {"channels": 1, "kernel": 2}}, OUT], {"skips": [(0, 1)]}, IMAGE, ("(1, 8, 8)", "(1, 7, 7)")),
    ([OUT], {"max_parameters": 26}, VECTOR, ("max_parameters", "27 parameters", "at most 26")),
]


@pytest.mark.parametrize(("entries", "keys", "shape", "words"), WRONG)
def test_one_sentence_says_it(
    entries: list[Any], keys: dict[str, Any], shape: tuple[int, ...], words: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        layers(layers=entries, **keys).build(shape, Sizing(3))
    sentence = str(caught.value)
    assert sentence.startswith("model")
    assert "\n" not in sentence
    for word in words:
        assert word in sentence


@pytest.mark.parametrize(
    "entries",
    [
        [{"linear": {"units": "classes"}}],
        [{"linear": {"units": 4}}, {"embedding": {"size": 3}}, {"rnn": {"units": 3}}],
        [{"dropout": {"p": 0.5}}, {"embedding": {"size": 3}}, {"rnn": {"units": 3}}],
    ],
)
def test_texts_need_an_embedding_first(entries: list[Any]) -> None:
    with pytest.raises(ConfigError, match=r"an embedding as the first layer .* model=char_rnn"):
        layers(layers=entries).build((9,), Sizing(3, tokens=20))


MODEL = {"_target_": "labkit.models.network.layers", "layers": [OUT]}
KEYS = [
    ({"skips": [[0, -1]]}, "model.skips"),
    ({"skips": [[0, 1.5]]}, "model.skips"),
    ({"layers": 3}, "model.layers"),
    ({"layers": {"image": 3}}, "model.layers"),
    ({"activation": 3}, "model.activation"),
    ({"max_parameters": 0}, "model.max_parameters"),
    ({"max_hidden_units": "few"}, "model.max_hidden_units"),
]


@pytest.mark.parametrize(("keys", "where"), KEYS)
def test_keys_of_the_group_are_typed(keys: dict[str, Any], where: str) -> None:
    with pytest.raises(ConfigError, match=f"^{where}: expected "):
        build("model", MODEL | keys)
