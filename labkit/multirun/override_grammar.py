"""The words of a sweep: what they stand for in Hydra's override grammar, and one sentence where it has no jobs."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from hydra.core.config_loader import ConfigLoader
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, RangeSweep, Sweep, Transformer
from hydra.errors import HydraException

from labkit.compose import ALONE, explain
from labkit.config import ConfigError, nearest
from labkit.limits import MOST_VALUES


def parse_words(words: Sequence[str], loader: ConfigLoader | None = None) -> list[Override]:
    """The words as overrides, each of which stands for at least one value.

    Args:
        words: Words of the command line, or made of a sweep file's `params`.
        loader: Hydra's, which knows the options that a `glob` selects from.

    Raises:
        ConfigError: a word cannot be read, or it is a sweep without a value.
    """
    try:
        overrides: list[Override] = OverridesParser.create(loader).parse_overrides(list(words))
    except HydraException as error:
        raise ConfigError(explain(error, words)) from None
    for override in overrides:
        _check(override)
    return overrides


def listed_values(override: Override) -> list[str]:
    """The values of a sweep that can be listed, as words, in the order in which they are written."""
    value = override._value
    if isinstance(value, RangeSweep):
        return [repr(step) for step in steps(value)]
    if isinstance(value, ChoiceSweep):
        return [Transformer.str(choice) for choice in value.list]
    return list(override.sweep_string_iterator())


def drawn(override: Override) -> list[str]:
    """The same, in the order in which the jobs run: `shuffle` takes another each time."""
    found = listed_values(override)
    if getattr(override._value, "shuffle", False):
        random.shuffle(found)
    return found


def steps(value: RangeSweep) -> list[int] | list[float]:
    """The numbers of a range, which ends before its stop, counted in the decimals that were written.

    Hydra counts in binary: its `range(0.1,0.4,0.1)` has 0.4 too.
    """
    assert value.start is not None
    assert value.stop is not None
    if all(isinstance(number, int) for number in (value.start, value.stop, value.step)):
        return list(range(int(value.start), int(value.stop), int(value.step)))
    start, stop, step = _decimals(value)
    return [float(start + i * step) for i in range(math.ceil((stop - start) / step))]


def _decimals(value: RangeSweep) -> list[Decimal]:
    """Start, stop and step of a range as they were written."""
    return [Decimal(repr(number)) for number in (value.start, value.stop, value.step)]


def _check(override: Override) -> None:
    value, line = override._value, override.input_line
    if any(isinstance(inner, Sweep | Glob) for inner in _inside(value)):
        raise ConfigError(f"{line}: {ALONE}")
    if isinstance(value, RangeSweep):
        _check_range(value, str(line))
    if isinstance(value, Glob) and not listed_values(override):
        assert override.config_loader is not None
        group = override.key_or_group
        options = override.config_loader.get_group_options(group, results_filter=ObjectType.CONFIG)
        if not options:
            raise ConfigError(f"{line}: a glob selects options of a group, and {group} is none.")
        raise ConfigError(f"{line}: no option of {group} matches, {nearest(', '.join(value.include), options)}")


def _check_range(value: RangeSweep, line: str) -> None:
    if not all(number.is_finite() for number in _decimals(value)):
        raise ConfigError(f"{line}: a range needs finite numbers.")
    if value.step == 0:
        raise ConfigError(f"{line}: a range needs a step other than 0, such as 1 or -0.1.")
    start, stop, step = _decimals(value)
    if (stop - start) / step > MOST_VALUES:
        raise ConfigError(f"{line}: a range of more than {MOST_VALUES:,} values.")
    if not steps(value):
        raise ConfigError(
            f"{line}: the range is empty; from {value.start} in steps of {value.step} nothing is before {value.stop}."
        )
    if "sort(" in line and (stop - start) % step != 0:  # Hydra turns it round from the stop, which is no number of it
        raise ConfigError(f"{line}: Hydra sorts this range into numbers that are not its own; write them as a choice.")


def _inside(value: object) -> Iterator[object]:
    """Yield everything that a value holds, at any depth."""
    inner: Iterable[object] = ()
    if isinstance(value, ChoiceSweep):
        inner = value.list
    elif isinstance(value, list):
        inner = value
    elif isinstance(value, dict):
        inner = value.values()
    for one in inner:
        yield one
        yield from _inside(one)
