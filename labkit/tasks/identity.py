"""When two configurations are the same: the same results, the same cost, the same prepared data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from labkit.config import MEMBERWISE, NUMERICS_VERSION

LATER = ("separator", "decimal", "header")  # keys of data that came later; null is what was done before
LEFT_OUT = ("paths", "tracker", "task", "profile", "targets", "experiment", "sweeps", "objective", "seeds")


def without_places(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without where things lie and come from, what is tracked of them, and the device."""
    aside = {"trainer": ("device",), "data": ("root", "mirror", "download")}
    kept = {key: value for key, value in plain.items() if key not in ("paths", "tracker")}
    return kept | {
        group: {key: value for key, value in kept[group].items() if key not in keys} for group, keys in aside.items()
    }


def config_hash(plain: Mapping[str, Any], data_sha256: str) -> str:
    """SHA-256 of the configuration without paths, tracking and device, the data's hash and the numerics version."""
    kept = {key: value for key, value in without_places(plain).items() if key not in LEFT_OUT}
    trainer, data = kept.pop("trainer"), kept.pop("data")
    data = {key: value for key, value in data.items() if key not in LATER or value is not None}
    # In data a count and a share differ by their spelling (validation: 1 and 1.0), nowhere else.
    text = json.dumps(
        [_one_spelling(kept), _one_spelling(trainer), data, data_sha256, NUMERICS_VERSION], sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()


def shape(plain: Mapping[str, Any], data_sha256: str) -> str:
    """Equal for runs that cost the same: the hash without what may differ between members, and without names."""
    return config_hash(_without_numbers(plain), data_sha256)


def data_key(plain: Mapping[str, Any]) -> str:
    """Equal for configurations that train on the same prepared data."""
    strengths = ("mirror", "shift", "noise")  # of the augmentation, which happens while training
    fitted = {key: value for key, value in plain["preprocess"].items() if key not in strengths}
    return json.dumps([plain["data"], fitted, plain["trainer"].get("precision"), plain["trainer"].get("device")])


def _without_numbers(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without what may differ between the members of a population, and without its names."""
    structural: dict[str, Any] = {}
    for group, value in plain.items():
        if group in MEMBERWISE or group in ("name", "lab", "part", "purpose"):
            continue
        inner = isinstance(value, Mapping)
        structural[group] = {k: v for k, v in value.items() if f"{group}.{k}" not in MEMBERWISE} if inner else value
    return structural


def _one_spelling(value: Any) -> Any:
    """1 and 1.0 as one value."""
    if isinstance(value, Mapping):
        return {key: _one_spelling(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_one_spelling(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
