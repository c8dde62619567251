"""When two configurations are the same: the same results, the same cost, the same prepared data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from labkit import own_code
from labkit.config import NUMERICS_VERSION, memberwise

LATER = ("separator", "decimal", "header")  # keys of data that came later; null is what was done before
LEFT_OUT = ("paths", "tracker", "task", "profile", "targets", "experiment", "sweeps", "objective", "seeds")


def without_places(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without where things lie and come from, what is tracked of them, and the device.

    Where it names constructors of one's own, the versions of their code stand under `code`.
    """
    aside = {"trainer": ("device",), "data": ("root", "mirror", "download")}
    kept = {key: value for key, value in plain.items() if key not in ("paths", "tracker")}
    code = code_versions(plain)
    return (
        kept
        | {
            group: {key: value for key, value in kept[group].items() if key not in keys}
            for group, keys in aside.items()
        }
        | ({"code": code} if code else {})
    )


def code_versions(plain: Mapping[str, Any]) -> own_code.Versions:
    """The versions of one's own code that a configuration trains with, by file; none for labkit's parts alone."""
    named = {target for group, value in plain.items() if group not in LEFT_OUT for target in _targets(value)}
    return own_code.versions(sorted(named & {*plain.get("targets", ())}))


def _targets(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("_target_"), str):
            yield value["_target_"]
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _targets(inner)


def config_hash(plain: Mapping[str, Any], data_sha256: str) -> str:
    """SHA-256 of what gives a run its numbers: configuration, own code, data and numerics version; no places."""
    kept = {key: value for key, value in without_places(plain).items() if key not in LEFT_OUT}
    trainer, data = kept.pop("trainer"), kept.pop("data")
    data = {key: value for key, value in data.items() if key not in LATER or value is not None}
    # In data a count and a share differ by their spelling (validation: 1 and 1.0), nowhere else.
    text = json.dumps(
        [_one_spelling(kept), _one_spelling(trainer), data, data_sha256, NUMERICS_VERSION], sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()


def settings_hash(plain: Mapping[str, Any], data_sha256: str) -> str:
    """The hash without one's own code, and without the data where that code makes them; empty where there is none."""
    if not code_versions(plain):
        return ""
    own_data = plain["data"]["_target_"] in plain["targets"]
    return config_hash({**plain, "targets": []}, "" if own_data else data_sha256)


def shape(plain: Mapping[str, Any], data_sha256: str) -> str:
    """Equal for runs that cost the same: the hash without what may differ between members, without names and code."""
    return config_hash(_without_numbers(plain), data_sha256)


def data_key(plain: Mapping[str, Any]) -> str:
    """Equal for configurations that train on the same prepared data."""
    strengths = ("mirror", "shift", "noise")  # of the augmentation, which happens while training
    fitted = {key: value for key, value in plain["preprocess"].items() if key not in strengths}
    trainer, code = plain["trainer"], code_versions({"data": plain["data"], "targets": plain["targets"]})
    return json.dumps([plain["data"], fitted, trainer.get("precision"), trainer.get("device"), code])


def _without_numbers(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without what may differ between the members of a population, and without its names."""
    structural: dict[str, Any] = {}
    for group, value in plain.items():
        if group in ("seed", "name", "lab", "part", "purpose", "targets"):
            continue
        numbers = memberwise(group, value.get("_target_")) if isinstance(value, Mapping) else ()
        structural[group] = {k: v for k, v in value.items() if k not in numbers} if numbers else value
    return structural


def _one_spelling(value: Any) -> Any:
    """1 and 1.0 as one value."""
    if isinstance(value, Mapping):
        return {key: _one_spelling(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_one_spelling(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
