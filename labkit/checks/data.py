"""A hundred embedded training examples for any model: digits, sounds or words, float64."""

from __future__ import annotations

from functools import cache

import torch

from labkit.data.dataset import Dataset
from labkit.data.digits import digits
from labkit.data.syllables import syllables
from labkit.data.tones import tones
from labkit.models.network import Model
from labkit.preprocess.prepare import Parts, Preprocess, prepare
from labkit.preprocess.split import split

EXAMPLES = 100


def small_parts(model: Model) -> Parts:
    """Return syllables for a model with an embedding, tones for one with one-dimensional convolutions, else digits.

    A model for several kinds of data gets the kind that it names first.
    """
    first = next(iter(model.variants.values()))
    kinds = {entry if isinstance(entry, str) else next(iter(entry)) for entry in first.layers}
    return _parts("embedding" if "embedding" in kinds else "conv1d" if "conv1d" in kinds else "")


@cache
def _parts(kind: str) -> Parts:
    stored: Dataset
    if kind == "embedding":
        stored = syllables(samples=200)
    else:
        stored = tones(samples=200, length=300) if kind == "conv1d" else digits()
    indices = split(stored, validation=0.1, test=0.1, train_size=EXAMPLES)
    return prepare(stored, indices, Preprocess(), torch.float64)
