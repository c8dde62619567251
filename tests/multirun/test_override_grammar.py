"""What the words of a sweep stand for: ranges as they are written, lists of a file as lists of the command line."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import QuotedString, RangeSweep
from hypothesis import given
from hypothesis import strategies as st

from labkit.compose import compose
from labkit.config import ConfigError
from labkit.multirun import space_grammar
from labkit.multirun.composer import grid
from labkit.multirun.foreign_sweep import spell_out
from labkit.multirun.override_grammar import parse_words, steps
from labkit.multirun.sweeper_settings import sweep_overrides
from labkit.words import quoted


def read(word: str) -> Any:
    """The value of a word, by Hydra's own parser."""
    (override,) = parse_words([word])
    return _plain(override.value())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.text if isinstance(value, QuotedString) else value


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("range(4)", [0, 1, 2, 3]),
        ("range(5,1,-2)", [5, 3]),
        ("range(0.1,0.4,0.1)", [0.1, 0.2, 0.3]),
        ("range(0.4,0.1,-0.1)", [0.4, 0.3, 0.2]),
        ("range(0.1,0.35,0.1)", [0.1, 0.2, 0.3]),
        ("range(1e-3,4e-3,1e-3)", [0.001, 0.002, 0.003]),
        ("float(range(1,4))", [1.0, 2.0, 3.0]),
        ("sort(range(4),reverse=true)", [3, 2, 1, 0]),
        ("sort(range(3,0,-1))", [1, 2, 3]),
        ("sort(3,1,2)", [1, 2, 3]),
    ],
)
def test_a_range_ends_before_its_stop_in_the_decimals_written(word: str, values: list[float]) -> None:
    found = [read(row[0]) for row in grid(parse_words([f"a={word}"]))]
    assert found == values
    assert list(map(type, found)) == list(map(type, values))


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-20, 20).filter(bool), st.sampled_from([10, 100, 1000]))
def test_a_decimal_range_has_as_many_numbers_as_the_range_of_its_numerators(a: int, b: int, c: int, unit: int) -> None:
    found = steps(RangeSweep(start=a / unit, stop=b / unit, step=c / unit))
    assert found == [float(Fraction(number, unit)) for number in range(a, b, c)]


def test_a_shuffled_range_has_the_same_numbers_and_a_search_the_same_space() -> None:
    (override,) = parse_words(["a=shuffle(range(0,1,0.1))"])
    assert sorted(read(row[0]) for row in grid([override])) == [float(Fraction(n, 10)) for n in range(10)]
    first, again = (space_grammar.dimension(parse_words(["a=shuffle(1,2,3,4,5,6,7,8)"])[0], {}) for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("range(5,1)", "a=range(5,1): the range is empty"),
        ("range(1,3,-1)", "the range is empty"),
        ("range(1,3,0)", "a step other than 0"),
        ("range(0.1,0.3,0.0)", "a step other than 0"),
        ("range(0,inf)", "finite numbers"),
        ("sort(range(0,10,3),reverse=true)", "numbers that are not its own"),  # 7, 4, 1, -2
        ("sort(range(0.1,0.4,0.1),reverse=true)", "numbers that are not its own"),  # 0.30000000000000004, ...
        ("choice(0.1,0.2),0.3", r"a=choice\(0.1,0.2\),0.3: .* stands alone"),
        ("range(3),7", "stands alone"),
        ("[choice(1,2)]", "stands alone"),
        ("{b: range(3)}", "stands alone"),
        ("choice(null,0.2)", r"choice\(\) takes no null, .*: a=null,0.2\."),
        ("choice()", "empty choice"),
        ("range(null)", "cannot take null as its start"),
        ("chioce(1,2)", "did you mean 'choice'"),
    ],
)
def test_a_word_without_values_is_refused_by_its_name(word: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("range(5,1)", r"range\(5,1\)")):
        parse_words([f"a={word}"])


CHOICES = {
    "[[16], [8, 8]]": [[16], [8, 8]],
    '["a,b", "c"]': ["a,b", "c"],
    "[null, 0.2, true, x]": [None, 0.2, True, "x"],
    '["null", "true", "0.1", "it\'s", "a: b", "[1]"]': ["null", "true", "0.1", "it's", "a: b", "[1]"],
    "[{linear_1: 0.1}, 0.2]": [{"linear_1": 0.1}, 0.2],
    "[1e-4, 10, -1.5]": [1e-4, 10, -1.5],
    "[[[1, 2], [3, 4]], []]": [[[1, 2], [3, 4]], []],
    "[only]": ["only"],
    "{linear_1: 0.1, linear_2: [1, 'a,b']}": [{"linear_1": 0.1, "linear_2": [1, "a,b"]}],
    "16,8": [16, 8],
    "choice([16],[8,8])": [[16], [8, 8]],
    "\"'a,b',c\"": ["a,b", "c"],
    "0.5": [0.5],
    "false": [False],
}


@pytest.mark.parametrize("sweeper", ["grid", "basic", "optuna"])
@pytest.mark.parametrize("text", CHOICES)
def test_a_list_of_a_file_is_a_choice_between_its_elements(text: str, sweeper: str, tmp_path: Path) -> None:
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "own.yaml").write_text(
        f"# @package _global_\ndefaults:\n  - override /hydra/sweeper: {sweeper}\n"
        f"hydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      name: {text}\n"
    )
    config = compose([f"hydra.searchpath=[{tmp_path}]", "sweeps=own"])
    overrides = sweep_overrides(config, [], None)
    if sweeper == "basic":
        spell_out(config, overrides)
        assert not config.hydra.sweeper.params
        words = [tuple(job) for job in BasicSweeper.split_arguments(parse_words(config.hydra.overrides.task), None)[0]]
    elif sweeper == "optuna" and len(CHOICES[text]) > 1:
        (dimension,) = space_grammar.space(overrides, {}).dimensions
        words = [(f"name={choice}",) for choice in dimension.choices or ()]
    else:
        words = grid(overrides)
    assert [read(row[0]) for row in words] == CHOICES[text]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False) | st.text("ab, :'\"[]{}()=1"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", min_size=1), inner, max_size=2),
    max_leaves=4,
)


@given(st.lists(VALUES, min_size=2, max_size=4))
def test_every_element_of_a_list_is_quoted(values: list[Any]) -> None:
    (override,) = parse_words([f"a={','.join(map(quoted, values))}"])
    assert [read(row[0]) for row in grid([override])] == values


def test_an_empty_list_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "own.yaml").write_text(
        "# @package _global_\nhydra:\n  sweeper:\n    params:\n      optimizer.lr: []\n"
    )
    config = compose([f"hydra.searchpath=[{tmp_path}]", "sweeps=own"])
    with pytest.raises(ConfigError, match=r"hydra.sweeper.params: optimizer.lr: an empty list leaves no job\."):
        sweep_overrides(config, [], None)
