"""Override words, `key=value`: values written so that Hydra reads them back, and words that replace others."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hydra._internal.grammar.utils import escape_special_characters
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from omegaconf import DictConfig, OmegaConf

Words = tuple[str, ...]
_WORDS = ("null", "true", "false", "nan", "inf")  # texts that the grammar reads as something else without quotes


def hydra_words(hydra: DictConfig, kind: str = "task") -> list[str]:
    """Return the override words behind a composed configuration, not resolved: they may speak of a job to come.

    Args:
        hydra: Hydra's node of the configuration.
        kind: `task` for words of labkit's keys, `hydra` for words of Hydra's own.
    """
    words = OmegaConf.to_container(hydra.overrides[kind], resolve=False)
    assert isinstance(words, list)
    return [str(one) for one in words]


def word(key: str, value: object) -> str:
    """Return `key=value`, written so that Hydra's grammar reads the same value back, whatever it holds."""
    return f"{key}={quoted(value)}"


def quoted(value: object) -> str:
    """Return a value as text that Hydra's grammar reads back as the same value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(quoted(inner) for inner in value)}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{_dict_key(key)}: {quoted(inner)}" for key, inner in value.items()) + "}"
    text = str(value)
    plain = re.fullmatch(r"[A-Za-z_][\w./-]*", text) and text.lower() not in _WORDS
    return text if plain else QuotedString(text, Quote.single).with_quotes()


def _dict_key(key: object) -> str:
    """Return a key of a mapping as text; the grammar allows no quotes there, so special characters are escaped."""
    return escape_special_characters(key) if isinstance(key, str) else quoted(key)


def merged(*rows: Iterable[str]) -> Words:
    """Return the words of several rows as one row; a later word of a key takes the place of an earlier one."""
    parser = OverridesParser.create()
    found: dict[str, str] = {}
    for override in parser.parse_overrides([word for row in rows for word in row]):
        found[override.get_key_element().lstrip("+")] = str(override.input_line)
    return tuple(found.values())
