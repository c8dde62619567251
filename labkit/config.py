"""Typed configuration: value types, errors, constructors and which keys a population may vary.

A config node names its constructor with `_target_`; `build` checks the name against the allow-list and every keyword
against the constructor's annotated signature before calling it, so a key's type and range are written once: where it
is used.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from labkit import own_code

T = TypeVar("T")

Count = Annotated[int, Field(ge=1, strict=True)]
Natural = Annotated[int, Field(ge=0, strict=True)]
Fraction = Annotated[float, Field(ge=0, le=1, strict=True)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
Flag = Annotated[bool, Field(strict=True)]

# Group -> module -> constructors. Nothing else can be named by `_target_`, but for what `targets` adds.
CONSTRUCTORS: dict[str, dict[str, tuple[str, ...]]] = {
    "data": {
        "labkit.data.idx": ("mnist", "fashion_mnist"),
        "labkit.data.cifar": ("cifar10", "cifar100"),
        "labkit.data.mat": ("swissroll", "peaks", "gmm"),
        "labkit.data.wav": ("fsdd",),
        "labkit.data.text": ("names",),
        "labkit.data.table": ("table",),
        "labkit.data.images": ("images",),
        "labkit.data.digits": ("digits",),
        "labkit.data.planar": ("spirals", "swissroll_generated", "peaks_generated"),
        "labkit.data.circle": ("circle",),
        "labkit.data.gmm": ("gmm_generated",),
        "labkit.data.cluttered_digits": ("cluttered_digits",),
        "labkit.data.tones": ("tones",),
        "labkit.data.syllables": ("syllables",),
    },
    "preprocess": {"labkit.preprocess.prepare": ("Preprocess",)},
    "model": {"labkit.models.network": ("layers",)},
    "init": {"labkit.nn.initialise": ("zero", "normal", "scaled_normal", "glorot", "glorot_sigmoid", "he")},
    "loss": {"labkit.nn.loss": ("CrossEntropy",)},
    "optimizer": {"labkit.optim.rules": ("sgd", "momentum", "nesterov", "adam", "adamw", "lion", "rmsprop")},
    "schedule": {"labkit.optim.schedules": ("constant", "cyclic", "linear_decay", "cosine", "range_test")},
    "strategy": {"labkit.optim.strategies": ("together", "alternating", "layer_by_layer", "weighted")},
    "trainer": {"labkit.engine.trainer": ("Trainer",)},
    "tracker": {"labkit.tracking.settings": ("Tracking",)},
    "paths": {"labkit.tracking.settings": ("Paths",)},
    "task": {
        "labkit.tasks.train": ("train",),
        "labkit.tasks.info": ("info",),
        "labkit.tasks.compare": ("compare",),
        "labkit.tasks.check": ("check",),
        "labkit.tasks.principles": ("principles",),
        "labkit.tasks.ui": ("ui",),
        "labkit.tasks.lab": ("lab",),
        "labkit.tasks.report": ("report",),
    },
}

# Numbers that may differ between the members of one population; every other key is structural and splits groups.
MEMBERWISE = frozenset(
    {
        "seed",
        "init.gain",
        "loss.l2",
        "model.dropout",
        "optimizer.lr",
        "optimizer.momentum",
        "optimizer.weight_decay",
        "optimizer.beta1",
        "optimizer.beta2",
        "optimizer.epsilon",
        "optimizer.decay",
        "preprocess.mirror",
        "preprocess.shift",
        "preprocess.noise",
        "schedule.lr_min",
        "schedule.lr_max",
        "schedule.lr_end",
        "schedule.peak_decay",
    }
)

# Raised when a fix changes results: results on both sides of it are different experiments.
NUMERICS_VERSION = 1


class ConfigError(ValueError):
    """Something the user can mend, said in one sentence; the command line ends with exit code 2."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """The clause that ends an error sentence: the nearest valid name, or all of them when none is near."""
    names = sorted(valid)
    if not names:
        return "none is valid here."
    ends = [path for path in names if path.endswith(f".{name}")]  # epochs is at home in trainer.epochs
    close = ends or difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"valid: {', '.join(names)}."


def build(group: str, node: Mapping[str, Any], targets: Iterable[str] = ()) -> Any:
    """What the node's constructor returns.

    Args:
        group: the config group, for messages.
        node: plain values with `_target_`.
        targets: constructors the user allows beside labkit's own.

    Raises:
        ConfigError: the target is not allowed, or a key is unknown, missing, of the wrong type or out of range.
    """
    keys = dict(node)
    constructor = _constructor(group, keys.pop("_target_", None), targets)
    return constructor(**checked(group, constructor, keys))


def _constructor(group: str, target: Any, targets: Iterable[str]) -> Callable[..., Any]:
    own = [f"{module}.{name}" for module, names in CONSTRUCTORS.get(group, {}).items() for name in names]
    if target not in own and target not in targets:
        raise ConfigError(
            f"{group}._target_: {shown(target)} is not on the list of allowed constructors "
            f"(one of your own also needs the key 'targets'), {nearest(str(target), own)}"
        )
    if target in own:
        module, _, name = target.rpartition(".")
        return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]
    try:
        return own_code.load(target)  # type: ignore[no-any-return]
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{group}._target_: {target!r} cannot be imported: {error}.") from None
    except Exception as error:  # whatever happens while a module of the user's own is executed
        said = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{group}._target_: {target!r} cannot be imported: {said}.") from error


def checked(group: str, constructor: Callable[..., Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords with the types of the constructor's signature; raises ConfigError."""
    schema, fields = _schema(group, constructor)
    try:
        value = schema.model_validate(dict(keys))
    except ValidationError as error:
        raise ConfigError(first_problem(error, group, fields)) from None
    given = {name: getattr(value, name) for name in fields}
    return {**given, **(value.model_extra or {})}


@cache
def _schema(group: str, constructor: Callable[..., Any]) -> tuple[type[BaseModel], dict[str, Any]]:
    """The constructor's signature as a model of pydantic's, and its fields; made once, it costs a millisecond."""
    fields: dict[str, Any] = {}
    extra: Literal["forbid", "allow"] = "forbid"
    for name, parameter in inspect.signature(constructor, eval_str=True).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            extra = "allow"
        else:
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            fields[name] = (parameter.annotation, default)
    return create_model(group, __config__=ConfigDict(extra=extra, arbitrary_types_allowed=True), **fields), fields


def made(kind: type[T], value: Any, where: str) -> T:
    """A dataclass of pydantic's from plain values out of a file; raises ConfigError, which says `where`."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ConfigError(first_problem(error, where, kind)) from None


def first_problem(error: ValidationError, where: str, valid: Any) -> str:
    """One sentence for the first thing pydantic found: key, what came, what was expected."""
    names = list(valid if isinstance(valid, Mapping) else inspect.signature(valid).parameters)
    # An unknown key first: where a key is misspelt, it is also missing.
    problems = sorted(error.errors(), key=lambda p: p["type"] not in _UNKNOWN)
    first, location = problems[0], problems[0]["loc"]
    if first["type"] in _UNKNOWN:
        return f"{where}: unknown key {str(location[0])!r}, {nearest(str(location[0]), names)}"
    key = ".".join([where, str(location[0])] if location else [where])
    if first["type"] in _MISSING:
        inside = f"; {shown(first['input'])} is too short" if len(location) > 1 else ""
        return f"{key}: a value is needed and none was given{inside}."
    # Of the alternatives of a union the ones that got farthest into the value meant it.
    same_key = [p for p in problems if p["loc"][:1] == location[:1]]
    depth = max(len(p["loc"]) for p in same_key)
    told = [p for p in same_key if len(p["loc"]) == depth] if depth > 2 else same_key
    if first["type"] == "dataclass_type":  # its name says nothing to who writes the file
        return f"{key}: expected a mapping with {', '.join(names)}, got {shown(first['input'])}."
    expected = " or ".join(dict.fromkeys(_expected(p["msg"]) for p in told))
    return f"{key}: expected {expected}, got {shown(told[0]['input'])}."


_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_MISSING = ("missing", "missing_argument", "missing_keyword_only_argument")
_WORDS = {  # pydantic's wording -> ours
    "Input should be ": "",
    "Input is not a valid path for <class 'pathlib.Path'>": "a path",
    "Value error, ": "",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
    "greater than": "more than",
    "a valid number": "a number",
    "a valid integer": "a whole number",
    "a valid string": "a text",
    "a valid boolean": "true or false",
    "a valid list": "a list",
    "a valid dictionary": "a mapping",
    "List should have ": "",
    " after validation, not 0": "",
}


def _expected(message: str) -> str:
    for theirs, ours in _WORDS.items():
        message = message.replace(theirs, ours)
    return message


def shown(value: Any) -> str:
    """A value as the command line writes it: null, true, 0.1, 'text'."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
