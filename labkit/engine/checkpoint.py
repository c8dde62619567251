"""A checkpoint: the state of a training as bytes that show whether they are whole, and from which no code can run.

Three parts: the SHA-256 of the other two as a line of 64 digits, a line of JSON, and NumPy's NPZ without pickles. The
JSON holds facts, which a reader can have without the arrays, and the state with every array named by its
place.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

_VERSION = 1  # of the form
_ARRAY, _TENSOR, _TUPLE = "array", "tensor", "tuple"  # keys that stand for what JSON does not know


class CheckpointError(Exception):
    """Bytes that are no checkpoint, or one that is torn or altered."""


def encode(facts: Mapping[str, Any], state: object) -> bytes:
    """Return a checkpoint.

    Args:
        facts: What JSON can say of the training.
        state: Nested dicts with texts as keys, lists, tuples, tensors, arrays, numbers, texts and None.

    Raises:
        TypeError: The state holds something else.
    """
    arrays: list[np.ndarray] = []
    text = json.dumps({"version": _VERSION, "facts": dict(facts), "state": _packed(state, arrays)})
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{str(i): array for i, array in enumerate(arrays)})
    content = text.encode() + b"\n" + buffer.getvalue()
    return hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def decode(content: bytes) -> tuple[dict[str, Any], Any]:
    """Return the facts and the state of a checkpoint; raise CheckpointError unless every byte is as it was written."""
    told, _, rest = content.partition(b"\n")
    if told != hashlib.sha256(rest).hexdigest().encode():
        raise CheckpointError("its content does not have the SHA-256 that its first line says: torn or altered")
    text, _, stored = rest.partition(b"\n")
    try:
        said = json.loads(text)
        if said["version"] != _VERSION:
            raise CheckpointError(f"it was written by another labkit, in form {said['version']} of checkpoints")
        with np.load(io.BytesIO(stored), allow_pickle=False) as found:
            arrays = [found[str(i)] for i in range(len(found.files))]
        return said["facts"], _unpacked(said["state"], arrays)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise CheckpointError(f"its content is no checkpoint of this version: {error}") from None


def _packed(value: object, arrays: list[np.ndarray]) -> object:
    """Return a value that JSON knows, with arrays put aside."""
    if isinstance(value, Tensor):
        arrays.append(value.detach().cpu().numpy())
        return {_TENSOR: len(arrays) - 1}
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {_ARRAY: len(arrays) - 1}
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"a checkpoint holds texts as keys, found {sorted(map(type, value), key=str)}")
        # In a dict of its own, so that no key of the state is taken for one of ours.
        return {"dict": {key: _packed(inner, arrays) for key, inner in value.items()}}
    if isinstance(value, tuple):
        return {_TUPLE: [_packed(inner, arrays) for inner in value]}
    if isinstance(value, list):
        return [_packed(inner, arrays) for inner in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a checkpoint cannot hold {type(value).__name__}")


def _unpacked(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_unpacked(inner, arrays) for inner in value]
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == _TENSOR:
        return torch.from_numpy(arrays[inner])
    if kind == _ARRAY:
        return arrays[inner]
    if kind == _TUPLE:
        return tuple(_unpacked(each, arrays) for each in inner)
    return {key: _unpacked(each, arrays) for key, each in inner.items()}
