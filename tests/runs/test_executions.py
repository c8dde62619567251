"""How runs are executed: remembered, followed, given by hand, and what `fast` comes to.

It also covers remembered.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from labkit.compose import compose
from labkit.config import ConfigError
from labkit.engine import timing
from labkit.engine.timing import Choice
from labkit.multirun.optuna_sweep import common_settings
from labkit.runs import executions, remembered
from labkit.runs.plan import Plan, plan
from labkit.tracking.rows import IGNORED, RunRow
from tests.conftest import Command

Planned = Callable[..., Plan]
NOTHING: Any = SimpleNamespace(dimensions=())  # a space that searches over nothing


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the user's own, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(remembered, "_unwritten", {})
    return tmp_path / "cache" / "labkit" / "executions.json"


@pytest.fixture
def planned(tmp_path: Path, cache: Path) -> Planned:
    def make(*words: str) -> Plan:
        return plan(compose([*words, "tracker=none", f"paths.root={tmp_path}"]), words)

    return make


def chosen(ready: Plan) -> Choice:
    return executions.chosen([ready.recipe], ready.parts, ready.paths.root)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Long trainings, whose choice is known; one entry for every time it was timed."""
    times: list[int] = []

    def choose(recipes: Any, parts: Any) -> Choice:
        times.append(len(recipes))
        given = executions.stated(recipes, len(parts.train))
        complete = recipes[0].trainer.batch_size != 9
        return Choice(executions.changed(given, {"threads": 7}), "timed", complete, {"tried": 0.5})

    monkeypatch.setattr(executions, "is_short", lambda recipes, parts: False)
    monkeypatch.setattr(executions, "choose", choose)
    return times


def test_a_choice_is_timed_once_and_remembered(planned: Planned, cache: Path, tmp_path: Path, counted: Any) -> None:
    (tmp_path / "mlruns").mkdir()
    first = chosen(planned())
    again = chosen(planned("seed=4", "optimizer.lr=0.02", "trainer.epochs=11"))
    assert first.execution == again.execution
    assert (first.why, again.why) == ("timed", "timed earlier")
    assert again.seconds == {"tried": 0.5}
    assert counted == [1]
    assert chosen(planned("trainer.batch_size=7")).why == "timed"
    for file in (cache, tmp_path / "mlruns" / "executions.json"):
        assert len(json.loads(file.read_text())["entries"]) == 2
    cache.unlink()
    assert chosen(planned()).why == "timed earlier", "the store remembers, too"


def test_what_was_not_tried_is_settled_for_this_length_only(planned: Planned, counted: list[int]) -> None:
    words = ("trainer.batch_size=9", "trainer.steps=500")
    assert [chosen(planned(*words, f"seed={seed}")).why for seed in (0, 1)] == ["timed", "timed earlier"]
    assert chosen(planned(words[0], "trainer.steps=501")).why == "timed"
    assert counted == [1, 1]


def test_nothing_is_written_where_no_store_is(planned: Planned, tmp_path: Path, counted: Any) -> None:
    chosen(planned())
    assert not (tmp_path / "mlruns").exists()


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"version": 0, "entries": {}}',
        '{"version": 1, "entries": []}',
        '{"version": 1, "entries": {"KEY": {"execution": {"threads": 1}}}}',
        '{"version": 1, "entries": {"KEY": {"execution": {}, "seconds": 3}}}',
        '{"version": 1, "entries": {"KEY": 5}}',
    ],
    ids=["half", "list", "old", "no entries", "a part", "no parts", "a number"],
)
def test_a_damaged_cache_is_measured_again(
    content: str, planned: Planned, cache: Path, counted: Any, capsys: Any
) -> None:
    chosen(planned())
    (key,) = json.loads(cache.read_text())["entries"]
    cache.write_text(content.replace('"KEY"', json.dumps(key)))
    capsys.readouterr()
    assert chosen(planned()).execution.threads == 7
    said = capsys.readouterr().err
    assert ("measured again" in said) == ('version": 0' not in content and 'entries": []' not in content)
    assert counted == [1, 1]
    assert chosen(planned()).why == "timed earlier"


def test_a_cache_that_cannot_be_written_is_done_without(planned: Planned, cache: Path, counted: Any) -> None:
    cache.parent.parent.write_text("a file where a folder should be")
    assert [chosen(planned()).why for _ in range(2)] == ["timed", "timed earlier"]
    assert counted == [1], "this process remembers"
    assert not cache.parent.exists()


def test_a_file_system_without_locks_is_done_without(
    planned: Planned, cache: Path, counted: Any, monkeypatch: Any
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    assert [chosen(planned()).why for _ in range(2)] == ["timed", "timed earlier"]
    assert cache.is_file()


def test_parts_by_hand_come_before_everything(planned: Planned, counted: Any) -> None:
    found = chosen(planned("trainer.execution={threads: 3}"))
    assert (found.execution.threads, found.why) == (3, "given by trainer.execution")
    assert counted == []


@pytest.mark.parametrize(("ratio", "precision"), [(0.5, "bfloat16"), (1.5, "float32")])
def test_fast_is_the_faster_one_and_part_of_the_identity(
    ratio: float, precision: str, planned: Planned, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    monkeypatch.setattr(executions, "ratio", lambda *_: asked.append(ratio) or ratio)
    ready, given = planned("trainer.precision=fast"), planned(f"trainer.precision={precision}")
    assert ready.recipe.trainer.precision == ready.config["trainer"]["precision"] == precision
    assert (ready.config_hash, ready.shape) == (given.config_hash, given.shape)
    assert f"trainer.precision={precision}" in ready.command
    assert "fast" not in ready.command
    other = {"bfloat16": "float32", "float32": "bfloat16"}[precision]
    assert ready.config_hash != planned(f"trainer.precision={other}").config_hash
    assert planned("trainer.precision=fast", "seed=1").recipe.trainer.precision == precision
    assert asked == [ratio], "measured once"


def test_what_decides_is_what_is_remembered(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executions, "ratio", lambda *_: 0.99996)
    first, second = (planned("trainer.precision=fast", f"seed={seed}") for seed in (0, 1))
    assert first.recipe.trainer.precision == second.recipe.trainer.precision
    assert first.seed_group == second.seed_group


@pytest.mark.parametrize("threads", ["1", "2", "auto"])
def test_fast_is_decided_for_any_number_of_threads(threads: str, planned: Planned, cache: Path) -> None:
    """Really timed; on one thread, so that all jobs of a sweep decide alike, however many threads each may have."""
    ready = planned("trainer.precision=fast", f"trainer.threads={threads}", "data=digits", "model=cnn")
    assert ready.recipe.trainer.precision in ("float32", "bfloat16")
    (key,) = json.loads(cache.read_text())["entries"]
    assert not {"threads=", "cores="} & set(key.split()), key


def test_fast_is_told_wherever_the_precision_is_named(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executions, "ratio", lambda *_: 0.5)
    words = ("trainer.precision=fast", "name=net-${trainer.precision}")
    ready = planned(*words)
    assert ready.name == "net-bfloat16"
    assert ready.words == words, "as the user gave them: a job is known by them"
    assert ready.config_hash == planned("trainer.precision=bfloat16", words[1]).config_hash


def test_a_refused_command_measures_nothing(planned: Planned, cache: Path) -> None:
    with pytest.raises(ConfigError, match="it needs a schedule with cycles"):
        planned("trainer.precision=fast", "trainer.ensemble=3")
    assert not cache.exists()


def test_bfloat16_by_hand_says_what_it_costs(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executions, "is_short", lambda recipes, parts: False)
    monkeypatch.setattr(executions, "ratio", lambda *_: 1.87654)
    ready = planned("trainer.precision=bfloat16")
    said = executions.slower(ready.recipe, ready.parts, ready.paths.root)
    assert said.startswith("trainer.precision=bfloat16: training takes up to 1.88 times as long as in float32")
    full = planned()
    assert executions.slower(full.recipe, full.parts, full.paths.root) == ""


def test_executions_are_no_part_of_the_identity(planned: Planned) -> None:
    one, other = planned(), planned("trainer.execution={threads: 2}")
    assert one.config_hash == other.config_hash
    assert common_settings(one, NOTHING) == common_settings(other, NOTHING)
    assert "trainer.execution.threads".startswith(IGNORED)


def row(tags: dict[str, str]) -> RunRow:
    return RunRow("abc", tags=tags)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([], "there is no run 'abc'; valid: auto, a run's id, or parts to set."),
        ([{}], "run abc has recorded no execution."),
        (
            [{"labkit.execution": "threads=2 block=1", "labkit.processor": "Z80"}],
            "run abc ran on another processor, Z80; here it is",
        ),
    ],
    ids=["unknown", "older", "another processor"],
)
def test_a_run_that_cannot_be_followed_is_named(rows: list[dict[str, str]], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        executions._followed("abc", [row(tags) for tags in rows])
    assert sentence in str(refused.value)


def test_a_run_is_followed_part_by_part(labkit: Command) -> None:
    """A recorded run's id does as that run did; a wrong part is one sentence and exit code 2."""
    first = labkit("trainer.steps=5", "trainer.execution={threads: 2}")
    assert first.code == 0, first.err
    run_id = next(word for word in first.out.split() if len(word) == 32 and word.isalnum())
    again = labkit("trainer.steps=5", f"trainer.execution={run_id}", "task=info")
    assert again.code == 0, again.err
    assert "threads=2 workers=1 convolutions=channels_first" in again.out
    wrong = labkit("trainer.steps=5", "trainer.execution={blok: 1}")
    assert (wrong.code, "did you mean 'block'?" in wrong.err) == (2, True)


def test_a_number_of_samples_is_enough_to_measure_training(planned: Planned) -> None:
    ready = planned("trainer.eval_train=100", "trainer.steps=3")
    total = len(ready.parts.train)
    assert ready.measured == f"100 of {total:,} training samples, the same in every run"
    assert planned().measured == ""
    assert planned("trainer.eval_train=1000000").measured == ""


def test_short_is_judged_on_the_slow_side(planned: Planned) -> None:
    ready = planned("trainer.steps=5")
    assert timing.is_short([ready.recipe], ready.parts)
    longer = planned("trainer.steps=100000")
    assert not timing.is_short([longer.recipe], longer.parts)
