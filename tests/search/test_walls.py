"""A best value at an end of the search's own range is told, in one sentence with what to do; inside, nothing is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labkit.config import ConfigError
from labkit.search.search import SearchResult, TrialAnswer, search
from labkit.search.space import Dimension, Space
from tests.search.search_cases import Evaluator, definition

RATE = Dimension("optimizer.lr", 1e-3, 1.0, log=True)
COARSE = {"sampler": "grid", "n_trials": 4}


def searched(folder: Path, value: Any, fine: Any, space: tuple[Dimension, ...] = (RATE,)) -> tuple[SearchResult, Any]:
    """A search in two stages, and the lines that it said."""
    said: list[str] = []
    one = definition({"coarse": COARSE, "fine": {"sampler": "random", "n_trials": 4, **fine}}, Space(space))
    return search(one, Evaluator(value), "journal", folder, said.append), said


def upwards(params: Any) -> float:
    return float(params["optimizer.lr"])


def test_a_wall_is_told_with_key_value_and_what_to_do(tmp_path: Path) -> None:
    result, said = searched(tmp_path, upwards, {"zoom": {"around": 1}})
    sentence = (
        "the best optimizer.lr, 1, lies at the upper end of its range, 1; better ones may lie beyond: search a "
        "wider range, or say widen: true in the zoom of stage fine, under another hydra.sweeper.study_name."
    )
    assert result.stages[0].note == sentence
    assert f"coarse: {sentence}" in said
    assert result.stages[1].space is not None
    assert result.stages[1].space["optimizer.lr"].high == 1.0


def test_a_stage_that_goes_beyond_is_told_of_only_where_it_stops(tmp_path: Path) -> None:
    result, _ = searched(tmp_path / "a", upwards, {"zoom": {"around": 1, "widen": True}})
    assert result.stages[0].note == ""
    assert result.stages[1].space is not None
    assert result.stages[1].space["optimizer.lr"].high == pytest.approx(10)
    limited = {"zoom": {"around": 1, "widen": True, "limits": {"optimizer.lr": [1e-3, 1]}}}
    result, _ = searched(tmp_path / "b", upwards, limited)
    assert result.stages[0].note.startswith("the best optimizer.lr, 1, lies at the upper end of its range, 1;")


def test_inside_nothing_is_told(tmp_path: Path) -> None:
    result, said = searched(tmp_path, lambda p: -abs(upwards(p) - 0.1), {"zoom": {"around": 1}})
    assert [stage.note for stage in result.stages] == ["", ""]
    assert not any("end of its range" in line for line in said)


def test_an_end_that_the_zoom_made_is_no_wall(tmp_path: Path) -> None:
    def value(stage: str, params: Any) -> float:
        return -abs(upwards(params) - 0.1) if stage == "coarse" else upwards(params)

    class Staged(Evaluator):
        def __call__(self, stage: str, words: Any, proposals: Any, purpose: str) -> list[TrialAnswer]:
            return [TrialAnswer((value(stage, p.params),)) for p in proposals]

    coarse = {"sampler": "grid", "n_trials": 7}
    one = definition({"coarse": coarse, "fine": {**coarse, "zoom": {"around": 1}}}, Space((RATE,)))
    result = search(one, Staged(), "journal", tmp_path)
    assert result.stages[1].space is not None
    assert result.winner is not None
    assert result.winner.params["optimizer.lr"] == result.stages[1].space["optimizer.lr"].high < 1
    assert result.stages[1].note == ""


def test_below_zero_no_range_goes_on(tmp_path: Path) -> None:
    momentum = Dimension("optimizer.momentum", 0.0, 0.9)
    result, _ = searched(tmp_path, lambda p: -p["optimizer.momentum"], {"zoom": True}, (momentum,))
    assert result.stages[0].note == (
        "the best optimizer.momentum, 0, lies at the lower end of its range, 0, and nothing is tried beyond it."
    )


def test_several_keys_are_one_sentence_and_choices_have_no_walls(tmp_path: Path) -> None:
    space = (
        Dimension("optimizer.lr", 1e-3, 1.0, log=True),
        Dimension("model.width", 8, 64, integer=True),
        Dimension("model.activation", choices=("relu",)),
        Dimension("loss.l2", 0.1, 1.0, when={"model.activation": ("relu",)}),
    )
    one = definition({"a": {"sampler": "grid", "n_trials": 8}}, Space(space))
    found = search(one, Evaluator(lambda p: -upwards(p) + p["model.width"] + p["loss.l2"]), "journal", tmp_path)
    assert found.stages[0].note == (
        "the best optimizer.lr, 0.001, lies at the lower end of its range, 0.001, and the best model.width, 64, lies "
        "at the upper end of its range, 64, and the best loss.l2, 1, lies at the upper end of its range, 1; "
        "better ones may lie beyond: search a wider range under another hydra.sweeper.study_name."
    )


def test_a_study_from_before_there_was_widen_goes_on_where_it_did_not_widen(tmp_path: Path) -> None:
    """Its stored definition has no `widen`: where its range stayed inside, it is the same search; else it widened."""
    fine = {"zoom": {"around": 1}}
    searched(tmp_path, lambda p: -abs(upwards(p) - 0.1), fine)
    journal = tmp_path / "kth_lambda.log"
    journal.write_text(journal.read_text().replace('"widen":false,', ""))
    assert "widen" not in journal.read_text()
    result, _ = searched(tmp_path, lambda p: 0.0, fine)
    assert result.evaluated == 0
    result, _ = searched(tmp_path, lambda p: 0.0, {"zoom": {"around": 1, "widen": True}})
    assert result.evaluated == 0


def test_a_study_from_before_that_had_widened_says_so(tmp_path: Path) -> None:
    searched(tmp_path, upwards, {"zoom": {"around": 1, "widen": True}})
    journal = tmp_path / "kth_lambda.log"
    journal.write_text(journal.read_text().replace('"widen":true,', ""))
    result, _ = searched(tmp_path, upwards, {"zoom": {"around": 1, "widen": True}})
    assert result.evaluated == 0
    with pytest.raises(ConfigError, match=r"zoom was .*'widen': True.*, is .*'widen': False"):
        searched(tmp_path, upwards, {"zoom": {"around": 1}})
