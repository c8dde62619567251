"""The identity of a configuration: equal hashes for the same results, the same cost, the same prepared data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping

from labkit import own_code
from labkit.config import NUMERICS_VERSION, Plain, memberwise

LATER = ("separator", "decimal", "header")  # keys of data that came later; null is what was done before
LEFT_OUT = ("paths", "tracker", "task", "profile", "targets", "experiment", "sweeps", "objective", "seeds")


def without_places(plain: Plain) -> Plain:
    """Return the configuration without where things lie and come from, what is tracked of them, and the device.

    Where it names constructors of one's own, the versions of their code stand under `code`.
    """
    aside = {"trainer": ("device", "execution"), "data": ("root", "mirror", "download")}
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


def code_versions(plain: Plain) -> own_code.Versions:
    """Return the versions of one's own code that a configuration trains with, by file; none without such code."""
    named = {target for group, value in plain.items() if group not in LEFT_OUT for target in _targets(value)}
    return own_code.versions(sorted(named & {*plain.get("targets", ())}))


def _targets(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("_target_"), str):
            yield value["_target_"]
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _targets(inner)


def config_hash(plain: Plain, data_sha256: str) -> str:
    """Return the SHA-256 of what gives a run its numbers: configuration, own code, data, numerics version."""
    kept = {key: value for key, value in without_places(plain).items() if key not in LEFT_OUT}
    trainer, data = kept.pop("trainer"), kept.pop("data")
    data = {key: value for key, value in data.items() if key not in LATER or value is not None}
    # In data a count and a share differ by their spelling (validation: 1 and 1.0), nowhere else.
    text = json.dumps(
        [_one_spelling(kept), _one_spelling(trainer), data, data_sha256, NUMERICS_VERSION], sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()


def settings_hash(plain: Plain, data_sha256: str) -> str:
    """Return the hash without one's own code, and without data that it makes; empty where there is no such code."""
    if not code_versions(plain):
        return ""
    own_data = plain["data"]["_target_"] in plain["targets"]
    return config_hash({**plain, "targets": []}, "" if own_data else data_sha256)


def shape(plain: Plain, data_sha256: str) -> str:
    """Return a hash that is equal for runs of the same cost: without names, code and member-wise numbers."""
    return config_hash(_without_numbers(plain), data_sha256)


def data_key(plain: Plain) -> str:
    """Return a key that is equal for configurations that train on the same prepared data."""
    strengths = ("mirror", "shift", "noise")  # of the augmentation, which happens while training
    fitted = {key: value for key, value in plain["preprocess"].items() if key not in strengths}
    trainer, code = plain["trainer"], code_versions({"data": plain["data"], "targets": plain["targets"]})
    double = trainer.get("precision") == "float64"  # of the features; all other precisions keep them alike
    return json.dumps([plain["data"], fitted, double, trainer.get("device"), code])


def _without_numbers(plain: Plain) -> Plain:
    """Return the configuration without its names and what may differ between the members of a population."""
    structural: dict[str, object] = {}
    for group, value in plain.items():
        if group in ("seed", "name", "lab", "part", "purpose", "targets"):
            continue
        numbers = memberwise(group, value.get("_target_")) if isinstance(value, Mapping) else ()
        structural[group] = {k: v for k, v in value.items() if k not in numbers} if numbers else value
    return structural


def _one_spelling(value: object) -> object:
    """Return a value in which 1 and 1.0 are one."""
    if isinstance(value, Mapping):
        return {key: _one_spelling(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_one_spelling(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
