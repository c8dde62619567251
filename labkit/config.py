"""Typed configuration: value types, errors, constructors, and the keys that a population may vary.

A config node names its constructor with `_target_`. Before `build` calls it, it checks the name against the allow-list
and every keyword against the constructor's annotated signature. So a key's type and range are written once, where the
key is used.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, get_args

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from labkit import own_code
from labkit.shipped import constructors

T = TypeVar("T")
Constructor = Callable[..., Any]
Plain = Mapping[str, Any]  # a resolved configuration, or a group of it: nested plain values by key

Count = Annotated[int, Field(ge=1, strict=True)]
Natural = Annotated[int, Field(ge=0, strict=True)]
Fraction = Annotated[float, Field(ge=0, le=1, strict=True)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
Flag = Annotated[bool, Field(strict=True)]

_MEMBERWISE = "memberwise"
# A number that may differ between the members of one population. Every other key is structural: runs that differ in it
# train in separate populations.
Memberwise = Annotated[T, _MEMBERWISE]

# Raised when a fix changes results: results on both sides of it are different experiments.
NUMERICS_VERSION = 3


class ConfigError(ValueError):
    """A mistake that the user can mend, described in one sentence; the command line ends with exit code 2."""


def plain(node: DictConfig, *, resolve: bool = False) -> dict[str, Any]:
    """Return a node of a composed configuration as plain values by key.

    Args:
        node: Node with keys.
        resolve: True to put values in the place of interpolations; they stay as they are written otherwise.
    """
    found = OmegaConf.to_container(node, resolve=resolve)
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return the clause that ends an error sentence: the nearest valid name, or all of them if none is near."""
    names = sorted(valid)
    if not names:
        return "none is valid here."
    ends = [path for path in names if path.endswith(f".{name}")]  # epochs is meant for trainer.epochs
    close = ends or difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"valid: {', '.join(names)}."


def build(group: str, node: Plain, targets: Iterable[str] = ()) -> Any:
    """Return the object that the node's constructor makes of its keys.

    Args:
        group: Config group, for messages.
        node: Plain values with `_target_`.
        targets: Constructors that the user allows beside labkit's own.

    Raises:
        ConfigError: The target is not allowed, or a key is unknown, missing, of the wrong type or out of range.
    """
    keys = dict(node)
    constructor = _constructor(group, keys.pop("_target_", None), targets)
    valid = checked(group, constructor, keys)
    try:
        return constructor(**valid)
    except SystemExit as left:  # of the user's own code, which must not end a command as if all were well
        raise ConfigError(f"{group}._target_: {node['_target_']!r} calls sys.exit({left.code}).") from left


def _constructor(group: str, target: object, targets: Iterable[str]) -> Constructor:
    """Return the constructor of that name; raise ConfigError if it is not allowed or cannot be imported."""
    if isinstance(target, str) and target in constructors(group):
        return _shipped(target)
    if not isinstance(target, str) or target not in targets:
        raise ConfigError(
            f"{group}._target_: {shown(target)} is not on the list of allowed constructors "
            f"(one of your own also needs the key 'targets'), {nearest(str(target), constructors(group))}"
        )
    try:
        return own_code.load(target)  # type: ignore[no-any-return]
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{group}._target_: {target!r} cannot be imported: {error}.") from None
    except (Exception, SystemExit) as error:  # the user's own module runs here, and may raise anything
        said = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{group}._target_: {target!r} cannot be imported: {said}.") from error


def _shipped(target: str) -> Constructor:
    module, _, name = target.rpartition(".")
    return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]


def memberwise(group: str, target: object) -> frozenset[str]:
    """Return the keys of a group's node that may differ between the members of one population.

    They are marked `Memberwise` in the constructor's signature. The user's own constructors mark nothing: for them the
    marks of all constructors of the group count.

    Args:
        group: Config group.
        target: Value of `_target_` in the node.
    """
    if not isinstance(target, str):
        return frozenset()
    own = target not in constructors(group)
    return frozenset(key for one in (constructors(group) if own else (target,)) for key in _marked(one))


@cache
def _marked(target: str) -> frozenset[str]:
    """Return the keywords of a constructor that are marked `Memberwise`, also inside a union with None."""
    parameters = inspect.signature(_shipped(target), eval_str=True).parameters
    return frozenset(name for name, one in parameters.items() if _MEMBERWISE in _metadata(one.annotation))


def _metadata(annotation: object) -> list[object]:
    """Return the metadata of an annotation and of everything inside it."""
    return [*getattr(annotation, "__metadata__", ()), *(m for one in get_args(annotation) for m in _metadata(one))]


def checked(group: str, constructor: Constructor, keys: Plain) -> dict[str, Any]:
    """Return the keywords with the types of the constructor's signature; raise ConfigError if they do not fit it."""
    schema, fields = _schema(group, constructor)
    try:
        value = schema.model_validate(dict(keys))
    except ValidationError as error:
        raise ConfigError(first_problem(error, group, fields)) from None
    given = {name: getattr(value, name) for name in fields}
    return {**given, **(value.model_extra or {})}


@cache
def _schema(group: str, constructor: Constructor) -> tuple[type[BaseModel], dict[str, Any]]:
    """Return the constructor's signature as a pydantic model, and its fields; cached, for it takes a millisecond."""
    fields: dict[str, Any] = {}
    extra: Literal["forbid", "allow"] = "forbid"
    for name, parameter in inspect.signature(constructor, eval_str=True).parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            extra = "allow"
        else:
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            fields[name] = (parameter.annotation, default)
    return create_model(group, __config__=ConfigDict(extra=extra, arbitrary_types_allowed=True), **fields), fields


def made(kind: type[T], value: object, where: str) -> T:
    """Return a pydantic dataclass made of plain values from a file; raise ConfigError, with `where`, if they misfit."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ConfigError(first_problem(error, where, kind)) from None


def first_problem(error: ValidationError, where: str, valid: Any) -> str:
    """Return one sentence for the first problem that pydantic found: key, value found and value expected.

    Args:
        error: Error of pydantic.
        where: Place of the value in the config.
        valid: Fields by name, or a callable whose parameters are the valid keys.
    """
    names = list(valid if isinstance(valid, Mapping) else inspect.signature(valid).parameters)
    # An unknown key comes first: a misspelt key is also missing under its right name.
    problems = sorted(error.errors(), key=lambda p: p["type"] not in _UNKNOWN)
    first, location = problems[0], problems[0]["loc"]
    if first["type"] in _UNKNOWN:
        return f"{where}: unknown key {str(location[0])!r}, {nearest(str(location[0]), names)}"
    key = ".".join([where, str(location[0])] if location else [where])
    if first["type"] in _MISSING:
        inside = f"; {shown(first['input'])} is too short" if len(location) > 1 else ""
        return f"{key}: a value is needed and none was given{inside}."
    # Of the alternatives of a union, report those that got farthest into the value: they are the ones meant.
    same_key = [p for p in problems if p["loc"][:1] == location[:1]]
    depth = max(len(p["loc"]) for p in same_key)
    told = [p for p in same_key if len(p["loc"]) == depth] if depth > 2 else same_key
    if first["type"] == "dataclass_type":  # the dataclass's name means nothing to the user
        return f"{key}: expected a mapping with {', '.join(names)}, got {shown(first['input'])}."
    # dict.fromkeys drops repeated alternatives and keeps their order.
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


def shown(value: object) -> str:
    """Return a value as the command line writes it: null, true, 0.1, 'text'."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
