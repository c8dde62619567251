"""A user's own folder: `-cd` with experiments, options and constructors of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def test_a_folder_of_ones_own(own: Path, labkit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(own))
    words = ("-cd", str(own), "experiment=mine", "model.units=5", "tracker=none")
    refused = labkit(*words)
    assert refused.code == 2, "a file may not allow its own code"
    told = "targets=[own_parts.tiny]"
    assert f"'{told}'" in refused.err
    answer = labkit(*words, told)
    assert answer.code == 0, answer.err
    assert "mine" in answer.out


def test_a_target_of_ones_own_needs_to_be_listed(own: Path, labkit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(own))
    answer = labkit("-cd", str(own), "model=tiny", "tracker=none")
    assert answer.code == 2
    assert "'own_parts.tiny' is not on the list of allowed constructors" in answer.err
    assert "targets" in answer.err


@pytest.mark.parametrize("words", [(), ("-m", "seed=0,1", "hydra/launcher=basic"), ("-m", "seed=0,1")])
def test_the_folder_of_the_command_is_the_root_wherever_hydra_stands(labkit: Any, words: tuple[str, ...]) -> None:
    """With `hydra.job.chdir=true`: the store, one's own modules, data files and curves."""
    Path("mine_here.py").write_text(
        "from labkit.optim import rules\ndef mine(*, lr: float) -> rules.Rule:\n    return rules.sgd(lr=lr)\n"
    )
    Path("curves.yaml").write_text("source: me\ncurves: {val/accuracy: [[0, 0.1], [2, 0.5]]}\n")
    Path("t.csv").write_text("x,y,label\n" + "".join(f"{i % 7},{i % 5},{'ab'[i % 2]}\n" for i in range(60)))
    own = ("targets=[mine_here.mine]", "optimizer._target_=mine_here.mine", "~optimizer.weight_decay")
    data = ("data=table", "data.file=t.csv", "data.target=label", "paths.data=.", "preprocess=none", "model=softmax")
    rest = ("tracker.published=curves.yaml", "paths.root=here", "hydra.job.chdir=true", "trainer.steps=1")
    answer = labkit(*words, *own, *data, *rest)
    assert answer.code == 0, answer.err
    assert [file for file in answer.files if file.endswith((".db", "mlruns"))] == [
        "here/mlruns",
        "here/mlruns/mlflow.db",
    ]
