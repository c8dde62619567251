"""Typed configuration: what a constructor accepts, and the sentences for what it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from labkit.config import (
    ConfigError,
    Count,
    Flag,
    Fraction,
    Natural,
    NonNegative,
    Positive,
    build,
    checked,
    nearest,
    shown,
)
from labkit.shipped import constructors, groups


def maker(
    *,
    count: Count = 1,
    natural: Natural = 0,
    fraction: Fraction = 0.5,
    rate: NonNegative = 0.1,
    positive: Positive = 1.0,
    flag: Flag = False,
    kind: Literal["a", "b"] = "a",
    path: Path = Path(),
    either: Natural | Fraction = 0.1,
    each: NonNegative | dict[str, NonNegative] = 0.0,
    pairs: list[tuple[Natural, Count]] = [],  # noqa: B006  (read only)
    maybe: Count | None = None,
) -> None:
    """A constructor with a key of every type."""


ACCEPTED: list[tuple[str, Any, Any]] = [
    ("count", 3, 3),
    ("natural", 0, 0),
    ("fraction", 1, 1.0),  # a whole number where a share is wanted
    ("rate", 0, 0.0),
    ("positive", 1e-300, 1e-300),
    ("flag", True, True),
    ("kind", "b", "b"),
    ("path", "~/x", Path("~/x")),
    ("either", 5, 5),
    ("either", 0.5, 0.5),
    ("each", {"linear_1": 1}, {"linear_1": 1.0}),
    ("pairs", [[0, 1], [2, 3]], [(0, 1), (2, 3)]),
    ("maybe", None, None),
]


@pytest.mark.parametrize(("key", "given", "wanted"), ACCEPTED)
def test_a_value_of_the_right_type_is_taken(key: str, given: Any, wanted: Any) -> None:
    got = checked("group", maker, {key: given})[key]
    assert got == wanted
    assert type(got) is type(wanted)


REFUSED: list[tuple[str, Any, str]] = [
    ("count", 0, "group.count: expected at least 1, got 0."),
    ("count", True, "group.count: expected a whole number, got true."),
    ("count", 2.0, "group.count: expected a whole number, got 2.0."),
    ("count", "3", "group.count: expected a whole number, got '3'."),
    ("natural", -1, "group.natural: expected at least 0, got -1."),
    ("fraction", 1.1, "group.fraction: expected at most 1, got 1.1."),
    ("fraction", float("nan"), "group.fraction: expected"),
    ("rate", float("inf"), "group.rate: expected a finite number, got inf."),
    ("rate", float("nan"), "group.rate: expected a finite number, got nan."),
    ("rate", None, "group.rate: expected a number, got null."),
    ("rate", False, "group.rate: expected a number, got false."),
    ("positive", 0, "group.positive: expected more than 0, got 0."),
    ("flag", 1, "group.flag: expected true or false, got 1."),
    ("kind", "c", "group.kind: expected 'a' or 'b', got 'c'."),
    ("path", 3, "group.path: expected a path, got 3."),
    ("each", {"x": -1}, "group.each: expected at least 0, got -1."),
    ("each", "x", "group.each: expected a number or a mapping, got 'x'."),
    ("pairs", [[0]], "group.pairs: a value is needed and none was given; [0] is too short."),
    ("pairs", [[0, 1, 2]], "group.pairs: expected"),
    ("maybe", 0, "group.maybe: expected at least 1, got 0."),
    ("count_", 3, "group: unknown key 'count_', did you mean 'count'?"),
    ("zzz", 3, "group: unknown key 'zzz', valid: count, each,"),
]


@pytest.mark.parametrize(("key", "given", "sentence"), REFUSED)
def test_a_value_of_the_wrong_type_is_refused_in_a_sentence(key: str, given: Any, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        checked("group", maker, {key: given})
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_a_key_that_is_needed_is_named() -> None:
    def needs(*, lr: NonNegative) -> None: ...

    with pytest.raises(ConfigError, match=r"group\.lr: a value is needed and none was given\."):
        checked("group", needs, {})


def test_defaults_stay_as_they_are() -> None:
    assert checked("group", maker, {})["rate"] == 0.1


def test_extra_keys_only_where_the_constructor_takes_them() -> None:
    def free(*, a: Count = 1, **names: Any) -> None: ...

    assert checked("group", free, {"b": [1]}) == {"a": 1, "b": [1]}


def test_nearest_names_one_or_all() -> None:
    assert nearest("adamm", ["sgd", "adam"]) == "did you mean 'adam'?"
    assert nearest("zzz", ["sgd", "adam"]) == "valid: adam, sgd."


def test_values_are_shown_as_the_command_line_writes_them() -> None:
    assert [shown(value) for value in (None, True, 0.1, "x", [1])] == ["null", "true", "0.1", "'x'", "[1]"]


@pytest.mark.parametrize("target", ["os.system", "builtins.open", "torch.load", "labkit.config.build", None, 3, ""])
def test_a_target_must_be_on_the_list(target: Any) -> None:
    with pytest.raises(ConfigError, match="is not on the list of allowed constructors"):
        build("optimizer", {"_target_": target, "lr": 0.1})


def test_a_target_of_another_group_is_not_on_the_list() -> None:
    with pytest.raises(ConfigError, match="is not on the list"):
        build("model", {"_target_": "labkit.optim.rules.sgd", "lr": 0.1})


def test_a_target_of_the_users_needs_the_whole_name() -> None:
    node = {"_target_": "fractions.Fraction", "numerator": 3, "denominator": 4}
    with pytest.raises(ConfigError):
        build("model", node, ["fractions.FractionX"])
    with pytest.raises(ConfigError, match="cannot be imported"):
        build("model", {"_target_": "nowhere.thing"}, ["nowhere.thing"])


def test_only_labkits_own_files_allow_a_constructor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (tmp_path, tmp_path / "conf"):
        (folder / "optimizer").mkdir(parents=True)
        (folder / "optimizer" / "mine.yaml").write_text("_target_: os.system\ncommand: 'true'\n")
    (tmp_path / "conf" / "config.yaml").write_text("defaults:\n  - optimizer: mine\n")
    monkeypatch.chdir(tmp_path)
    constructors.cache_clear()
    assert "labkit.optim.rules.sgd" in constructors("optimizer")
    assert "os.system" not in constructors("optimizer")
    with pytest.raises(ConfigError, match=r"'os\.system' is not on the list"):
        build("optimizer", {"_target_": "os.system", "command": "true"})


@pytest.mark.parametrize("group", ["", "..", "hydra", "experiment", "nowhere", "multirun", "sweeps"])
def test_a_folder_that_is_no_group_of_parts_allows_nothing(group: str) -> None:
    assert constructors(group) == ()
    assert group not in groups()
